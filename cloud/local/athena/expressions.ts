/** An expression of Trino, typed and written for DuckDB. What is not understood is refused, never passed on. */
import type { ExpressionContext } from "./analysis.ts";
import type { Call, Case, Cast, ColumnRef, Expr, Operator, Subquery } from "./ast.ts";
import { type Typed, castTo, castType } from "./casts.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import type { FunctionCall } from "./function-rule.ts";
import { functionRule, isAggregate } from "./functions.ts";
import { subscript } from "./functions-array.ts";
import { literal } from "./literals.ts";
import { between, binary, compared, condition, memberOf, negated, unified } from "./operators.ts";
import { orderSql } from "./order.ts";
import { NotAPartition, text } from "./scope.ts";
import { array, bigint, boolean, date, timestamp, timestampTz, unknown } from "./types.ts";
import { windowCall } from "./windows.ts";

/** Throws `StatementFailed`. */
export function analyse(expr: Expr, context: ExpressionContext): Typed {
  switch (expr.class) {
    case "CONSTANT":
      return literal(expr);
    case "COLUMN_REF":
      return columnOrNow(expr, context);
    case "FUNCTION":
      return call(expr, context);
    case "COMPARISON":
      return compared(expr.type, analyse(expr.left, context), analyse(expr.right, context));
    case "CONJUNCTION": {
      const word = expr.type === "CONJUNCTION_AND" ? " AND " : " OR ";
      const sides = expr.children.map((child) => condition(word.trim(), analyse(child, context)));
      return { sql: `(${sides.join(word)})`, type: boolean };
    }
    case "OPERATOR":
      return operator(expr, context);
    case "CAST":
      return cast(expr, context);
    case "CASE":
      return cases(expr, context);
    case "BETWEEN":
      return between(
        analyse(expr.input, context),
        analyse(expr.lower, context),
        analyse(expr.upper, context),
      );
    case "SUBQUERY":
      return subquery(expr, context);
    case "WINDOW":
      context.onWindow();
      return windowCall(expr, (part) => analyse(part, context));
    case "STAR":
      throw new StatementFailed("SYNTAX_ERROR: * stands only in a SELECT list or in count(*)");
    default:
      throw unsupported(`the expression ${expr.class}`);
  }
}

function columnOrNow(expr: ColumnRef, context: ExpressionContext): Typed {
  try {
    const column = context.scope.column(expr.column_names, expr.query_location);
    context.onColumn(column);
    return { sql: column.sql, type: column.type };
  } catch (error) {
    const [name, ...more] = expr.column_names;
    const now = more.length === 0 && error instanceof StatementFailed && currentTime(name ?? "", context);
    if (now) return now;
    throw error;
  }
}

function currentTime(name: string, context: ExpressionContext): Typed | undefined {
  const now = context.analysis.now.toISOString().replace("T", " ").replace("Z", "");
  if (name === "current_date") return { sql: `DATE ${text(now.slice(0, 10))}`, type: date };
  if (name === "current_timestamp") return { sql: `TIMESTAMP ${text(now)}`, type: timestampTz };
  if (name === "localtimestamp") return { sql: `TIMESTAMP ${text(now)}`, type: timestamp };
  return undefined;
}

function call(expr: Call, context: ExpressionContext): Typed {
  const name = expr.function_name.toLowerCase();
  if (name === "now") return currentTime("current_timestamp", context) as Typed;
  const interval = intervalAmount(expr);
  if (interval) return functionRule(`$${name}`)({ name, args: [interval], aggregate: () => "" });
  const args = expr.children.map((child) => analyse(child, context));
  const [first, second] = args;
  if (first && ["+", "-", "*", "/", "%", "||"].includes(name)) {
    if (second) return binary(name, first, second);
    return name === "-" ? negated(first) : first;
  }
  return functionCall(expr, name, args, context);
}

function functionCall(expr: Call, name: string, args: readonly Typed[], context: ExpressionContext): Typed {
  const filter = expr.filter && condition("FILTER", analyse(expr.filter, context));
  const orders = expr.order_bys.orders.map((order) =>
    orderSql(order, analyse(order.expression, context).sql),
  );
  if (isAggregate(name)) context.onAggregate();
  else if (filter || expr.distinct || orders.length > 0) {
    throw new StatementFailed(
      `FUNCTION_NOT_AGGREGATE: DISTINCT, ORDER BY and FILTER belong to aggregates, not to ${name}`,
    );
  }
  const aggregate: FunctionCall["aggregate"] = (duckdbName, inputs, extraFilter) => {
    const order = orders.length > 0 ? ` ORDER BY ${orders.join(", ")}` : "";
    const filters = [filter, extraFilter].filter((part) => typeof part === "string");
    const suffix = filters.length > 0 ? ` FILTER (WHERE ${filters.join(" AND ")})` : "";
    return `${duckdbName}(${expr.distinct ? "DISTINCT " : ""}${inputs.join(", ")}${order})${suffix}`;
  };
  return functionRule(name)({ name, args, aggregate });
}

