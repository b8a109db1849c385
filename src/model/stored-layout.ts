/**
 * What stored items of a shape hold, as a manifest remembers it. A deployment that declares other measures or rollups
 * reads of it what it still declares, until its own refresh publishes.
 */
import { columnsOf } from "./expression.ts";
import { type GoldKeyColumns, goldKeyColumns } from "./gold.ts";
import { lookupText } from "./lookup.ts";
import type { Product, Rollup } from "./product.ts";
import type { Column, Source } from "./source.ts";
import type { StoredGrain } from "./time.ts";

export interface StoredLayout {
  /** Table and time column. Another source's items are not read. */
  readonly source: string;
  /** What the lake's table and its lookups have, each with its type: Athena answers for these. */
  readonly columns: readonly string[];
  /** The components of a bucket, in order; each names its column in the lake and its type. */
  readonly components: readonly string[];
  readonly rollups: readonly StoredRollup[];
}

export interface StoredRollup {
  readonly name: string;
  /** Each with its column in the lake and its type. */
  readonly dimensions: readonly string[];
  readonly grains: readonly StoredGrain[];
  /** The dimensions that its leaderboards are within, by property; null where it has none. */
  readonly within: readonly string[] | null;
  /** How gold of that shape names its keys. */
  readonly gold: GoldKeyColumns;
}

export function storedLayout(product: Product): StoredLayout {
  const { source } = product;
  return {
    source: `${source.database}.${source.table} ${source.time.name}`,
    columns: source.columns.map((column) => lakeColumn(source, column)),
    components: product.components.map(({ id, aggregate }) =>
      [id, ...columnsOf(aggregate).map((property) => columnText(product, property))].join(" "),
    ),
    rollups: product.rollups.map((rollup: Rollup) => ({
      name: rollup.name,
      dimensions: rollup.dimensions.map((property) => columnText(product, property)),
      grains: rollup.grains,
      within: rollup.top?.within ?? null,
      gold: goldKeyColumns(product, rollup),
    })),
  };
}

/** A column that is named, typed or found otherwise means something else. */
function columnText({ source }: Product, property: string): string {
  const column = source.columns.find((candidate) => candidate.property === property)!;
  return `${property}@${lakeColumn(source, column)}`;
}

/** A column as the lake has it, an enriched one with where it is looked up. */
export function lakeColumn({ lookups }: Source, column: Column): string {
  const lookedUp = lookupText(lookups, column);
  return `${column.name}:${column.type}${lookedUp === null ? "" : `<-${lookedUp}`}`;
}
