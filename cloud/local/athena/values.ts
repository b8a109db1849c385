/** Values as Athena writes them in results. */
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from "@duckdb/node-api";
import { unsupported } from "./failure.ts";
import { type Type, typeText } from "./types.ts";

/** The text of a value; null for NULL. Throws `StatementFailed` for a type that has no text here. */
export function valueText(value: DuckDBValue, type: Type): string | null {
  if (value === null) return null;
  if (typeof value === "string") return value;
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString();
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "number") return numberText(value, type);
  if (value instanceof DuckDBTimestampValue) return timestampText(value.micros, type);
  if (value instanceof DuckDBDateValue || value instanceof DuckDBDecimalValue) return value.toString();
  if (value instanceof DuckDBListValue && type.kind === "array") {
    return `[${value.items.map((item) => valueText(item, type.element) ?? "null").join(", ")}]`;
  }
  throw unsupported(`a result of type ${typeText(type)}`, "Cast it to varchar");
}

function numberText(value: number, type: Type): string {
  if (type.kind === "double") return doubleText(value);
  return type.kind === "real" ? doubleText(shortestReal(value)) : String(value);
}

// a float widened to a double prints digits that it never had
function shortestReal(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

/** As Java's Double.toString: `1.0`, `1.0E10`, `NaN`. The shortest digits that read back as the same double. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits.includes(".") ? digits : `${digits}.0`}E${Number(exponent)}`;
}

function timestampText(micros: bigint, type: Type): string {
  const text = new Date(Number(micros / 1000n - (micros % 1000n < 0n ? 1n : 0n))).toISOString();
  const zone = type.kind === "timestamp with time zone" ? " UTC" : "";
  return `${text.replace("T", " ").replace("Z", "")}${zone}`;
}
