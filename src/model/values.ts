/**
 * Column types and their values in JavaScript. A datetime is an instant (epoch milliseconds); an int is a safe integer;
 * a float is finite.
 */
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

/** Order of values: by code point for strings (as in SQL), false before true, null last. */
export function compareValues(a: Value, b: Value): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  return Number(a) - Number(b);
}

/** JavaScript compares UTF-16 units, which puts U+FFxx after emoji; databases compare code points. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
