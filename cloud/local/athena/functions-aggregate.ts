/** Aggregate functions: Trino's result types, NULL and NaN. */
import { coerced, type Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import { argument, byCount, type FunctionCall, type FunctionRule, wrongArguments } from "./function-rule.ts";
import { condition } from "./operators.ts";
import { array, bigint, boolean, decimal, double, isFloating, isInteger, isNumeric, real } from "./types.ts";

export const aggregateFunctions: Readonly<Record<string, FunctionRule>> = {
  count_star: (call) => ({ sql: call.aggregate("count", ["*"]), type: bigint }),
  count: byCount({
    0: (call) => ({ sql: call.aggregate("count", ["*"]), type: bigint }),
    1: (call) => ({ sql: call.aggregate("count", [argument(call, 0).sql]), type: bigint }),
  }),
  count_if: byCount({ 1: countIf }),
  sum: byCount({ 1: sum }),
  avg: byCount({ 1: average }),
  min: byCount({ 1: minimum }),
  max: byCount({ 1: maximum }),
  arbitrary: byCount({ 1: sameAsArgument("any_value") }),
  any_value: byCount({ 1: sameAsArgument("any_value") }),
  // the value that goes with the extreme, also where it is NULL
  min_by: byCount({ 2: valueAt("arg_min_null") }),
  max_by: byCount({ 2: valueAt("arg_max_null") }),
  array_agg: byCount({ 1: arrayAgg }),
  bool_and: byCount({ 1: overCondition("bool_and") }),
  every: byCount({ 1: overCondition("bool_and") }),
  bool_or: byCount({ 1: overCondition("bool_or") }),
  stddev: byCount({ 1: overDoubles("stddev_samp") }),
  stddev_samp: byCount({ 1: overDoubles("stddev_samp") }),
  stddev_pop: byCount({ 1: overDoubles("stddev_pop") }),
  variance: byCount({ 1: overDoubles("var_samp") }),
  var_samp: byCount({ 1: overDoubles("var_samp") }),
  var_pop: byCount({ 1: overDoubles("var_pop") }),
  approx_distinct: byCount({ 1: approxDistinct, 2: approxDistinct }),
  approx_percentile: byCount({ 2: approxPercentile }),
};

function countIf(call: FunctionCall): Typed {
  const test = condition("count_if", argument(call, 0));
  return { sql: call.aggregate("count", ["*"], test), type: bigint };
}

/** Sums of integers are bigint and fail beyond it, where DuckDB widens to 128 bits. */
function sum(call: FunctionCall): Typed {
  const { sql, type } = argument(call, 0);
  const total = call.aggregate("sum", [sql]);
  if (isInteger(type)) return { sql: `CAST(${total} AS BIGINT)`, type: bigint };
  if (type.kind === "real") return { sql: `CAST(${total} AS FLOAT)`, type: real };
  if (type.kind === "double") return { sql: total, type: double };
  if (type.kind === "decimal")
    return { sql: `CAST(${total} AS DECIMAL(38,${type.scale}))`, type: decimal(38, type.scale) };
  throw wrongArguments(call, "number");
}

function average(call: FunctionCall): Typed {
  const { sql, type } = argument(call, 0);
  if (!isInteger(type) && type.kind !== "double") throw unsupported(`avg of ${type.kind}`, "Cast to double");
  return { sql: call.aggregate("avg", [sql]), type: double };
}

function sameAsArgument(duckdbName: string): FunctionRule {
  return (call) => {
    const { sql, type } = argument(call, 0);
    return { sql: call.aggregate(duckdbName, [sql]), type };
  };
}

function minimum(call: FunctionCall): Typed {
  return { sql: call.aggregate("min", [ordered(call).sql]), type: ordered(call).type };
}

/** For DuckDB NaN is the greatest number; Trino takes it only where there is nothing else. */
function maximum(call: FunctionCall): Typed {
  const { sql, type } = ordered(call);
  const plain = call.aggregate("max", [sql]);
  if (!isFloating(type)) return { sql: plain, type };
  return { sql: `coalesce(${call.aggregate("max", [sql], `NOT isnan(${sql})`)}, ${plain})`, type };
}

function ordered(call: FunctionCall): Typed {
  const arg = argument(call, 0);
  if (arg.type.kind === "array" || arg.type.kind === "unknown")
    throw unsupported(`${call.name} of ${arg.type.kind}`);
  return arg;
}

function valueAt(duckdbName: string): FunctionRule {
  return (call) => {
    const [value, by] = [argument(call, 0), argument(call, 1)];
    if (isFloating(by.type)) throw unsupported(`${call.name} by a double`);
    return { sql: call.aggregate(duckdbName, [value.sql, by.sql]), type: value.type };
  };
}

function arrayAgg(call: FunctionCall): Typed {
  const { sql, type } = argument(call, 0);
  return { sql: call.aggregate("list", [sql]), type: array(type) };
}

function overCondition(duckdbName: string): FunctionRule {
  return (call) => ({
    sql: call.aggregate(duckdbName, [condition(call.name, argument(call, 0))]),
    type: boolean,
  });
}

function overDoubles(duckdbName: string): FunctionRule {
  return (call) => {
    const arg = argument(call, 0);
    if (!isNumeric(arg.type)) throw wrongArguments(call, "number");
    return { sql: call.aggregate(duckdbName, [coerced(arg, double)]), type: double };
  };
}

/** Approximate in both engines, but not the same approximation. A second argument, the error, is not used. */
function approxDistinct(call: FunctionCall): Typed {
  return {
    sql: `CAST(${call.aggregate("approx_count_distinct", [argument(call, 0).sql])} AS BIGINT)`,
    type: bigint,
  };
}

function approxPercentile(call: FunctionCall): Typed {
  const [value, share] = [argument(call, 0), argument(call, 1)];
  if (!isNumeric(value.type) || !isNumeric(share.type)) throw wrongArguments(call, "number, double");
  const exact = isInteger(value.type);
  const quantile = call.aggregate("approx_quantile", [
    coerced(value, exact ? bigint : double),
    `CAST(${share.sql} AS FLOAT)`,
  ]);
  return exact
    ? { sql: `CAST(${quantile} AS ${value.type.kind})`, type: value.type }
    : { sql: quantile, type: double };
}
