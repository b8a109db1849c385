/** An execution parameter, read as Trino reads it: one literal, or something that must not be sent. */
import { tokensOf } from "./grammar.ts";

const kinds: Readonly<Record<string, "string" | "number" | "boolean" | "timestamp">> = {
  STRING: "string",
  INTEGER_VALUE: "number",
  DECIMAL_VALUE: "number",
  DOUBLE_VALUE: "number",
  "MINUS INTEGER_VALUE": "number",
  "MINUS DECIMAL_VALUE": "number",
  "MINUS DOUBLE_VALUE": "number",
  KW_TRUE: "boolean",
  KW_FALSE: "boolean",
  "KW_TIMESTAMP WHITE_SPACE STRING": "timestamp",
};

export interface Literal {
  readonly kind: "string" | "number" | "boolean" | "timestamp";
  /** What it says; of strings and timestamps without the quotes. */
  readonly value: string;
}

/** Null where the text is anything else or anything more than one literal: comments and blanks too. */
export function literalOf(parameter: string): Literal | null {
  const tokens = tokensOf(parameter);
  const kind = kinds[tokens.map(({ name }) => name).join(" ")];
  if (kind === undefined || tokens.map(({ text }) => text).join("") !== parameter) return null;
  const last = tokens.at(-1)!.text;
  const quoted = kind === "string" || kind === "timestamp";
  return { kind, value: quoted ? last.slice(1, -1).replaceAll("''", "'") : parameter };
}
