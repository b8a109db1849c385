/**
 * The syntax tree that DuckDB's parser reports (`json_serialize_sql`): the shapes the analysis understands.
 * Everything that is not named here is refused by the analysis, so nothing reaches DuckDB unread.
 */
import type { Planner } from "./engine.ts";
import { StatementFailed } from "./failure.ts";

interface Located {
  readonly alias: string;
  /** Offset in bytes; a huge number where the parser does not know. */
  readonly query_location: number;
}

export interface TypeNode {
  readonly id: string;
  readonly type_info: { readonly width?: number; readonly scale?: number } | null;
}

export interface Constant extends Located {
  readonly class: "CONSTANT";
  readonly value: {
    readonly type: TypeNode;
    readonly is_null: boolean;
    /** Integers of 16 digits and more arrive as strings: see `readTree`. */
    readonly value?: string | number | boolean;
  };
}
export interface ColumnRef extends Located {
  readonly class: "COLUMN_REF";
  readonly column_names: readonly string[];
}
export interface Star extends Located {
  readonly class: "STAR";
  readonly relation_name: string;
  readonly [option: string]: unknown;
}
export interface Call extends Located {
  readonly class: "FUNCTION";
  readonly function_name: string;
  readonly children: readonly Expr[];
  readonly filter: Expr | null;
  readonly order_bys: { readonly orders: readonly Order[] };
  readonly distinct: boolean;
}
export interface Comparison extends Located {
  readonly class: "COMPARISON";
  readonly type: string;
  readonly left: Expr;
  readonly right: Expr;
}
export interface Conjunction extends Located {
  readonly class: "CONJUNCTION";
  readonly type: "CONJUNCTION_AND" | "CONJUNCTION_OR";
  readonly children: readonly Expr[];
}
export interface Operator extends Located {
  readonly class: "OPERATOR";
  readonly type: string;
  readonly children: readonly Expr[];
}
export interface Cast extends Located {
  readonly class: "CAST";
  readonly child: Expr;
  readonly cast_type: TypeNode;
  readonly try_cast: boolean;
}
export interface Case extends Located {
  readonly class: "CASE";
  readonly case_checks: readonly { readonly when_expr: Expr; readonly then_expr: Expr }[];
  readonly else_expr: Expr;
}
export interface Between extends Located {
  readonly class: "BETWEEN";
  readonly input: Expr;
  readonly lower: Expr;
  readonly upper: Expr;
}
export interface Subquery extends Located {
  readonly class: "SUBQUERY";
  readonly subquery_type: string;
  readonly subquery: { readonly node: QueryNode };
  readonly child: Expr | null;
  readonly comparison_type: string;
}
export interface Window extends Located {
  readonly class: "WINDOW";
  readonly type: string;
  readonly function_name: string;
  readonly children: readonly Expr[];
  readonly partitions: readonly Expr[];
  readonly orders: readonly Order[];
  readonly start: string;
  readonly end: string;
  readonly offset_expr: Expr | null;
  readonly default_expr: Expr | null;
  readonly filter_expr: Expr | null;
  readonly ignore_nulls: boolean;
  readonly distinct: boolean;
}
interface Refused extends Located {
  readonly class: "COLLATE" | "LAMBDA" | "PARAMETER" | "POSITIONAL_REFERENCE" | "DEFAULT";
}
export type Expr =
  | Constant
  | ColumnRef
  | Star
  | Call
  | Comparison
  | Conjunction
  | Operator
  | Cast
  | Case
  | Between
  | Subquery
  | Window
  | Refused;

export interface Order {
  readonly type: "ASCENDING" | "DESCENDING" | "ORDER_DEFAULT";
  readonly null_order: "NULLS FIRST" | "NULLS LAST" | "ORDER_DEFAULT";
  readonly expression: Expr;
}

export type Modifier =
  | { readonly type: "DISTINCT_MODIFIER"; readonly distinct_on_targets: readonly Expr[] }
  | { readonly type: "ORDER_MODIFIER"; readonly orders: readonly Order[] }
  | { readonly type: "LIMIT_MODIFIER"; readonly limit: Expr | null; readonly offset: Expr | null }
  | { readonly type: "LIMIT_PERCENT_MODIFIER" };

