/** The FROM clause: tables, named queries, subqueries, VALUES, UNNEST and joins, each under a name of its own. */
import {
  type Environment,
  type ExpressionContext,
  type OutputColumn,
  scanPlaceholder,
  type TableShape,
} from "./analysis.ts";
import type { Join, TableRef } from "./ast.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { analyse } from "./expressions.ts";
import { condition, unified } from "./operators.ts";
import { prune, unprunable } from "./pruning.ts";
import { type Column, quote, type Relation } from "./scope.ts";
import { bigint } from "./types.ts";

export interface From {
  readonly sql: string;
  readonly relations: readonly Relation[];
}

/** How the FROM clause calls back: for expressions over the relations so far, and for subqueries. */
export interface FromTools {
  context(relations: readonly Relation[]): ExpressionContext;
  query(
    node: Extract<TableRef, { type: "SUBQUERY" }>["subquery"]["node"],
    environment: Environment,
  ): {
    sql: string;
    columns: readonly OutputColumn[];
  };
}

/** `left` are the relations to the left, which UNNEST may use. */
export function analyseFrom(
  table: TableRef,
  env: Environment,
  tools: FromTools,
  left: readonly Relation[] = [],
): From {
  if (table.sample) throw unsupported("TABLESAMPLE");
  switch (table.type) {
    case "EMPTY":
      return { sql: "", relations: [] };
    case "BASE_TABLE":
      return namedTable(table, env, tools);
    case "SUBQUERY":
      return derived(
        tools.query(table.subquery.node, env),
        table.column_name_alias ?? [],
        nameOf(table.alias),
        env,
      );
    case "EXPRESSION_LIST":
      return valueRows(table, env, tools);
    case "TABLE_FUNCTION":
      return unnest(table, env, tools, left);
    case "JOIN":
      return join(table, env, tools, left);
    default:
      throw unsupported(`${(table as { type: string }).type} in FROM`);
  }
}

function nameOf(alias: string): string[] {
  return alias === "" ? [] : [alias.toLowerCase()];
}

type BaseTable = Extract<TableRef, { type: "BASE_TABLE" }>;

function namedTable(ref: BaseTable, env: Environment, tools: FromTools): From {
  const name = ref.table_name.toLowerCase();
  if (ref.at_clause) throw unsupported("time travel");
  const named = ref.schema_name === "" ? env.named.get(name) : undefined;
  if (named) {
    const { query, environment } = named;
    const aliases = ref.column_name_alias?.length ? ref.column_name_alias : query.aliases;
    return derived(tools.query(query.query.node, environment), aliases, nameOf(ref.alias || name), env);
  }
  if (ref.catalog_name !== "" && ref.catalog_name.toLowerCase() !== "awsdatacatalog") {
    throw new StatementFailed(
      `CATALOG_NOT_FOUND: Catalog '${ref.catalog_name}' not found. Use AwsDataCatalog`,
    );
  }
  const database = (ref.schema_name || env.analysis.database).toLowerCase();
  return scanOf(env.analysis.table(database, name), ref, env);
}

function scanOf(table: TableShape, ref: BaseTable, env: Environment): From {
  const number = env.analysis.scans.length;
  env.analysis.scans.push({ number, table, partitionConditions: new Set(), reads: new Set() });
  const alias = env.analysis.freshAlias();
  const aliases = ref.column_name_alias ?? [];
  const declared = [...table.columns, ...table.partitionKeys];
  checkAliases(aliases, declared.length);
  const columns = declared.map((column, index): Column => {
    const partition = index >= table.columns.length;
    return {
      name: aliases[index] ?? column.name,
      sql: `${alias}.${quote(column.name)}`,
      type: column.type,
      reads: new Set(partition ? [] : [`${number}:${column.name}`]),
      partitions: new Map(partition ? [[number, column.name]] : []),
    };
  });
  const name = ref.alias === "" ? [table.database, table.name] : [ref.alias.toLowerCase()];
  return { sql: `${scanPlaceholder(number)} AS ${alias}`, relations: [{ name, columns }] };
}

function derived(
  query: { sql: string; columns: readonly OutputColumn[] },
  aliases: readonly string[],
  name: readonly string[],
  env: Environment,
): From {
  const alias = env.analysis.freshAlias();
  checkAliases(aliases, query.columns.length);
  const columns = query.columns.map(
    // a column without a name cannot be named: the empty identifier does not exist
    (column, index): Column => ({
      ...column,
      name: aliases[index] ?? column.name ?? "",
      sql: `${alias}."c${index}"`,
    }),
  );
  return { sql: `(${query.sql}) AS ${alias}`, relations: [{ name, columns }] };
}

