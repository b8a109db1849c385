/** `columns(Flight)`: the expressions over a source's columns, typed so that `sum("dealy")` does not compile. */
import { inDeclaration } from "./errors.ts";
import type { Expression } from "./expression.ts";
import { checkExpression } from "./expression-checks.ts";
import { conditions } from "./filter.ts";
import { type Class, sourceFor } from "./source.ts";

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

/** Each expression is checked as it is written. Throws `DeclarationError` with the rule, what arrived and the way out. */
export function columns<S extends object>(target: Class<S>): Columns<S> {
  const source = sourceFor(target);
  const whose = `Source "${source.name}"`;
  const checked = (expression: Expression): Expression => {
    checkExpression(source, expression, whose);
    return Object.freeze(expression);
  };
  return {
    count: () => checked({ kind: "count" }),
    countIf: (where) =>
      checked({ kind: "countIf", where: Object.freeze(inDeclaration(whose, () => conditions(where))) }),
    sum: (column) => checked({ kind: "sum", column }),
    min: (column) => checked({ kind: "min", column }),
    max: (column) => checked({ kind: "max", column }),
    avg: (column) => checked({ kind: "avg", column }),
    distinct: (column) => checked({ kind: "distinct", column }),
    approxDistinct: (column) => checked({ kind: "approxDistinct", column }),
    percentile: (column, fraction) => checked({ kind: "percentile", column, fraction }),
    approxPercentile: (column, fraction) => checked({ kind: "approxPercentile", column, fraction }),
    sql: (text, options) => checked({ kind: "sql", text, type: options?.type ?? "float" }),
  };
}
