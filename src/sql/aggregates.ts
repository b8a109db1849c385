/** The SQL half of a measure: one aggregate of the model as one Athena expression. */
import { type Aggregate, bracedColumn } from "../model/expression.ts";
import type { Source } from "../model/source.ts";
import { columnOf, filterSql, identifier, inline } from "./fragments.ts";

/** The aggregate over the source's table. Constants in it come from the declaration and stand inline. */
export function aggregateSql(source: Source, aggregate: Aggregate): string {
  const column = (property: string) => identifier(columnOf(source, property).name);
  switch (aggregate.kind) {
    case "count":
      return "count(*)";
    case "countIf":
      return `count(*) FILTER (WHERE ${filterSql(source, aggregate.where, inline)})`;
    case "countOf":
      return `count(${column(aggregate.column)})`;
    case "sum":
      return `coalesce(sum(${column(aggregate.column)}), 0)`;
    case "min":
    case "max":
      return `${aggregate.kind}(${column(aggregate.column)})`;
    case "distinct":
      return `count(DISTINCT ${column(aggregate.column)})`;
    case "approxDistinct":
      return `approx_distinct(${column(aggregate.column)})`;
    case "percentile":
      return exactPercentile(column(aggregate.column), aggregate.fraction);
    case "approxPercentile":
      return `approx_percentile(${column(aggregate.column)}, ${aggregate.fraction})`;
    case "sql":
      return aggregate.text.replaceAll(bracedColumn, (_, property: string) => column(property));
  }
}

/** Trino has no percentile_disc: the value at rank ceil(p·n) of the sorted values. The decimal literal keeps p·n exact. */
function exactPercentile(column: string, fraction: number): string {
  const exact = fraction.toString().includes("e") ? fraction.toFixed(18) : fraction.toString();
  const sorted = `array_sort(array_agg(${column}) FILTER (WHERE ${column} IS NOT NULL))`;
  return `element_at(${sorted}, CAST(ceil(${exact} * count(${column})) AS bigint))`;
}