function checkAliases(aliases: readonly string[], columns: number): void {
  if (aliases.length === 0 || aliases.length === columns) return;
  throw new StatementFailed(
    `MISMATCHED_COLUMN_ALIASES: Column alias list has ${aliases.length} entries but relation has ${columns} columns`,
  );
}

function valueRows(
  table: Extract<TableRef, { type: "EXPRESSION_LIST" }>,
  env: Environment,
  tools: FromTools,
): From {
  const alias = env.analysis.freshAlias();
  const rows = table.values.map((row) => row.map((value) => analyse(value, tools.context([]))));
  const width = rows[0]?.length ?? 0;
  if (rows.some((row) => row.length !== width))
    throw new StatementFailed("SYNTAX_ERROR: rows of VALUES differ in length");
  const byColumn = Array.from({ length: width }, (_, index) =>
    unified(
      "values of a column",
      rows.flatMap((row) => row[index] ?? []),
    ),
  );
  const sql = rows.map((_, row) => `(${byColumn.map((column) => column.sqls[row]).join(", ")})`).join(", ");
  const columns = byColumn.map(({ type }, index) => plainColumn(alias, index, "", type));
  return {
    sql: `(VALUES ${sql}) AS ${alias}(${columnList(width)})`,
    relations: [{ name: nameOf(table.alias), columns }],
  };
}

function plainColumn(alias: string, index: number, name: string, type: Column["type"]): Column {
  return { name, type, sql: `${alias}."c${index}"`, reads: new Set(), partitions: new Map() };
}

function columnList(width: number): string {
  return Array.from({ length: width }, (_, index) => `"c${index}"`).join(", ");
}

type TableFunction = Extract<TableRef, { type: "TABLE_FUNCTION" }>;

function unnest(table: TableFunction, env: Environment, tools: FromTools, left: readonly Relation[]): From {
  const [list, ...more] = table.function.children;
  if (table.function.function_name.toLowerCase() !== "unnest") {
    throw unsupported(`the table function ${table.function.function_name}`);
  }
  if (!list || more.length > 0) throw unsupported("UNNEST of more than one array");
  const value = analyse(list, tools.context(left));
  if (value.type.kind !== "array")
    throw new StatementFailed("TYPE_MISMATCH: Cannot unnest other than an array");
  const ordinality = table.with_ordinality === "WITH_ORDINALITY";
  const types = ordinality ? [value.type.element, bigint] : [value.type.element];
  const aliases = table.column_name_alias ?? [];
  checkAliases(aliases, types.length);
  const alias = env.analysis.freshAlias();
  const columns = types.map((type, index) => plainColumn(alias, index, aliases[index] ?? "", type));
  const sql = `unnest(${value.sql})${ordinality ? " WITH ORDINALITY" : ""} AS ${alias}(${columnList(types.length)})`;
  return { sql, relations: [{ name: nameOf(table.alias), columns }] };
}

const joinWords: Readonly<Record<string, string>> = {
  INNER: "JOIN",
  LEFT: "LEFT JOIN",
  RIGHT: "RIGHT JOIN",
  OUTER: "FULL JOIN",
};

function join(table: Join, env: Environment, tools: FromTools, outerLeft: readonly Relation[]): From {
  const word = joinWords[table.join_type];
  if (word === undefined || !["REGULAR", "CROSS"].includes(table.ref_type)) {
    throw unsupported(`${table.ref_type} ${table.join_type} JOIN`);
  }
  if (table.using_columns.length > 0) throw unsupported("JOIN … USING", "Write ON");
  const left = analyseFrom(table.left, env, tools, outerLeft);
  const right = analyseFrom(table.right, env, tools, [...outerLeft, ...left.relations]);
  const rightSql = table.right.type === "JOIN" ? `(${right.sql})` : lateral(table.right, right.sql);
  if (!table.condition) {
    return { sql: `${left.sql} CROSS JOIN ${rightSql}`, relations: [...left.relations, ...right.relations] };
  }
  const context = tools.context([...outerLeft, ...left.relations, ...right.relations]);
  const on = condition("JOIN ON", analyse(table.condition, context));
  // rows that fail ON vanish, except on the side that an outer join keeps
  if (["INNER", "RIGHT"].includes(table.join_type)) prune(table.condition, left.relations, context);
  if (["INNER", "LEFT"].includes(table.join_type)) prune(table.condition, right.relations, context);
  const kept = {
    left: ["RIGHT", "OUTER"].includes(table.join_type) ? unprunable(left.relations) : left.relations,
    right: ["LEFT", "OUTER"].includes(table.join_type) ? unprunable(right.relations) : right.relations,
  };
  return { sql: `${left.sql} ${word} ${rightSql} ON ${on}`, relations: [...kept.left, ...kept.right] };
}

function lateral(table: TableRef, sql: string): string {
  return table.type === "TABLE_FUNCTION" ? `LATERAL ${sql}` : sql;
}