/** `INTERVAL '1' DAY` arrives as `to_days(CAST(trunc(CAST('1' AS DOUBLE)) AS INTEGER))`. */
function intervalAmount(expr: Call): Typed | undefined {
  if (!/^to_(days|weeks|hours|minutes|seconds|months|years)$/.test(expr.function_name)) return undefined;
  let inner: Expr | undefined = expr.children[0];
  while (inner?.class === "CAST" || (inner?.class === "FUNCTION" && inner.function_name === "trunc")) {
    inner = inner.class === "CAST" ? inner.child : inner.children[0];
  }
  if (inner?.class !== "CONSTANT" || inner.value.type.id !== "VARCHAR") return undefined;
  return literal(inner);
}

function operator(expr: Operator, context: ExpressionContext): Typed {
  const args = expr.children.map((child) => analyse(child, context));
  const [first, second, ...rest] = args;
  switch (expr.type) {
    case "OPERATOR_NOT":
      return { sql: `(NOT ${condition("NOT", first ?? never(expr))})`, type: boolean };
    case "OPERATOR_IS_NULL":
      return { sql: `(${first?.sql} IS NULL)`, type: boolean };
    case "OPERATOR_IS_NOT_NULL":
      return { sql: `(${first?.sql} IS NOT NULL)`, type: boolean };
    case "COMPARE_IN":
      return memberOf(first ?? never(expr), args.slice(1));
    case "COMPARE_NOT_IN":
      return { sql: `(NOT ${memberOf(first ?? never(expr), args.slice(1)).sql})`, type: boolean };
    case "OPERATOR_COALESCE": {
      const { type, sqls } = unified("arguments of COALESCE", args);
      return { sql: `coalesce(${sqls.join(", ")})`, type };
    }
    case "ARRAY_CONSTRUCTOR": {
      const { type, sqls } =
        args.length > 0 ? unified("elements of ARRAY", args) : { type: unknown, sqls: [] };
      return { sql: `[${sqls.join(", ")}]`, type: array(type) };
    }
    case "ARRAY_EXTRACT":
      if (!first || !second || rest.length > 0) throw never(expr);
      return subscript(first, second);
    case "GROUPING_FUNCTION":
      return { sql: `CAST(grouping(${args.map((arg) => arg.sql).join(", ")}) AS BIGINT)`, type: bigint };
    default:
      throw unsupported(`the operator ${expr.type}`);
  }
}

function never(expr: Operator): never {
  throw unsupported(`the operator ${expr.type}`);
}

function cast(expr: Cast, context: ExpressionContext): Typed {
  const type = castType(expr.cast_type);
  return { sql: castTo(analyse(expr.child, context), type, expr.try_cast), type };
}

function cases(expr: Case, context: ExpressionContext): Typed {
  const tests = expr.case_checks.map((check) => condition("CASE WHEN", analyse(check.when_expr, context)));
  const results = [...expr.case_checks.map((check) => check.then_expr), expr.else_expr];
  const { type, sqls } = unified(
    "CASE results",
    results.map((result) => analyse(result, context)),
  );
  const branches = tests.map((test, index) => `WHEN ${test} THEN ${sqls[index]}`).join(" ");
  return { sql: `(CASE ${branches} ELSE ${sqls.at(-1)} END)`, type };
}

function subquery(expr: Subquery, context: ExpressionContext): Typed {
  if (context.partitionsOnly) throw new NotAPartition();
  const inner = context.query(expr.subquery.node);
  inner.readAll();
  const [column, ...more] = inner.columns;
  if (expr.subquery_type === "EXISTS") return { sql: `EXISTS (${inner.sql})`, type: boolean };
  if (!column || more.length > 0)
    throw new StatementFailed("SYNTAX_ERROR: a subquery in an expression has one column");
  if (expr.subquery_type === "SCALAR") return { sql: `(${inner.sql})`, type: column.type };
  if (expr.subquery_type !== "ANY" || !expr.child)
    throw unsupported(`a subquery of kind ${expr.subquery_type}`);
  const child = analyse(expr.child, context);
  // the comparison is written out once for its type check, and with the subquery in place of the value
  const marker: Typed = { sql: "\u0000any", type: column.type };
  const written = compared(expr.comparison_type, child, marker);
  if (!written.sql.endsWith("\u0000any)"))
    throw unsupported("a subquery compared with another type", "Cast its column");
  return { sql: written.sql.replace("\u0000any", () => `ANY (${inner.sql})`), type: boolean };
}
