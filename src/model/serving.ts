/**
 * What a reader may read of the stored items: everything of its own declaration's; of another one's what both declare,
 * until the reader's refresh publishes. So a deployment serves while its edition is still being made.
 */
import type { Manifest } from "./control.ts";
import { aggregateId, type Component } from "./expression.ts";
import { aggregatesBehind } from "./fold.ts";
import { finestGrain } from "./gold.ts";
import type { PackedColumns } from "./layout.ts";
import type { Measure, Product, Rollup } from "./product.ts";
import { lakeColumn, type StoredLayout, storedLayout, type StoredRollup } from "./stored-layout.ts";
import { type StoredGrain, storedGrains } from "./time.ts";

/** A rollup of the product with the grains that its segments have. */
export type ServedRollup = Pick<Rollup, "name" | "dimensions" | "grains" | "finest" | "live"> & {
  readonly top: ServedTop | null;
};

/** The leaderboards beside the segments. */
export interface ServedTop {
  /** How many keys lead by each measure; null where that is another declaration's, which is not known. */
  readonly n: number | null;
  readonly within: readonly string[];
}

export interface Serving {
  /** Of the stored segments: part of their keys. Live items have the product's own. */
  readonly shape: string;
  readonly dimensions: Product["dimensions"];
  readonly rollups: readonly ServedRollup[];
  /** Declared, and stored from the next refresh on. */
  readonly awaited: readonly ServedRollup[];
  /** The finest grain of the stored segments: that of the manifest's `newest`. */
  readonly finest: StoredGrain;
  /** All that the measure is read from is stored. */
  stores(measure: Measure): boolean;
  /** Whether Athena knows the column of that property: the lake's table gets a new one with the next refresh. */
  isCatalogued(property: string): boolean;
  /** The columns of a segment in the order of the product's components; those of missing components are empty. */
  arranged(segment: PackedColumns): PackedColumns;
}

/** Null where nothing can be read: the items are of another source, or of a format that does not say what they hold. */
export function servingOf(
  product: Product,
  { shape, layout }: Pick<Manifest, "shape" | "layout">,
): Serving | null {
  if (shape === product.shape) return ownServing(product);
  const own = storedLayout(product);
  const stored = layout as Partial<StoredLayout> | undefined;
  if (stored?.source !== own.source || stored.columns === undefined) return null;
  return otherServing(product, own, shape, layout);
}

/** Of an edition that the product's own refresh has published. */
export function ownServing(product: Product): Serving {
  return {
    shape: product.shape,
    dimensions: product.dimensions,
    rollups: product.rollups,
    awaited: [],
    finest: finestGrain(product),
    stores: ({ precomputed }) => precomputed,
    isCatalogued: () => true,
    arranged: (segment) => segment,
  };
}

function otherServing(product: Product, own: StoredLayout, shape: string, layout: StoredLayout): Serving {
  const positions = own.components.map((component) => layout.components.indexOf(component));
  const isStored = (id: string): boolean => {
    const position = product.components.findIndex((component: Component) => component.id === id);
    return position >= 0 && positions[position]! >= 0;
  };
  const unknown = new Set(
    product.source.columns
      .filter((column) => !layout.columns.includes(lakeColumn(product.source, column)))
      .map(({ property }) => property),
  );
  const found = product.rollups.map((rollup, i) => servedRollup(rollup, own.rollups[i]!, layout));
  return {
    shape,
    dimensions: product.dimensions,
    rollups: found.filter((rollup) => rollup !== null),
    awaited: product.rollups.filter((_, i) => found[i] === null),
    finest: storedGrains.find((grain) => layout.rollups.some(({ grains }) => grains.includes(grain)))!,
    stores: ({ precomputed, expression }) =>
      precomputed && aggregatesBehind(product, expression).every((each) => isStored(aggregateId(each))),
    isCatalogued: (property) => !unknown.has(property),
    arranged: ([indexes = [], ...columns]) => [
      indexes,
      ...positions.map((position) => columns[position] ?? []),
    ],
  };
}

/**
 * The rollup as the other shape stored it: by the same columns, in its grains. Live items go on where segments end only
 * if both end on the same edges.
 */
function servedRollup(rollup: Rollup, own: StoredRollup, { rollups }: StoredLayout): ServedRollup | null {
  const stored = rollups.find(
    ({ name, dimensions }) =>
      name === rollup.name && JSON.stringify(dimensions) === JSON.stringify(own.dimensions),
  );
  const finest = stored?.grains[0];
  if (stored === undefined || finest === undefined) return null;
  const { name, dimensions, live } = rollup;
  const top = stored.within && { n: null, within: stored.within };
  return { name, dimensions, grains: stored.grains, finest, live: live && finest === rollup.finest, top };
}
