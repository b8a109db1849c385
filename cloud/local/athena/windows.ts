/** Window functions: ranking, offsets and the aggregates over a frame of whole rows. */
import type { Expr, Window } from "./ast.ts";
import { coerced, type Typed } from "./casts.ts";
import { unsupported } from "./failure.ts";
import { orderSql } from "./order.ts";
import { functionRule, isAggregate } from "./functions.ts";
import { condition, unified, wholeSql } from "./operators.ts";
import { bigint } from "./types.ts";

const ranking = ["row_number", "rank", "dense_rank"];
const positional = ["first_value", "last_value"];
const offset = ["lag", "lead"];

/** A call with OVER. */
export function windowCall(expr: Window, analyse: (part: Expr) => Typed): Typed {
  const name = expr.function_name.toLowerCase();
  if (expr.ignore_nulls) throw unsupported("IGNORE NULLS");
  const args = expr.children.map(analyse);
  const over = overClause(expr, analyse);
  if (ranking.includes(name)) return { sql: `${name}() ${over}`, type: bigint };
  const [first] = args;
  if (first && positional.includes(name)) return { sql: `${name}(${first.sql}) ${over}`, type: first.type };
  if (first && offset.includes(name)) return offsetCall(expr, name, first, over, analyse);
  if (!isAggregate(name) || expr.distinct) throw unsupported(`function ${name} over a window`);
  const filter = expr.filter_expr && condition("FILTER", analyse(expr.filter_expr));
  return functionRule(name)({
    name,
    args,
    aggregate(duckdbName, inputs, extraFilter) {
      const filters = [filter, extraFilter].filter((part) => typeof part === "string");
      const suffix = filters.length > 0 ? `FILTER (WHERE ${filters.join(" AND ")}) ` : "";
      return `${duckdbName}(${inputs.join(", ")}) ${suffix}${over}`;
    },
  });
}

function offsetCall(
  expr: Window,
  name: string,
  first: Typed,
  over: string,
  analyse: (part: Expr) => Typed,
): Typed {
  const by = expr.offset_expr ? `, ${wholeSql(`the offset of ${name}`, analyse(expr.offset_expr))}` : "";
  if (!expr.default_expr) return { sql: `${name}(${first.sql}${by}) ${over}`, type: first.type };
  const fallback = analyse(expr.default_expr);
  const { type } = unified(`arguments of ${name}`, [first, fallback]);
  return { sql: `${name}(${coerced(first, type)}${by}, ${coerced(fallback, type)}) ${over}`, type };
}

const bounds: Readonly<Record<string, string>> = {
  UNBOUNDED_PRECEDING: "UNBOUNDED PRECEDING",
  UNBOUNDED_FOLLOWING: "UNBOUNDED FOLLOWING",
  CURRENT_ROW_ROWS: "CURRENT ROW",
  CURRENT_ROW_RANGE: "CURRENT ROW",
};

function overClause(expr: Window, analyse: (part: Expr) => Typed): string {
  const partitions = expr.partitions.map((part) => analyse(part).sql);
  const orders = expr.orders.map((order) => orderSql(order, analyse(order.expression).sql));
  const [start, end] = [bounds[expr.start], bounds[expr.end]];
  if (start === undefined || end === undefined)
    throw unsupported(`a window frame ${expr.start} … ${expr.end}`);
  const mode = `${expr.start} ${expr.end}`.includes("ROWS") ? "ROWS" : "RANGE";
  const clauses = [
    partitions.length > 0 ? `PARTITION BY ${partitions.join(", ")}` : "",
    orders.length > 0 ? `ORDER BY ${orders.join(", ")}` : "",
    `${mode} BETWEEN ${start} AND ${end}`,
  ];
  return `OVER (${clauses.filter((clause) => clause !== "").join(" ")})`;
}
