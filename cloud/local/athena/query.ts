/**
 * A query of Trino, resolved, typed and written for DuckDB. Every name is resolved here, and what is written names
 * relations `r1`, `r2`, … and columns by them, so that no rule of DuckDB about names can give it another meaning.
 */
import type { AnalysedQuery, Environment, ExpressionContext, NamedQuery, OutputColumn } from "./analysis.ts";
import { markRead } from "./analysis.ts";
import type { Expr, QueryNode, Select, SetOperation } from "./ast.ts";
import { coerced, type Typed } from "./casts.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { analyse } from "./expressions.ts";
import { analyseFrom, type From } from "./from.ts";
import { modifiersSql } from "./modifiers.ts";
import { condition } from "./operators.ts";
import { prune } from "./pruning.ts";
import { type Column, qualifies, type Relation, selectScope } from "./scope.ts";
import { commonType } from "./types.ts";

/** Throws `StatementFailed` for what Trino would refuse and for what is not supported. */
export function analyseQuery(node: QueryNode, outer: Environment): AnalysedQuery {
  const environment = withNamedQueries(node, outer);
  if (node.type === "SELECT_NODE") return select(node, environment);
  if (node.type === "SET_OPERATION_NODE") return setOperation(node, environment);
  throw unsupported(`the query ${(node as { type: string }).type}`);
}

// each use of a WITH query is analysed and scanned by itself, as Athena inlines it
function withNamedQueries(node: QueryNode, outer: Environment): Environment {
  let named: ReadonlyMap<string, NamedQuery> = outer.named;
  for (const { key, value } of node.cte_map.map) {
    const environment: Environment = { analysis: outer.analysis, outer: outer.outer, named };
    named = new Map([...named, [key.toLowerCase(), { query: value, environment }]]);
  }
  return { analysis: outer.analysis, outer: outer.outer, named };
}

/** What the expressions of one SELECT told about themselves. */
interface Observed {
  aggregates: boolean;
  windows: boolean;
}

interface Item extends OutputColumn {
  readonly sql: string;
}

function select(node: Select, env: Environment): AnalysedQuery {
  if (node.qualify || node.sample || node.aggregate_handling !== "STANDARD_HANDLING") {
    throw unsupported("QUALIFY, SAMPLE and GROUP BY ALL");
  }
  const observed: Observed = { aggregates: false, windows: false };
  const context = (relations: readonly Relation[]) => expressionContext(env, relations, observed);
  const from = analyseFrom(node.from_table, env, { context, query: analyseQuery });
  const where = whereSql(node.where_clause, from, context(from.relations));
  const items = node.select_list.flatMap((expr) => selectItems(expr, from.relations, env, observed));
  const group = groupBy(node, items, context(from.relations));
  const having = node.having
    ? ` HAVING ${condition("HAVING", analyse(node.having, context(from.relations)))}`
    : "";
  const tail = modifiersSql(node.modifiers, items, context(from.relations));
  const list = items.map((item, index) => `${item.sql} AS "c${index}"`).join(", ");
  const source = from.sql === "" ? "" : ` FROM ${from.sql}`;
  const sql = `SELECT ${tail.distinct}${list}${source}${where}${group.sql}${having}${tail.sql}`;
  const keepsPartitions = !observed.windows && !tail.limited;
  const grouped = observed.aggregates || having !== "" || node.group_sets.length > 0;
  const columns = items.map((item) => {
    const kept = keepsPartitions && (!grouped || group.keys.has(item.sql));
    return { ...item, partitions: kept ? item.partitions : new Map<number, string>() };
  });
  return analysed(sql, columns, env, tail.distinct !== "");
}

function analysed(
  sql: string,
  columns: readonly OutputColumn[],
  env: Environment,
  allRead: boolean,
): AnalysedQuery {
  const readAll = (): void => columns.forEach((column) => markRead(env.analysis, column.reads));
  if (allRead) readAll();
  return { sql, columns, readAll };
}

/** An expression whose columns are read whatever becomes of the query's result. */
function expressionContext(
  env: Environment,
  relations: readonly Relation[],
  observed: Observed,
): ExpressionContext {
  const scope = selectScope(env.analysis.sql, relations, env.outer);
  return {
    ...env,
    scope,
    onColumn: (column) => markRead(env.analysis, column.reads),
    onAggregate: () => void (observed.aggregates = true),
    onWindow: () => void (observed.windows = true),
    query: (node) => analyseQuery(node, { ...env, outer: scope }),
  };
}

function whereSql(where: Expr | null, from: From, context: ExpressionContext): string {
  if (!where) return "";
  const sql = condition("WHERE clause", analyse(where, context));
  prune(where, from.relations, context);
  return ` WHERE ${sql}`;
}

function selectItems(
  expr: Expr,
  relations: readonly Relation[],
  env: Environment,
  observed: Observed,
): Item[] {
  if (expr.class === "STAR") return starItems(expr, relations);
  const used: Column[] = [];
  const context = {
    ...expressionContext(env, relations, observed),
    onColumn: (column: Column) => void used.push(column),
  };
  const value = analyse(expr, context);
  const name = expr.alias || (expr.class === "COLUMN_REF" ? expr.column_names.at(-1) : undefined);
  const partitions = expr.class === "COLUMN_REF" ? used[0]?.partitions : undefined;
  const reads = new Set(used.flatMap((column) => [...column.reads]));
  return [{ ...value, name, reads, partitions: partitions ?? new Map<number, string>() }];
}

