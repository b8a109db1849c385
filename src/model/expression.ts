/**
 * Measures as data. A measure is an expression, read from aggregates over events; an aggregate whose value over a union
 * follows from the values of its parts is a component and can be stored. `src/sql` compiles aggregates to Athena SQL,
 * `fold.ts` runs components in JavaScript.
 */
import type { Filter } from "./filter.ts";
import type { ColumnType } from "./values.ts";

/** A column is named by its property in the source class. */
export type Expression =
  | { readonly kind: "count" }
  | { readonly kind: "countIf"; readonly where: Filter }
  | { readonly kind: "sum" | "min" | "max"; readonly column: string }
  | { readonly kind: "avg"; readonly column: string }
  | { readonly kind: "ratio"; readonly numerator: string; readonly denominator: string }
  | { readonly kind: "distinct" | "approxDistinct"; readonly column: string }
  | { readonly kind: "percentile" | "approxPercentile"; readonly column: string; readonly fraction: number }
  | { readonly kind: "sql"; readonly text: string; readonly type: "int" | "float" };

/** What is computed over events: the parts that measures are read from. `countOf` counts the values that are not null. */
export type Aggregate =
  | { readonly kind: "count" }
  | { readonly kind: "countIf"; readonly where: Filter }
  | { readonly kind: "countOf" | "sum" | "min" | "max"; readonly column: string }
  | { readonly kind: "distinct" | "approxDistinct"; readonly column: string }
  | { readonly kind: "percentile" | "approxPercentile"; readonly column: string; readonly fraction: number }
  | { readonly kind: "sql"; readonly text: string; readonly type: "int" | "float" };

/** Columns of an `sql` expression stand in braces. */
export const bracedColumn = /\{([^{}]*)\}/g;

/** Equal ids mean equal aggregates. */
export function aggregateId(aggregate: Aggregate): string {
  switch (aggregate.kind) {
    case "count":
      return "count(*)";
    case "countIf":
      return `countIf(${JSON.stringify(aggregate.where)})`;
    case "percentile":
    case "approxPercentile":
      return `${aggregate.kind}(${aggregate.column},${aggregate.fraction})`;
    case "sql":
      return `sql(${aggregate.text})`;
    default:
      return `${aggregate.kind}(${aggregate.column})`;
  }
}

const countAggregate: Aggregate = Object.freeze({ kind: "count" });

/** The aggregates an expression is read from. A ratio has none of its own: it follows from two other measures. */
export function aggregatesOf(expression: Expression): readonly Aggregate[] {
  switch (expression.kind) {
    case "avg":
      return [
        { kind: "sum", column: expression.column },
        { kind: "countOf", column: expression.column },
      ];
    case "ratio":
      return [];
    default:
      return [expression];
  }
}

/** The columns that an aggregate reads, by property. */
export function columnsOf(aggregate: Aggregate): readonly string[] {
  if ("column" in aggregate) return [aggregate.column];
  if ("where" in aggregate) return aggregate.where.map(({ column }) => column);
  if (aggregate.kind !== "sql") return [];
  return [...aggregate.text.matchAll(bracedColumn)].map(([, property]) => property!);
}

/** How the states of two disjoint parts make the state of their union; null where they do not. */
export function mergeOf(aggregate: Aggregate): Component["merge"] | null {
  switch (aggregate.kind) {
    case "count":
    case "countIf":
    case "countOf":
    case "sum":
      return "add";
    case "min":
    case "max":
      return aggregate.kind;
    case "distinct":
    case "approxDistinct":
    case "percentile":
    case "approxPercentile":
    case "sql":
      return null;
  }
}

/** A mergeable aggregate: what is stored per bucket. */
export interface Component {
  readonly id: string;
  readonly merge: "add" | "min" | "max";
  readonly aggregate: Aggregate;
}

/** The events themselves: the first component of every product, so that an empty bucket can be told. */
export const countComponent: Component = Object.freeze({
  id: "count(*)",
  merge: "add",
  aggregate: countAggregate,
});

/** The components of an expression, or null when it is not mergeable. */
export function componentsOf(expression: Expression): readonly Component[] | null {
  const components: Component[] = [];
  for (const aggregate of aggregatesOf(expression)) {
    const merge = mergeOf(aggregate);
    if (merge === null) return null;
    components.push(Object.freeze({ id: aggregateId(aggregate), merge, aggregate }));
  }
  return components;
}

/** The type of an expression's values, given the types of its columns. */
export function typeOf(expression: Expression, columnType: (column: string) => ColumnType): "int" | "float" {
  switch (expression.kind) {
    case "count":
    case "countIf":
    case "distinct":
    case "approxDistinct":
      return "int";
    case "sum":
    case "min":
    case "max":
      return columnType(expression.column) === "int" ? "int" : "float";
    case "avg":
    case "ratio":
    case "percentile":
    case "approxPercentile":
      return "float";
    case "sql":
      return expression.type;
  }
}

/** `ratio("delayMinutes", "flights")`: one measure of the product divided by another; null when the divisor is 0 or null. */
export function ratio(numerator: string, denominator: string): Expression {
  return Object.freeze({ kind: "ratio", numerator, denominator });
}
