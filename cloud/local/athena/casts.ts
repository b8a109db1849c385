/** Casts with Trino's meaning: what it parses, how it rounds and prints. The rest is refused or fails at run time. */
import type { TypeNode } from "./ast.ts";
import { unsupported } from "./failure.ts";
import { text } from "./scope.ts";
import {
  bigint,
  boolean,
  date,
  decimal,
  double,
  duckdbType,
  integer,
  isFloating,
  isInteger,
  isNumeric,
  real,
  sameType,
} from "./types.ts";
import { timestamp, type Type, typeText, varchar } from "./types.ts";

/** A typed piece of DuckDB SQL; `constant` is the value of a string literal. */
export interface Typed {
  readonly sql: string;
  readonly type: Type;
  readonly constant?: string;
}

const castTypes: Readonly<Record<string, Type>> = {
  BOOLEAN: boolean,
  TINYINT: { kind: "tinyint" },
  SMALLINT: { kind: "smallint" },
  INTEGER: integer,
  BIGINT: bigint,
  FLOAT: real,
  DOUBLE: double,
  VARCHAR: varchar,
  DATE: date,
  TIMESTAMP: timestamp,
  TIMESTAMP_MS: timestamp,
};

/** The type that a CAST names. */
export function castType(node: TypeNode): Type {
  if (node.id === "DECIMAL") return decimal(node.type_info?.width ?? 38, node.type_info?.scale ?? 0);
  const type = castTypes[node.id];
  if (!type) throw unsupported(`the type ${node.id}`);
  return type;
}

/** The value as `to`; it must widen to it without a cast (see `commonType`). */
export function coerced(value: Typed, to: Type): string {
  if (sameType(value.type, to)) return value.sql;
  if (value.type.kind === "unknown" || duckdbType(value.type) !== duckdbType(to)) {
    return `CAST(${value.sql} AS ${duckdbType(to)})`;
  }
  return value.sql;
}

/** `CAST(value AS to)`, or with `safe` `TRY_CAST`: NULL instead of an error. */
export function castTo(value: Typed, to: Type, safe: boolean): string {
  const cast = safe ? "TRY_CAST" : "CAST";
  const plain = (sql: string): string => `${cast}(${sql} AS ${duckdbType(to)})`;
  const from = value.type;
  if (sameType(from, to)) return value.sql;
  if (from.kind === "unknown") return plain("NULL");
  if (from.kind === "varchar") return parsed(value, to, safe);
  if (to.kind === "varchar") return printed(value);
  if (isNumeric(from) && isNumeric(to)) {
    // Trino rounds half away from zero, DuckDB half to even
    return plain(isFloating(from) && isInteger(to) ? `round(${value.sql})` : value.sql);
  }
  if (from.kind === "boolean" && isNumeric(to)) return plain(value.sql);
  if (isNumeric(from) && to.kind === "boolean") return `(${value.sql} <> 0)`;
  if (isCalendar(from) && isCalendar(to)) return plain(value.sql);
  throw unsupported(`a cast from ${typeText(from)} to ${typeText(to)}`);
}

function isCalendar(type: Type): boolean {
  return ["date", "timestamp", "timestamp with time zone"].includes(type.kind);
}

function printed(value: Typed): string {
  const { sql, type } = value;
  if (type.kind === "timestamp") return `strftime(${sql}, '%Y-%m-%d %H:%M:%S.%g')`;
  if (isInteger(type) || ["boolean", "date", "decimal"].includes(type.kind)) return `CAST(${sql} AS VARCHAR)`;
  throw unsupported(`a cast from ${typeText(type)} to varchar`);
}

const wholeNumber = "[+-]?[0-9]+";
const timeOfDay = "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?";

const accepted: Readonly<Record<string, string>> = {
  boolean: "(?i)(true|false|t|f|1|0)",
  tinyint: wholeNumber,
  smallint: wholeNumber,
  integer: wholeNumber,
  bigint: wholeNumber,
  decimal: "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)",
  real: "\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+|Infinity|NaN)([eE][+-]?[0-9]+)?\\s*",
  double: "\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+|Infinity|NaN)([eE][+-]?[0-9]+)?\\s*",
  date: "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
  timestamp: `[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}( ${timeOfDay})?`,
};

/** A string read as `to`. DuckDB reads more ('1.5' and '1_000' as integers), so the form is checked first. */
function parsed(value: Typed, to: Type, safe: boolean): string {
  const form = accepted[to.kind];
  if (form === undefined) throw unsupported(`a cast from varchar to ${typeText(to)}`);
  const cast = `${safe ? "TRY_CAST" : "CAST"}(${value.sql} AS ${duckdbType(to)})`;
  const read = to.kind === "timestamp" ? toMilliseconds(cast) : cast;
  if (isConstantOf(form, value)) {
    // without the rounding where there is nothing to round: DuckDB compares a constant with a file's statistics
    return /[.]\d{4,}$/.test(value.constant ?? "") ? read : cast;
  }
  const otherwise = safe ? "NULL" : refusal(value.sql, to);
  return `(CASE WHEN ${value.sql} IS NULL THEN NULL WHEN regexp_full_match(${value.sql}, ${text(form)}) THEN ${read} ELSE ${otherwise} END)`;
}

function refusal(sql: string, to: Type): string {
  return `error('INVALID_CAST_ARGUMENT: Cannot cast ''' || ${sql} || ''' to ${typeText(to)}')`;
}

function isConstantOf(form: string, value: Typed): boolean {
  if (value.constant === undefined || form.startsWith("(?i)")) return false;
  return new RegExp(`^(?:${form})$`).test(value.constant);
}

/** A timestamp rounded to Athena's precision of 3 digits. */
export function toMilliseconds(sql: string): string {
  return `date_trunc('millisecond', ${sql} + INTERVAL 500 MICROSECOND)`;
}
