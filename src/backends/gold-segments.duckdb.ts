/**
 * The SQL that assembles segments of gold rows: merged and packed in DuckDB, one row per key and period, so that
 * JavaScript receives one finished text per segment.
 */
import type { Component } from "../model/expression.ts";
import { componentType, type GoldColumns, goldKeyColumns } from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import { periodRange, type StoredGrain } from "../model/time.ts";
import { keySql, name, ordinals, periodUnit, text } from "./gold-rows.duckdb.ts";

/** One row per key and period: the key's values, the period's start in epoch ms, the packed buckets. */
export function segmentsSql(
  product: Product,
  columns: GoldColumns,
  table: string,
  rollup: Rollup,
  grain: StoredGrain,
  periods: readonly string[],
): string {
  const keys = goldKeyColumns(product, rollup).dimensions.map(keySql);
  const ranges = periods.map((period) => periodRange(period));
  const unit = periodUnit(periods);
  const bucket = `CAST(${name(columns.bucket)} AS TIMESTAMP)`;
  const components = product.components.map((component, i) => mergedSql(component, columns.components[i]!));
  const inner = [
    ...keys.map((key, i) => `${key} AS k${i}`),
    `date_trunc('${grain}', ${bucket}) AS slot`,
    ...components.map((merged, i) => `${merged} AS v${i}`),
  ];
  // one sorted list of structs per segment: a list per column, each aggregated in order, takes ten times the memory
  const bucketOf = product.components.map((c, i) => `v${i} := ${valueSql(product, c, `v${i}`)}`);
  const buckets = `list_sort(list(struct_pack(${[`i := ${indexSql(grain)}`, ...bucketOf].join(", ")})))`;
  const fields = ["i", ...product.components.map((_, i) => `v${i}`)];
  const lists = fields.map(
    (field) => `'[' || array_to_string(list_transform(b, x -> x.${field}), ',') || ']'`,
  );
  const outer = [...keys.map((_, i) => `k${i}`), `epoch_ms(date_trunc('${unit}', slot)) AS period`];
  return `SELECT * EXCLUDE (b), '[' || ${lists.join(" || ',' || ")} || ']' AS packed FROM (
SELECT ${outer.join(", ")}, ${buckets} AS b
FROM (SELECT ${inner.join(", ")} FROM ${table}
  WHERE ${name(columns.rollup)} = ${text(rollup.name)}
    AND ${bucket} >= make_timestamp_ms(${Math.min(...ranges.map(({ from }) => from))})
    AND ${bucket} < make_timestamp_ms(${Math.max(...ranges.map(({ to }) => to))})
    AND epoch_ms(date_trunc('${unit}', ${bucket})) IN (${ranges.map(({ from }) => from).join(", ")})
  GROUP BY ${ordinals(keys.length + 1)})
GROUP BY ${ordinals(keys.length + 1)})`;
}

/** As `bucketIndex` of the model. */
function indexSql(grain: StoredGrain): string {
  const index = { HOUR: "hour(slot)", DAY: "day(slot) - 1", MONTH: "month(slot) - 1" } as const;
  return index[grain];
}

function mergedSql(component: Component, column: string): string {
  const merge = { add: "sum", min: "min", max: "max" } as const;
  return `${merge[component.merge]}(${name(column)})`;
}

const maxSafe = Number.MAX_SAFE_INTEGER;

/** A value as the JSON that JavaScript would write; a whole double as an integer, so -0 as 0. Shortest round-trip text. */
function valueSql(product: Product, component: Component, value: string): string {
  if (componentType(product.source, component) === "int")
    return `CASE WHEN ${value} IS NULL THEN 'null' WHEN ${value} BETWEEN -${maxSafe} AND ${maxSafe} THEN CAST(${value} AS VARCHAR)
      ELSE ${refusal(component, value, "is beyond 2^53")} END`;
  return `CASE WHEN ${value} IS NULL THEN 'null' WHEN NOT isfinite(${value}) THEN ${refusal(component, value, "is not finite")}
      WHEN ${value} = trunc(${value}) AND abs(${value}) <= ${maxSafe} THEN CAST(CAST(${value} AS BIGINT) AS VARCHAR)
      ELSE CAST(${value} AS VARCHAR) END`;
}

function refusal(component: Component, value: string, problem: string): string {
  return `error(${text(`${component.id} `)} || CAST(${value} AS VARCHAR) || ${text(` ${problem}`)})`;
}
