/** `columns(Flight)`: the expressions over a source's columns, typed so that `sum("dealy")` does not compile. */
import { DeclarationError } from "./errors.ts";
import type { Expression } from "./expression.ts";
import { conditions, type Filter } from "./filter.ts";
import { type Class, columnFor, type Source, sourceFor } from "./source.ts";
import type { ColumnType } from "./values.ts";

type ColumnsOfType<S, V> = { [K in keyof S & string]: NonNullable<S[K]> extends V ? K : never }[keyof S &
  string];

/** The conditions on one column, by its TypeScript type. */
type ConditionsOn<V> = V extends string
  ? { eq?: V; in?: readonly V[]; ne?: V; notIn?: readonly V[]; startsWith?: string; isNull?: boolean }
  : V extends number | Date
    ? { eq?: V; in?: readonly V[]; gte?: V; lt?: V; isNull?: boolean }
    : V extends boolean
      ? { eq?: V; isNull?: boolean }
      : never;

export type FilterOn<S> = { readonly [K in keyof S & string]?: ConditionsOn<NonNullable<S[K]>> };

export interface Columns<S extends object> {
  /** Events. */
  count(): Expression;
  /** Events that meet every condition: `countIf({ delay: { gte: 15 } })`. */
  countIf(where: FilterOn<S>): Expression;
  /** Sum of the values; 0 of nothing. */
  sum(column: ColumnsOfType<S, number>): Expression;
  min(column: ColumnsOfType<S, number>): Expression;
  max(column: ColumnsOfType<S, number>): Expression;
  /** Mean of the values that are not null; null of nothing. */
  avg(column: ColumnsOfType<S, number>): Expression;
  /** Exact number of distinct values that are not null. Not mergeable. */
  distinct(column: keyof S & string): Expression;
  /** Exact discrete percentile, the value at rank ceil(p·n): `percentile("delay", 0.9)`. Not mergeable. */
  percentile(column: ColumnsOfType<S, number>, fraction: number): Expression;
  /** Athena's approx_distinct, standard error 2.3 %. Not mergeable. */
  approxDistinct(column: keyof S & string): Expression;
  /** Athena's approx_percentile. Not mergeable. */
  approxPercentile(column: ColumnsOfType<S, number>, fraction: number): Expression;
  /** Any aggregate Athena knows; columns in braces: `sql("stddev_samp({delay})")`. Not mergeable. */
  sql(text: string, options?: { readonly type?: "int" | "float" }): Expression;
}

export function columns<S extends object>(target: Class<S>): Columns<S> {
  const source = sourceFor(target);
  const over = (kind: "sum" | "min" | "max" | "avg") => (column: string) =>
    Object.freeze({ kind, column: numeric(source, column, kind) }) as Expression;
  return {
    count: () => Object.freeze({ kind: "count" }),
    countIf: (where) => Object.freeze({ kind: "countIf", where: checkedFilter(source, where) }),
    sum: over("sum"),
    min: over("min"),
    max: over("max"),
    avg: over("avg"),
    distinct: (column) => Object.freeze({ kind: "distinct", column: known(source, column) }),
    approxDistinct: (column) => Object.freeze({ kind: "approxDistinct", column: known(source, column) }),
    percentile: (column, fraction) =>
      Object.freeze({
        kind: "percentile",
        column: numeric(source, column, "percentile"),
        fraction: checkedFraction(fraction),
      }),
    approxPercentile: (column, fraction) =>
      Object.freeze({
        kind: "approxPercentile",
        column: numeric(source, column, "approxPercentile"),
        fraction: checkedFraction(fraction),
      }),
    sql: (text, options) =>
      Object.freeze({ kind: "sql", text: checkedSql(source, text), type: options?.type ?? "float" }),
  };
}

function known(source: Source, property: string): string {
  return columnFor(source, property, `Source "${source.name}"`).property;
}

const numericTypes: readonly ColumnType[] = ["int", "float"];

function numeric(source: Source, property: string, kind: string): string {
  const column = columnFor(source, property, `Source "${source.name}"`);
  if (!numericTypes.includes(column.type))
    throw new DeclarationError(
      `${kind} needs a number. Column "${property}" of "${source.name}" is a ${column.type}. Use count, countIf or distinct, or another column.`,
    );
  return property;
}

function checkedFraction(fraction: number): number {
  if (!(fraction > 0 && fraction <= 1))
    throw new DeclarationError(
      `A percentile is a fraction in (0, 1]. Got ${fraction}.${fraction > 1 ? ` Did you mean ${fraction / 100}?` : ""}`,
    );
  return fraction;
}

function checkedFilter<S>(source: Source, where: FilterOn<S>): Filter {
  const filter = conditions(where);
  for (const { column } of filter) known(source, column);
  if (filter.length === 0)
    throw new DeclarationError(
      `countIf needs a condition. Got {}. Use count() for all events of "${source.name}".`,
    );
  return Object.freeze(filter);
}

/** Columns of an `sql` expression stand in braces. */
export const bracedColumn = /\{([^{}]*)\}/g;

function checkedSql(source: Source, text: string): string {
  for (const [, property] of text.matchAll(bracedColumn)) known(source, property!);
  if (text.includes("?") || text.includes(";"))
    throw new DeclarationError(`An sql expression is one aggregate without "?" or ";". Got: ${text}`);
  return text;
}
