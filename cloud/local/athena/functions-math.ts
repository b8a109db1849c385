/** Mathematical functions. */
import {
  argument,
  byCount,
  type FunctionCall,
  type FunctionRule,
  signature,
  wrongArguments,
} from "./function-rule.ts";
import type { Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import { binary, condition, unified } from "./operators.ts";
import { boolean, decimal, double, isFloating, isInteger, isNumeric } from "./types.ts";

export const mathFunctions: Readonly<Record<string, FunctionRule>> = {
  abs: numeric((sql) => `abs(${sql})`),
  ceil: wholeNumber("ceil"),
  ceiling: wholeNumber("ceil"),
  floor: wholeNumber("floor"),
  round: byCount({ 1: wholeNumber("round"), 2: roundedTo }),
  sign: numeric((sql) => `sign(${sql})`, isInteger),
  truncate: numeric((sql) => `trunc(${sql})`, isFloating),
  mod: (call) => binary("%", argument(call, 0), argument(call, 1)),
  power: signature([double, double], double, (x, y) => `pow(${x}, ${y})`),
  pow: signature([double, double], double, (x, y) => `pow(${x}, ${y})`),
  sqrt: signature([double], double, (x) => `sqrt(${x})`),
  cbrt: signature([double], double, (x) => `cbrt(${x})`),
  exp: signature([double], double, (x) => `exp(${x})`),
  ln: signature([double], double, (x) => `ln(${x})`),
  log2: signature([double], double, (x) => `log2(${x})`),
  log10: signature([double], double, (x) => `log10(${x})`),
  pi: signature([], double, () => "pi()"),
  infinity: signature([], double, () => "CAST('Infinity' AS DOUBLE)"),
  nan: signature([], double, () => "CAST('NaN' AS DOUBLE)"),
  is_nan: signature([double], boolean, (x) => `isnan(${x})`),
  is_infinite: signature([double], boolean, (x) => `isinf(${x})`),
  is_finite: signature([double], boolean, (x) => `isfinite(${x})`),
  greatest: extreme("greatest"),
  least: extreme("least"),
  nullif: nullIf,
  $if: ifThen,
};

function numeric(sql: (x: string) => string, admits = isNumeric): FunctionRule {
  return (call) => {
    const [x, ...more] = call.args;
    if (!x || more.length > 0 || !admits(x.type)) throw wrongArguments(call, "number");
    // DuckDB's sign() returns TINYINT
    return { sql: isInteger(x.type) ? `CAST(${sql(x.sql)} AS ${x.type.kind})` : sql(x.sql), type: x.type };
  };
}

/** ceil, floor and round to a whole number keep the type of their argument; decimals lose their scale. */
function wholeNumber(name: string): FunctionRule {
  return (call) => {
    const [x, ...more] = call.args;
    if (!x || more.length > 0 || !isNumeric(x.type)) throw wrongArguments(call, "number");
    if (isInteger(x.type)) return x;
    if (x.type.kind !== "decimal") return { sql: `${name}(${x.sql})`, type: x.type };
    const { precision, scale } = x.type;
    const type = decimal(Math.min(38, precision - scale + Math.min(scale, 1)), 0);
    return {
      sql: `CAST(${name}(${x.sql}) AS DECIMAL(${type.kind === "decimal" ? type.precision : 38},0))`,
      type,
    };
  };
}

function roundedTo(call: FunctionCall): Typed {
  const [x, digits] = [argument(call, 0), argument(call, 1)];
  if (x.type.kind !== "double" || !isInteger(digits.type))
    throw unsupported("round(x, n) of other than a double");
  return { sql: `round(${x.sql}, CAST(${digits.sql} AS INTEGER))`, type: double };
}

/** NULL as soon as one argument is NULL, where DuckDB would skip it. */
function extreme(name: string): FunctionRule {
  return (call) => {
    const { type, sqls } = unified(`arguments of ${name}`, call.args);
    if (isFloating(type)) throw unsupported(`${name} of doubles`, "Use CASE");
    const missing = sqls.map((sql) => `${sql} IS NULL`).join(" OR ");
    return { sql: `(CASE WHEN ${missing} THEN NULL ELSE ${name}(${sqls.join(", ")}) END)`, type };
  };
}

function nullIf(call: FunctionCall): Typed {
  const [value, other] = [argument(call, 0), argument(call, 1)];
  const { sqls } = unified("arguments of nullif", [value, other]);
  return { sql: `(CASE WHEN ${sqls.join(" = ")} THEN NULL ELSE ${value.sql} END)`, type: value.type };
}

function ifThen(call: FunctionCall): Typed {
  const [test, ...branches] = call.args;
  if (!test || branches.length < 1 || branches.length > 2) throw wrongArguments(call, "boolean, T[, T]");
  const { type, sqls } = unified("results of IF", branches);
  const otherwise = sqls[1] ?? "NULL";
  return { sql: `(CASE WHEN ${condition("IF", test)} THEN ${sqls[0]} ELSE ${otherwise} END)`, type };
}
