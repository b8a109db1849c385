/**
 * The segments that an edition reaches and nothing kept does.
 *
 * Delivery guarantee: only what the pages map is removed, and never what a kept page maps too; removing again what is
 * gone is harmless.
 */
import type { Gold } from "../../src/backends/gold.ts";
import {
  type Edition,
  type LakePage,
  lakePageName,
  type LakePartition,
  type SegmentPage,
} from "../../src/model/control.ts";
import type { GoldKeyColumns } from "../../src/model/gold.ts";
import { type ItemKey, leaderboardKey, segmentKey } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import type { StoredRollup } from "../../src/model/stored-layout.ts";
import { periodRange } from "../../src/model/time.ts";
import { overlaps } from "./changed.ts";
import { groupedBy } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import { readPages, type Reach, refId, refsOf, type Unreached } from "./reach.ts";

type SegmentDeps = Pick<RefreshDeps, "control" | "gold" | "insights">;

/** Resolves to the number of items removed. `editions` has the documents that there still are, by id. */
export async function sweepSegments(
  product: Product,
  edition: Edition,
  editions: ReadonlyMap<string, Edition>,
  reach: Reach,
  deps: SegmentDeps,
): Promise<number> {
  const refs = refsOf(edition).filter((ref) => ref.name.startsWith("segments/") && !reach.reads(ref));
  const pages = await readPages<SegmentPage>(product, refs, deps.control);
  let items = 0;
  for (const ref of refs) {
    const rollup = edition.manifest.layout.rollups.find(({ name }) =>
      ref.name.startsWith(`segments/${name}/`),
    );
    if (rollup === undefined) continue;
    for (const unreached of reach.unreached(ref.name, pages.get(refId(ref)) ?? {})) {
      // who wrote a segment knows its keys; once its document is gone, so do all that read it (see Reach.needsView)
      const view = editions.get(unreached.writer) ?? edition;
      items += await removePeriods(product, view, rollup, unreached, deps);
    }
  }
  return items;
}

/** The keys of the segments are those of the gold that they were assembled from. */
async function removePeriods(
  product: Product,
  view: Edition,
  rollup: StoredRollup,
  unreached: Unreached,
  deps: SegmentDeps,
): Promise<number> {
  const gold = await deps.gold.open(product, await goldOf(product, view, unreached.periods, deps));
  try {
    return await deps.insights.removeSegments(keysOf(product, view, rollup, unreached, gold));
  } finally {
    await gold.close();
  }
}

async function goldOf(
  product: Product,
  view: Edition,
  periods: readonly string[],
  { control }: SegmentDeps,
): Promise<string[]> {
  const ranges = periods.map(periodRange);
  const years = new Set(periods.map((period) => lakePageName(period.slice(0, 4))));
  const refs = refsOf(view).filter(({ name }) => years.has(name));
  const pages = await readPages<LakePage>(product, refs, control);
  const partitions = [...pages.values()].flatMap((page): [string, LakePartition][] => Object.entries(page));
  return partitions.flatMap(([value, { gold }]) => {
    const range = periodRange(value);
    return gold !== null && ranges.some((each) => overlaps(each, range)) ? [gold] : [];
  });
}

/** Of segments and of their leaderboards. Days and months are asked for apart. */
async function* keysOf(
  product: Product,
  { manifest: { shape } }: Edition,
  rollup: StoredRollup,
  { grain, writer, periods }: Unreached,
  gold: Gold,
): AsyncIterable<ItemKey> {
  const stored = { name: product.name, shape };
  const { name, within, gold: columns } = rollup;
  const dimensions = columns.dimensions.map((column) => column.name);
  for (const alike of groupedBy(periods, ({ length }) => length).values()) {
    for await (const { key, period } of gold.keys(name, columns, alike))
      yield segmentKey(systemScope, stored, { name, dimensions }, grain, key, period, writer);
    if (within === null) continue;
    const top = { within };
    for await (const { key, period } of gold.keys(name, withinColumns(rollup), alike))
      yield leaderboardKey(systemScope, stored, { name, top }, grain, key, period, writer);
  }
}

/** Where a key's values of the dimensions `within` are found. */
function withinColumns({ dimensions, within, gold }: StoredRollup): GoldKeyColumns {
  const isWithin = (i: number): boolean =>
    within!.some((property) => dimensions[i]!.startsWith(`${property}@`));
  return { ...gold, dimensions: gold.dimensions.filter((_, i) => isWithin(i)) };
}
