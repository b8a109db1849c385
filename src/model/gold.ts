/**
 * The layout of the gold zone: what the refresh's UNLOAD writes, and what segments are assembled from and BI tools
 * read. Rows are: rollup name, bucket, the product's dimensions, its components and the lake's partition column.
 */
import type { Aggregate, Component } from "./expression.ts";
import type { Condition } from "./filter.ts";
import type { Product, Rollup } from "./product.ts";
import type { PartitionGrain, Source } from "./source.ts";
import { grains, nextBucket, type Range, type StoredGrain, storedGrains } from "./time.ts";
import type { ColumnType } from "./values.ts";

/** `rollup` of the row that counts a partition's events without any grouping: what the audit holds the others to. */
export const sourceRollup = "_source";

/** `order_activity_gold` for `OrderActivity`, in the source's database. */
export function goldTableName(product: string): string {
  const snake = product.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "_").toLowerCase();
  return `${snake}_gold`;
}

export interface GoldColumns {
  readonly rollup: string;
  readonly bucket: string;
  /** By position in `product.dimensions`. */
  readonly dimensions: readonly string[];
  /** By position in `product.components`: `events`, `sum_price`, … */
  readonly components: readonly string[];
  readonly partition: string;
}

/**
 * The columns of a product's gold, named `rollup`, `bucket`, `events`, `sum_price` …, and by property. Underscores follow where a name
 * is taken: a dimension may be called `bucket`, and Athena folds the case of names.
 */
export function goldColumns(product: Pick<Product, "source" | "dimensions" | "components">): GoldColumns {
  const partition = product.source.partition.column;
  const free = freeNames([partition]);
  return {
    partition,
    rollup: free("rollup"),
    bucket: free("bucket"),
    // before the components: a dimension keeps its name whatever is measured
    dimensions: product.dimensions.map((dimension) => free(dimension.property)),
    components: product.components.map(({ aggregate }) => free(componentName(aggregate))),
  };
}

const longestName = 60;

/** What a component is called by those who query gold: by itself, not by the measures that are read from it. */
function componentName(aggregate: Aggregate): string {
  if (aggregate.kind === "count") return "events";
  if (aggregate.kind === "countIf")
    return `events_where_${aggregate.where.map(conditionName).join("_and_")}`.slice(0, longestName);
  return "column" in aggregate
    ? `${aggregate.kind.replace("countOf", "count")}_${aggregate.column}`
    : "value";
}

function conditionName(condition: Condition): string {
  const { column, op } = condition;
  const operand = "value" in condition ? condition.value : condition.values.join("_or_");
  return `${column}_${op}_${String(operand)}`.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/_$/, "");
}

/** What a key's value is read from. */
export interface GoldKeyColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** How gold names what the keys of a rollup and their buckets are made of. */
export interface GoldKeyColumns {
  readonly rollup: string;
  readonly bucket: string;
  /** In the rollup's order. */
  readonly dimensions: readonly GoldKeyColumn[];
}

export function goldKeyColumns(product: Product, { dimensions }: Pick<Rollup, "dimensions">): GoldKeyColumns {
  const { rollup, bucket, dimensions: names } = goldColumns(product);
  const column = (property: string): GoldKeyColumn => {
    const position = product.dimensions.findIndex((candidate) => candidate.property === property);
    return { name: names[position]!, type: product.dimensions[position]!.type };
  };
  return { rollup, bucket, dimensions: dimensions.map(column) };
}

/** Gives each wanted name, with underscores behind it until no name given or taken before is equal but for case. */
export function freeNames(taken: readonly string[]): (wanted: string) => string {
  const used = new Set(taken.map((name) => name.toLowerCase()));
  return (wanted) => {
    let name = wanted;
    while (used.has(name.toLowerCase())) name += "_";
    used.add(name.toLowerCase());
    return name;
  };
}

/** The type of a component's values. */
export function componentType(source: Source, { aggregate }: Component): "int" | "float" {
  if (aggregate.kind !== "sum" && aggregate.kind !== "min" && aggregate.kind !== "max") return "int";
  const column = source.columns.find((candidate) => candidate.property === aggregate.column);
  return column?.type === "float" ? "float" : "int";
}

/** The finest grain that any rollup of the product stores. */
export function finestGrain(product: Product): StoredGrain {
  return storedGrains.find((grain) => product.rollups.some((rollup: Rollup) => rollup.finest === grain))!;
}

/** A bucket of the rollup may lie in several lake partitions: then each of them has a row of gold for its part. */
export function spansPartitions({ source }: Product, { finest }: Pick<Rollup, "finest">): boolean {
  return grains.indexOf(finest) > grains.indexOf(source.partition.grain);
}

const partitionPatterns = {
  DAY: /^\d{4}-\d{2}-\d{2}$/,
  MONTH: /^\d{4}-\d{2}$/,
  YEAR: /^\d{4}$/,
} as const satisfies Record<PartitionGrain, RegExp>;

/** The time that a lake partition spans, or null when `value` is none of its grain: 2001-06-27, 2001-06 or 2001. */
export function partitionRange(value: string, grain: PartitionGrain): Range | null {
  if (!partitionPatterns[grain].test(value)) return null;
  const from = Date.parse(`${value}${"-01-01".slice(value.length - 4)}T00:00:00Z`);
  const exists = !Number.isNaN(from) && new Date(from).toISOString().startsWith(value);
  return exists ? { from, to: nextBucket(from, grain) } : null;
}
