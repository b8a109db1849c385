/** Arithmetic and comparison with Trino's types, its errors (division by zero, overflow) and its NaN. */
import { type Typed, coerced } from "./casts.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import {
  asDecimal,
  boolean,
  commonType,
  date,
  decimal,
  duckdbType,
  isFloating,
  isInteger,
  isInterval,
} from "./types.ts";
import { isNumeric, type Type, typeText, varchar } from "./types.ts";

function mismatch(operator: string, ...operands: readonly Typed[]): StatementFailed {
  const types = operands.map((operand) => typeText(operand.type)).join(` ${operator} `);
  return new StatementFailed(`TYPE_MISMATCH: Cannot apply operator: ${types}. Cast one side explicitly`);
}

/** `left operator right` for `+ - * / %` and `||`. */
export function binary(operator: string, left: Typed, right: Typed): Typed {
  if (operator === "||") return concatenated(left, right);
  if (isInterval(left.type) || isInterval(right.type)) return shifted(operator, left, right);
  const type = commonType(left.type, right.type);
  if (!type || !isNumeric(type)) throw mismatch(operator, left, right);
  if (type.kind === "decimal") return decimalArithmetic(operator, left, right);
  const [a, b] = [coerced(left, type), coerced(right, type)];
  if (operator !== "/" && operator !== "%") return { sql: `(${a} ${operator} ${b})`, type };
  if (isFloating(type)) return { sql: `(${a} ${operator} ${b})`, type };
  return { sql: guardedDivision(`${a} ${operator === "/" ? "//" : "%"} ${b}`, b, right), type };
}

// a literal other than zero needs no guard, which keeps `hour / 6` plain
function guardedDivision(division: string, divisorSql: string, divisor: Typed): string {
  if (/^-?[1-9]\d*$/.test(divisor.sql)) return `(${division})`;
  return `(CASE WHEN ${divisorSql} = 0 THEN error('DIVISION_BY_ZERO: Division by zero') ELSE ${division} END)`;
}

function concatenated(left: Typed, right: Typed): Typed {
  const type = commonType(left.type, right.type);
  if (type?.kind !== "varchar" && type?.kind !== "array") throw mismatch("||", left, right);
  return { sql: `(${coerced(left, type)} || ${coerced(right, type)})`, type };
}

function shifted(operator: string, left: Typed, right: Typed): Typed {
  const [moment, interval] = isInterval(right.type) ? [left, right] : [right, left];
  const shiftable = moment.type.kind === "date" || moment.type.kind.startsWith("timestamp");
  const subtractsFromInterval = operator === "-" && interval === left;
  if (!shiftable || !["+", "-"].includes(operator) || subtractsFromInterval)
    throw mismatch(operator, left, right);
  const sql = `(${moment.sql} ${operator} ${interval.sql})`;
  if (moment.type.kind !== "date") return { sql, type: moment.type };
  if (/hour|minute|second/i.test(interval.sql)) throw mismatch(operator, left, right);
  return { sql: `CAST(${sql} AS DATE)`, type: date };
}

function decimalArithmetic(operator: string, left: Typed, right: Typed): Typed {
  const [a, b] = [asDecimal(left.type), asDecimal(right.type)];
  const scale = operator === "*" ? a.scale + b.scale : Math.max(a.scale, b.scale);
  if (operator === "/" || operator === "%" || scale > 38) {
    throw unsupported(
      `decimal arithmetic: ${typeText(left.type)} ${operator} ${typeText(right.type)}`,
      "Cast to double",
    );
  }
  const digits = Math.max(a.precision - a.scale, b.precision - b.scale) + scale + 1;
  const type = decimal(Math.min(38, operator === "*" ? a.precision + b.precision : digits), scale);
  const sides = [asDecimalSql(left), asDecimalSql(right)];
  return { sql: `CAST((${sides.join(` ${operator} `)}) AS ${duckdbType(type)})`, type };
}

function asDecimalSql(value: Typed): string {
  const { precision, scale } = asDecimal(value.type);
  return coerced(value, decimal(precision, scale));
}

/** `-value`. */
export function negated(value: Typed): Typed {
  if (!isNumeric(value.type)) throw mismatch("-", value);
  return { sql: `(- ${value.sql})`, type: value.type };
}

const comparisons: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: "=",
  COMPARE_NOTEQUAL: "<>",
  COMPARE_LESSTHAN: "<",
  COMPARE_GREATERTHAN: ">",
  COMPARE_LESSTHANOREQUALTO: "<=",
  COMPARE_GREATERTHANOREQUALTO: ">=",
  COMPARE_DISTINCT_FROM: "IS DISTINCT FROM",
  COMPARE_NOT_DISTINCT_FROM: "IS NOT DISTINCT FROM",
};