interface QueryBase {
  readonly modifiers: readonly Modifier[];
  readonly cte_map: { readonly map: readonly { readonly key: string; readonly value: CommonTable }[] };
}
export interface CommonTable {
  readonly aliases: readonly string[];
  readonly query: { readonly node: QueryNode };
}
export interface Select extends QueryBase {
  readonly type: "SELECT_NODE";
  readonly select_list: readonly Expr[];
  readonly from_table: TableRef;
  readonly where_clause: Expr | null;
  readonly group_expressions: readonly Expr[];
  readonly group_sets: readonly (readonly number[])[];
  readonly aggregate_handling: string;
  readonly having: Expr | null;
  readonly sample: unknown;
  readonly qualify: unknown;
}
export interface SetOperation extends QueryBase {
  readonly type: "SET_OPERATION_NODE";
  readonly setop_type: string;
  readonly setop_all: boolean;
  readonly left: QueryNode;
  readonly right: QueryNode;
}
export type QueryNode = Select | SetOperation;

interface TableBase {
  readonly alias: string;
  readonly sample: unknown;
  readonly query_location: number;
  readonly column_name_alias?: readonly string[];
}
export type TableRef =
  | (TableBase & { readonly type: "EMPTY" })
  | (TableBase & {
      readonly type: "BASE_TABLE";
      readonly catalog_name: string;
      readonly schema_name: string;
      readonly table_name: string;
      readonly at_clause: unknown;
    })
  | (TableBase & { readonly type: "SUBQUERY"; readonly subquery: { readonly node: QueryNode } })
  | (TableBase & {
      readonly type: "TABLE_FUNCTION";
      readonly function: Call;
      readonly with_ordinality: string;
    })
  | (TableBase & { readonly type: "EXPRESSION_LIST"; readonly values: readonly (readonly Expr[])[] })
  | (TableBase & Join);

export interface Join {
  readonly type: "JOIN";
  readonly left: TableRef;
  readonly right: TableRef;
  readonly condition: Expr | null;
  readonly join_type: string;
  readonly ref_type: string;
  readonly using_columns: readonly string[];
}

interface Serialised {
  readonly error: boolean;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly { readonly node: QueryNode }[];
}

/** Parses one query. Rejects `StatementFailed` with SYNTAX_ERROR, also for statements that are not queries. */
export async function parseTree(planner: Planner, sql: string): Promise<QueryNode> {
  const [[json] = []] = await planner.rows("SELECT json_serialize_sql($1::VARCHAR)", [sql]);
  const result = readTree(String(json));
  if (result.error)
    throw syntaxError(sql, result.error_message ?? "not a query", Number(result.position ?? 0));
  const [statement, ...more] = result.statements ?? [];
  if (!statement || more.length > 0) throw syntaxError(sql, "expected exactly one query", 0);
  return statement.node;
}

// JSON.parse would round integers above 2^53: their digits are kept as text, also those of 128 bits in two halves
function readTree(json: string): Serialised {
  const exact = json.replaceAll(/"(value|upper|lower)":(-?\d{16,})(?=[,}])/g, '"$1":"$2"');
  return JSON.parse(exact, (_key, value: unknown) => (isHalves(value) ? joined(value) : value)) as Serialised;
}

interface Halves {
  readonly upper: string | number;
  readonly lower: string | number;
}

// BETWEEN has an upper and a lower too, but those are expressions
function isHalves(value: unknown): value is Halves {
  if (typeof value !== "object" || value === null || !("upper" in value) || !("lower" in value)) return false;
  return typeof value.upper !== "object" && typeof value.lower !== "object";
}

function joined({ upper, lower }: Halves): string {
  return String((BigInt(upper) << 64n) + BigInt(lower));
}

function syntaxError(sql: string, reason: string, offset: number): StatementFailed {
  return new StatementFailed(`SYNTAX_ERROR: ${place(sql, offset)}: ${reason}`);
}

/** `line 1:8` for an offset in bytes, as Trino counts. */
export function place(sql: string, offset: number): string {
  if (!(offset < 1e9)) return "line 1:1";
  const before = Buffer.from(sql).subarray(0, offset).toString().split("\n");
  return `line ${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}
