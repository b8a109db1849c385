/**
 * The refresh's two UNLOADs: the gold of changed partitions, all rollups in one scan; and compaction. Athena writes at
 * most a hundred partitions per statement and only into an empty folder.
 */
import { columnsOf } from "../model/expression.ts";
import { componentType, freeNames, type GoldColumns, goldColumns, sourceRollup } from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Source } from "../model/source.ts";
import { type Instant, type StoredGrain, storedGrains } from "../model/time.ts";
import type { ColumnType } from "../model/values.ts";
import { aggregateSql } from "./aggregates.ts";
import { partColumn, partsTable } from "./catalogue.ts";
import { columnOf, identifier, stringLiteral, tableName, timestampLiteral } from "./fragments.ts";
import { fromSql } from "./lookups.ts";

/** Athena: the most partitions that one UNLOAD writes. */
export const maxUnloadPartitions = 100;

export interface Unload {
  readonly partitions: readonly string[];
  /** `s3://…/`, empty. */
  readonly target: string;
}

/**
 * The gold of lake partitions, events before `until` only. Every rollup at its finest grain and one row per partition
 * that counts its events (`sourceRollup`) are grouping sets over a single scan. A null dimension is told from one that
 * is grouped away by `rollup`, which follows from grouping().
 */
export function unloadGoldSql(product: Product, { partitions, target }: Unload, until: Instant): string {
  const { source } = product;
  const names = goldColumns(product);
  const inner = innerNames(product);
  const sets = product.rollups.map((rollup) => [inner.grains.get(rollup.finest)!, ...inner.of(rollup)]);
  const partition = identifier(source.partition.column);
  return unload(
    source,
    `SELECT ${outerColumns(product, names, inner, sets).join(",\n  ")},
  ${partition}
FROM (
  SELECT ${innerColumns(product, inner).join(",\n    ")}
  FROM ${fromSql(source, [...aggregatedProperties(product), ...inner.dimensions.keys()])}
  WHERE ${partition} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(source.time.name)} < ${timestampLiteral(until)}
)
GROUP BY GROUPING SETS (
  (${partition}),
  ${sets.map((set) => `(${[partition, ...set].join(", ")})`).join(",\n  ")}
)`,
    target,
  );
}

/** A count per partition of the events before `until`, for the audit of partitions without gold. */
export function countSql(source: Source, partitions: readonly string[], until: Instant): string {
  const partition = identifier(source.partition.column);
  return `SELECT ${partition}, count(*) FROM ${tableName(source)}
WHERE ${partition} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(source.time.name)} < ${timestampLiteral(until)}
GROUP BY 1`;
}

/** The lake files and archived files of partitions as one set of files. */
export function compactSql(source: Source, { partitions, target }: Unload): string {
  const partition = identifier(source.partition.column);
  const columns = source.ownColumns.map(({ name }) => identifier(name));
  return unload(
    source,
    `SELECT ${columns.join(", ")}, ${partition}
FROM ${identifier(source.database)}.${identifier(partsTable(source))}
WHERE ${partition} IN (${partitions.map(stringLiteral).join(", ")}) AND ${identifier(partColumn(source))} IN ('lake', 'archive')`,
    target,
  );
}

function unload(source: Source, query: string, target: string): string {
  return `UNLOAD (
${query}
)
TO ${stringLiteral(target)}
WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY[${stringLiteral(source.partition.column)}])`;
}

/** Quoted names of what is grouped by: columns of the inner SELECT, beside the source's own. */
interface InnerNames {
  readonly grains: ReadonlyMap<StoredGrain, string>;
  /** By property, only of dimensions that a rollup carries. */
  readonly dimensions: ReadonlyMap<string, string>;
  of(rollup: Rollup): string[];
}

function innerNames(product: Product): InnerNames {
  const { source } = product;
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  const grains = storedGrains.filter((grain) => product.rollups.some(({ finest }) => finest === grain));
  const carried = product.dimensions.filter(({ property }) =>
    product.rollups.some(({ dimensions }) => dimensions.includes(property)),
  );
  const dimensions = new Map(carried.map(({ property }, i) => [property, identifier(free(`k${i}`))]));
  return {
    grains: new Map(grains.map((grain) => [grain, identifier(free(`at_${grain.toLowerCase()}`))])),
    dimensions,
    of: (rollup) => rollup.dimensions.map((property) => dimensions.get(property)!),
  };
}

/** The columns that aggregates read, under their own names, and copies to group by. */
function innerColumns(product: Product, inner: InnerNames): string[] {
  const { source } = product;
  const time = identifier(source.time.name);
  return [
    ...aggregatedProperties(product).map((property) => identifier(columnOf(source, property).name)),
    ...[...inner.grains].map(([grain, alias]) => `date_trunc('${grain.toLowerCase()}', ${time}) AS ${alias}`),
    ...[...inner.dimensions].map(
      ([property, alias]) => `${identifier(columnOf(source, property).name)} AS ${alias}`,
    ),
    identifier(source.partition.column),
  ];
}

/** What is not listed here is not scanned. */
function aggregatedProperties({ components }: Product): string[] {
  return [...new Set(components.flatMap(({ aggregate }) => columnsOf(aggregate)))];
}

function outerColumns(
  product: Product,
  names: GoldColumns,
  inner: InnerNames,
  sets: readonly (readonly string[])[],
): string[] {
  const { source } = product;
  const components = product.components.map((component, i) => {
    const type = componentType(source, component) === "int" ? "bigint" : "double";
    return `CAST(${aggregateSql(source, component.aggregate)} AS ${type}) AS ${identifier(names.components[i]!)}`;
  });
  const dimensions = product.dimensions.map(({ property, type }, i) => {
    const carried = inner.dimensions.get(property) ?? `CAST(NULL AS ${trinoTypes[type]})`;
    return `${carried} AS ${identifier(names.dimensions[i]!)}`;
  });
  return [
    `${rollupSql(product, inner, sets)} AS ${identifier(names.rollup)}`,
    `coalesce(${[...inner.grains.values(), "NULL"].join(", ")}) AS ${identifier(names.bucket)}`,
    ...dimensions,
    ...components,
  ];
}

const trinoTypes = {
  int: "bigint",
  float: "double",
  string: "varchar",
  boolean: "boolean",
  datetime: "timestamp",
} as const satisfies Record<ColumnType, string>;

/** grouping() has one bit per argument, the first one the highest; 1 where the row's set lacks it. */
function rollupSql(product: Product, inner: InnerNames, sets: readonly (readonly string[])[]): string {
  const all = [...inner.grains.values(), ...inner.dimensions.values()];
  const mask = (set: readonly string[]) =>
    all.reduce((bits, each) => bits * 2 + (set.includes(each) ? 0 : 1), 0);
  const cases = sets.map((set, i) => `WHEN ${mask(set)} THEN ${stringLiteral(product.rollups[i]!.name)}`);
  return `CASE grouping(${all.join(", ")}) ${cases.join(" ")} ELSE ${stringLiteral(sourceRollup)} END`;
}
