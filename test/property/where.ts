/** Random filters, and the same filters in plain SQL. Imports nothing of `src`. */
import { pick, type Random } from "./random.ts";
import { type Cell, sqlOf } from "./truth.ts";

export type ColumnKind = "string" | "int" | "float" | "boolean" | "datetime";

/** Every column that a filter may name, and values worth asking for. */
export type FilterColumns = Readonly<Record<string, readonly [ColumnKind, readonly Cell[]]>>;

export interface Filterable {
  readonly columns: FilterColumns;
  readonly rollups: readonly { readonly dimensions: readonly string[] }[];
}

export type Where = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const operators = {
  string: ["eq", "in", "ne", "notIn", "startsWith", "isNull"],
  int: ["eq", "in", "gte", "lt", "isNull"],
  float: ["eq", "in", "gte", "lt", "isNull"],
  datetime: ["eq", "in", "gte", "lt", "isNull"],
  boolean: ["eq", "isNull"],
} as const satisfies Record<ColumnKind, readonly string[]>;

/** More often than not a slice of a rollup, or almost one. */
export function randomWhere(random: Random, spec: Filterable): Where {
  if (random() < 0.6) {
    const { dimensions } = pick(random, spec.rollups);
    const how = dimensions.map(() => (random() < 0.1 ? condition : pinning));
    return Object.fromEntries(dimensions.map((each, i) => [each, how[i]!(random, spec, each)]));
  }
  const chosen = Object.keys(spec.columns).filter(() => random() < 2 / Object.keys(spec.columns).length);
  return Object.fromEntries(chosen.map((each) => [each, condition(random, spec, each)]));
}

const known = (spec: Filterable, column: string): Cell[] =>
  spec.columns[column]![1].filter((each) => each !== null);
/** Athena takes no parameter of more than 1,024 characters. */
const short = (value: Cell): boolean => typeof value !== "string" || value.length < 1_000;

/** What a rollup can be asked for. */
export function pinning(random: Random, spec: Filterable, column: string): Record<string, unknown> {
  const values = known(spec, column);
  const how = random();
  if (how < 0.25) return { isNull: true };
  if (how < 0.5 && spec.columns[column]![0] !== "boolean") return { in: values.filter(() => random() < 0.5) };
  return { eq: pick(random, values) };
}

function condition(random: Random, spec: Filterable, column: string): Record<string, unknown> {
  const values = known(spec, column).filter(short);
  const op = pick(random, operators[spec.columns[column]![0]]);
  if (op === "isNull") return { isNull: random() < 0.5 };
  if (op === "in" || op === "notIn") return { [op]: values.filter(() => random() < 0.4) };
  if (op === "startsWith") return { startsWith: String(pick(random, values)).slice(0, 2) };
  const also = op === "gte" && random() < 0.3 ? { lt: pick(random, values) } : {};
  return { [op]: pick(random, values), ...also };
}

export function whereSql(where: Where): string {
  const conditions = Object.entries(where).flatMap(([column, ops]) =>
    Object.entries(ops).map(([op, value]) => conditionSql(`"${column}"`, op, value)),
  );
  return conditions.length === 0 ? "TRUE" : conditions.join(" AND ");
}

function conditionSql(column: string, op: string, value: unknown): string {
  if (op === "isNull") return `${column} IS ${value === true ? "" : "NOT "}NULL`;
  if (op === "startsWith")
    return `${column}[1:${Array.from(String(value)).length}] = ${sqlOf(value as Cell)}`;
  if (op === "in" || op === "notIn") {
    const values = value as Cell[];
    if (values.length === 0) return op === "in" ? "FALSE" : `${column} IS NOT NULL`;
    return `${column} ${op === "in" ? "IN" : "NOT IN"} (${values.map(sqlOf).join(", ")})`;
  }
  return `${column} ${{ eq: "=", ne: "<>", gte: ">=", lt: "<" }[op]} ${sqlOf(value as Cell)}`;
}

/** Whether it pins columns to values, each by one condition, as a slice of a rollup does. */
export function isPinning(where: Where): boolean {
  return Object.values(where).every((ops) => {
    const [op, ...others] = Object.keys(ops);
    return others.length === 0 && (op === "eq" || op === "in" || (op === "isNull" && ops["isNull"] === true));
  });
}