/** A comparison; the name is the parser's (`COMPARE_EQUAL`). */
export function compared(name: string, left: Typed, right: Typed): Typed {
  const operator = comparisons[name];
  if (operator === undefined) throw unsupported(`the comparison ${name}`);
  const type = commonType(left.type, right.type);
  if (!type) throw mismatch(operator, left, right);
  const [a, b] = [coerced(left, type), coerced(right, type)];
  const plain = operator === "=" ? `(${hidden(a, type)} = ${hidden(b, type)})` : `(${a} ${operator} ${b})`;
  return { sql: isFloating(type) ? withoutNaN(operator, a, b, plain) : plain, type: boolean };
}

/**
 * A float that is looked for by its value: DuckDB would ask Parquet's bloom filter by its bits, which tell 0.0 from -0.0.
 */
function hidden(sql: string, type: Type): string {
  return isFloating(type) && !numberLiteral.test(sql) ? `(${sql} + 0e0)` : sql;
}

const numberLiteral = /^\(?-?[\d.]+(e[+-]?\d+)?\)?$|^CAST\(-?[\d.]+ AS DOUBLE\)$/;

/** DuckDB holds NaN equal to itself and above every number; for Trino no comparison with it but `<>` is true. */
function withoutNaN(operator: string, a: string, b: string, plain: string): string {
  const greater = {
    ">": a,
    ">=": a,
    "<": b,
    "<=": b,
    "=": numberLiteral.test(b) ? b : a,
    "<>": numberLiteral.test(b) ? b : a,
  };
  const suspect = greater[operator as keyof typeof greater];
  if (suspect === undefined || numberLiteral.test(suspect)) return plain;
  return operator === "<>" ? `(${plain} OR isnan(${suspect}))` : `(${plain} AND NOT isnan(${suspect}))`;
}

/** `value BETWEEN lower AND upper`. */
export function between(value: Typed, lower: Typed, upper: Typed): Typed {
  const type = [lower, upper].reduce<Type | undefined>(
    (wide, bound) => wide && commonType(wide, bound.type),
    value.type,
  );
  if (!type) throw mismatch("BETWEEN", value, lower, upper);
  if (!isFloating(type)) {
    return {
      sql: `(${coerced(value, type)} BETWEEN ${coerced(lower, type)} AND ${coerced(upper, type)})`,
      type: boolean,
    };
  }
  const bounds = [
    compared("COMPARE_GREATERTHANOREQUALTO", value, lower),
    compared("COMPARE_LESSTHANOREQUALTO", value, upper),
  ];
  return { sql: `(${bounds.map((bound) => bound.sql).join(" AND ")})`, type: boolean };
}

/** `value IN (items)`. */
export function memberOf(value: Typed, items: readonly Typed[]): Typed {
  const type = items.reduce<Type | undefined>(
    (wide, item) => wide && commonType(wide, item.type),
    value.type,
  );
  if (!type) throw mismatch("IN", value, ...items);
  const guard = isFloating(type) ? ` AND NOT isnan(${coerced(value, type)})` : "";
  const list = items.map((item) => coerced(item, type)).join(", ");
  return { sql: `(${hidden(coerced(value, type), type)} IN (${list})${guard})`, type: boolean };
}

/** The type all values widen to; throws TYPE_MISMATCH. */
export function unified(what: string, values: readonly Typed[]): { type: Type; sqls: string[] } {
  const [first, ...rest] = values;
  const type = rest.reduce<Type | undefined>(
    (wide, value) => wide && commonType(wide, value.type),
    first?.type,
  );
  if (!type)
    throw new StatementFailed(
      `TYPE_MISMATCH: All ${what} must be the same type: ${values.map((v) => typeText(v.type)).join(", ")}`,
    );
  return { type, sqls: values.map((value) => coerced(value, type)) };
}

/** A condition: boolean, or NULL. */
export function condition(what: string, value: Typed): string {
  if (value.type.kind !== "boolean" && value.type.kind !== "unknown") {
    throw new StatementFailed(
      `TYPE_MISMATCH: ${what} must evaluate to a boolean (actual: ${typeText(value.type)})`,
    );
  }
  return coerced(value, boolean);
}

/** A string argument. */
export function stringSql(what: string, value: Typed): string {
  if (value.type.kind !== "varchar" && value.type.kind !== "unknown") {
    throw new StatementFailed(`TYPE_MISMATCH: ${what} must be varchar (actual: ${typeText(value.type)})`);
  }
  return coerced(value, varchar);
}

/** An integer argument, as BIGINT. */
export function wholeSql(what: string, value: Typed): string {
  if (!isInteger(value.type) && value.type.kind !== "unknown") {
    throw new StatementFailed(`TYPE_MISMATCH: ${what} must be an integer (actual: ${typeText(value.type)})`);
  }
  return coerced(value, { kind: "bigint" });
}
