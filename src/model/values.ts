/**
 * Column types and their values in JavaScript. A datetime is an instant (epoch milliseconds); an int is a safe integer;
 * a float is finite.
 */
import { UserInputError } from "./errors.ts";

export type ColumnType = "int" | "float" | "string" | "boolean" | "datetime";

export type Value = string | number | boolean | null;

/** One event of a source, by property name. */
export type Event = Readonly<Record<string, Value>>;

/** Why `value` is not a value of `type`, or null when it is one. */
export function typeProblem(value: Value, type: ColumnType): string | null {
  switch (type) {
    case "int":
    case "datetime":
      return Number.isSafeInteger(value) ? null : `is not a safe integer`;
    case "float":
      return typeof value === "number" && Number.isFinite(value) ? null : `is not a finite number`;
    case "string":
      return typeof value === "string" ? null : `is not a string`;
    case "boolean":
      return typeof value === "boolean" ? null : `is not a boolean`;
  }
}

/** Throws `UserInputError` for a text of a client's that no store can hold as it is. */
export function assertText(text: string): void {
  if (text.includes("\0") || /\p{Surrogate}/u.test(text))
    throw new UserInputError(
      `A text is Unicode, without halves of surrogate pairs and without U+0000. Got ${JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)}. Leave those out.`,
    );
}

/** Order of values: by code point for strings (as in SQL), false before true, null last. */
export function compareValues(a: Value, b: Value): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  return Number(a) - Number(b);
}

/** JavaScript compares UTF-16 units, which puts U+FFxx after emoji; databases compare code points. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    // halves of surrogate pairs stand for code points beyond all others
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