function starItems(star: Extract<Expr, { class: "STAR" }>, relations: readonly Relation[]): Item[] {
  const options = [
    "exclude_list",
    "replace_list",
    "rename_list",
    "qualified_exclude_list",
    "columns",
    "expr",
  ] as const;
  if (options.some((option) => isSet(star[option]))) throw unsupported("* with options");
  const chosen = relations.filter(
    (relation) => star.relation_name === "" || qualifies(relation, [star.relation_name]),
  );
  if (chosen.length === 0)
    throw new StatementFailed(`TABLE_NOT_FOUND: nothing for ${star.relation_name || "SELECT"} * to expand`);
  return chosen.flatMap((relation) =>
    relation.columns.map((column) => ({ ...column, name: column.name || undefined })),
  );
}

function isSet(option: unknown): boolean {
  return Array.isArray(option)
    ? option.length > 0
    : option !== undefined && option !== null && option !== false;
}

interface Grouping {
  readonly sql: string;
  /** The expressions that are keys in every grouping set. */
  readonly keys: ReadonlySet<string>;
}

function groupBy(node: Select, items: readonly Item[], context: ExpressionContext): Grouping {
  if (node.group_sets.length === 0) return { sql: "", keys: new Set() };
  const keys = node.group_expressions.map((expr) => groupKey(expr, items, context));
  const sets = node.group_sets.map((set) =>
    set.map((index) => keys[index]).filter((key) => key !== undefined),
  );
  const written = sets.map((set) => `(${set.map((key) => key.written).join(", ")})`);
  const [first, ...others] = sets;
  const everywhere = (first ?? []).filter((key) => others.every((set) => set.includes(key)));
  const sql =
    sets.length === 1 && first?.length
      ? first.map((key) => key.written).join(", ")
      : `GROUPING SETS (${written.join(", ")})`;
  return { sql: ` GROUP BY ${sql}`, keys: new Set(everywhere.map((key) => key.sql)) };
}

function groupKey(
  expr: Expr,
  items: readonly Item[],
  context: ExpressionContext,
): { sql: string; written: string } {
  if (expr.class !== "CONSTANT") {
    const { sql } = analyse(expr, context);
    return { sql, written: sql };
  }
  const position = Number(expr.value.value);
  const item = items[position - 1];
  if (expr.value.type.id !== "INTEGER" || !item) {
    throw new StatementFailed(
      `INVALID_COLUMN_REFERENCE: GROUP BY position ${String(expr.value.value)} is not in select list`,
    );
  }
  markRead(context.analysis, item.reads);
  return { sql: item.sql, written: String(position) };
}

const setOperations = ["UNION", "EXCEPT", "INTERSECT"];

function setOperation(node: SetOperation, env: Environment): AnalysedQuery {
  if (!setOperations.includes(node.setop_type)) throw unsupported(node.setop_type);
  const [left, right] = [analyseQuery(node.left, env), analyseQuery(node.right, env)];
  const columns = combined(left, right, node.setop_type === "UNION");
  const unionAll = node.setop_type === "UNION" && node.setop_all;
  const word = `${node.setop_type}${node.setop_all ? " ALL" : ""}`;
  const sides = [left, right].map((side) => conformed(side, columns, env));
  const context = expressionContext(env, [], { aggregates: false, windows: false });
  const items = columns.map((column, index) => ({ ...column, sql: `"c${index}"` }));
  const tail = modifiersSql(node.modifiers, items, context);
  const plain = `${sides[0]} ${word} ${sides[1]}`;
  const sql = tail.sql === "" ? plain : `SELECT * FROM (${plain})${tail.sql}`;
  const kept = tail.limited
    ? columns.map((column) => ({ ...column, partitions: new Map<number, string>() }))
    : columns;
  return analysed(sql, kept, env, !unionAll);
}

function combined(left: AnalysedQuery, right: AnalysedQuery, union: boolean): OutputColumn[] {
  if (left.columns.length !== right.columns.length) {
    throw new StatementFailed("SYNTAX_ERROR: query terms have different numbers of fields");
  }
  return left.columns.map((column, index) => {
    const other = right.columns[index] ?? column;
    const type = commonType(column.type, other.type);
    if (!type)
      throw new StatementFailed(`TYPE_MISMATCH: column ${index + 1} in query has incompatible types`);
    const partitions = union && column.partitions.size > 0 && other.partitions.size > 0;
    return {
      name: column.name,
      type,
      reads: new Set([...column.reads, ...other.reads]),
      partitions: new Map(partitions ? [...column.partitions, ...other.partitions] : []),
    };
  });
}

function conformed(side: AnalysedQuery, columns: readonly OutputColumn[], env: Environment): string {
  const alias = env.analysis.freshAlias();
  const casts = side.columns.map((column, index): string => {
    const value: Typed = { sql: `${alias}."c${index}"`, type: column.type };
    return `${coerced(value, columns[index]?.type ?? column.type)} AS "c${index}"`;
  });
  return `(SELECT ${casts.join(", ")} FROM (${side.sql}) AS ${alias})`;
}
