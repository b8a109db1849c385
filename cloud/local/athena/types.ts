/** The types of Trino that the embedded Athena knows, how they widen, and what DuckDB calls them. */
type SimpleKind =
  | "boolean"
  | "tinyint"
  | "smallint"
  | "integer"
  | "bigint"
  | "real"
  | "double"
  | "varchar"
  | "date"
  | "timestamp"
  | "timestamp with time zone"
  | "interval day to second"
  | "interval year to month"
  | "unknown";

export type Type =
  | { readonly kind: SimpleKind }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "array"; readonly element: Type };

export const boolean: Type = { kind: "boolean" };
export const integer: Type = { kind: "integer" };
export const bigint: Type = { kind: "bigint" };
export const real: Type = { kind: "real" };
export const double: Type = { kind: "double" };
export const varchar: Type = { kind: "varchar" };
export const date: Type = { kind: "date" };
export const timestamp: Type = { kind: "timestamp" };
/** Held as a plain DuckDB TIMESTAMP in UTC: the session zone of Athena is UTC. */
export const timestampTz: Type = { kind: "timestamp with time zone" };
export const unknown: Type = { kind: "unknown" };
export const decimal = (precision: number, scale: number): Type => ({ kind: "decimal", precision, scale });
export const array = (element: Type): Type => ({ kind: "array", element });

const integers = ["tinyint", "smallint", "integer", "bigint"] as const;
const integerDigits: Record<(typeof integers)[number], number> = {
  tinyint: 3,
  smallint: 5,
  integer: 10,
  bigint: 19,
};

type IntegerType = { readonly kind: (typeof integers)[number] };

export function isInteger(type: Type): type is IntegerType {
  return (integers as readonly string[]).includes(type.kind);
}

export function isFloating(type: Type): boolean {
  return type.kind === "double" || type.kind === "real";
}

export function isNumeric(type: Type): boolean {
  return isInteger(type) || isFloating(type) || type.kind === "decimal";
}

export function isMoment(type: Type): boolean {
  return type.kind === "date" || type.kind === "timestamp" || type.kind === "timestamp with time zone";
}

export function isInterval(type: Type): boolean {
  return type.kind === "interval day to second" || type.kind === "interval year to month";
}

/** The type as Trino writes it: `decimal(10,2)`, `array(bigint)`. */
export function typeText(type: Type): string {
  if (type.kind === "decimal") return `decimal(${type.precision},${type.scale})`;
  return type.kind === "array" ? `array(${typeText(type.element)})` : type.kind;
}

export function sameType(a: Type, b: Type): boolean {
  return typeText(a) === typeText(b);
}

/** The type both widen to without a cast, as Trino would; undefined where Trino reports TYPE_MISMATCH. */
export function commonType(a: Type, b: Type): Type | undefined {
  if (sameType(a, b) || b.kind === "unknown") return a;
  if (a.kind === "unknown") return b;
  if (isNumeric(a) && isNumeric(b)) return commonNumber(a, b);
  if (isMoment(a) && isMoment(b)) return commonMoment(a, b);
  if (a.kind === "array" && b.kind === "array") {
    const element = commonType(a.element, b.element);
    return element && array(element);
  }
  return undefined;
}

function commonNumber(a: Type, b: Type): Type {
  if (a.kind === "double" || b.kind === "double") return double;
  if (a.kind === "real" || b.kind === "real") return real;
  if (isInteger(a) && isInteger(b)) return integers.indexOf(a.kind) > integers.indexOf(b.kind) ? a : b;
  const [left, right] = [asDecimal(a), asDecimal(b)];
  const scale = Math.max(left.scale, right.scale);
  const digits = Math.max(left.precision - left.scale, right.precision - right.scale);
  return decimal(Math.min(38, digits + scale), scale);
}

function commonMoment(a: Type, b: Type): Type {
  const zoned = a.kind === "timestamp with time zone" || b.kind === "timestamp with time zone";
  return zoned ? timestampTz : timestamp;
}

/** Precision and scale of a decimal, or of the decimal that holds every value of an integer type. */
export function asDecimal(type: Type): { precision: number; scale: number } {
  if (type.kind === "decimal") return type;
  return { precision: isInteger(type) ? integerDigits[type.kind] : 38, scale: 0 };
}

/** DuckDB's name of the type. */
export function duckdbType(type: Type): string {
  switch (type.kind) {
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
    case "array":
      return `${duckdbType(type.element)}[]`;
    case "real":
      return "FLOAT";
    case "timestamp with time zone":
      return "TIMESTAMP";
    case "interval day to second":
    case "interval year to month":
      return "INTERVAL";
    case "unknown":
      return "INTEGER";
    default:
      return type.kind.toUpperCase();
  }
}

const hiveNames: Readonly<Record<string, Type>> = {
  string: varchar,
  varchar,
  boolean,
  tinyint: { kind: "tinyint" },
  smallint: { kind: "smallint" },
  int: integer,
  integer,
  bigint,
  float: real,
  real,
  double,
  timestamp,
  date,
  decimal: decimal(10, 0),
};

/** A column type of a Hive table (`string`, `decimal(10,2)`, `array<bigint>`); undefined for what is not supported. */
export function hiveType(text: string): Type | undefined {
  const name = text.trim().toLowerCase().replaceAll(/\s+/g, "");
  const decimals = /^decimal\((\d+),(\d+)\)$/.exec(name);
  if (decimals) return decimal(Number(decimals[1]), Number(decimals[2]));
  const list = /^array<(.+)>$/.exec(name);
  if (list) {
    const element = hiveType(list[1] ?? "");
    return element && array(element);
  }
  return hiveNames[name];
}
