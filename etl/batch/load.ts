/**
 * Segments assembled from gold and written under the new edition.
 *
 * Delivery guarantee: at least once, which is harmless: nothing points to an edition's segments before it is published,
 * and a segment is the same however often it is written. A year's gold is on the disk at a time, no segment list in memory.
 */
import type { AssembledSegment, Gold } from "../../src/backends/gold.ts";
import type { SegmentItem } from "../../src/backends/insight-store.ts";
import type { LakePartition } from "../../src/model/control.ts";
import { partitionRange } from "../../src/model/gold.ts";
import { segmentKey } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import { type Instant, periodRange, type StoredGrain, storedGrains } from "../../src/model/time.ts";
import { type Changes, overlaps, touchedPeriods } from "./changed.ts";
import { chunksOf, groupedBy } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import type { Published } from "./published.ts";

/** Periods of one rollup and grain in one year that were assembled anew. */
export interface LoadedPeriods {
  readonly rollup: Rollup;
  readonly grain: StoredGrain;
  readonly year: string;
  readonly periods: readonly string[];
  /** Those of them that hold events. */
  readonly filled: ReadonlySet<string>;
}

export interface Loaded {
  readonly periods: readonly LoadedPeriods[];
  /** Items written. */
  readonly items: number;
}

/** Periods assembled by one statement: what bounds its memory. */
const periodsPerPortion = 31;

export async function load(
  product: Product,
  edition: string,
  published: Published,
  changes: Changes,
  lake: ReadonlyMap<string, LakePartition>,
  until: Instant,
  deps: RefreshDeps,
): Promise<Loaded> {
  const work = workOf(product, published, changes, until);
  const report = progressOf(work, deps);
  const loaded: LoadedPeriods[] = [];
  let items = 0;
  for (const portions of groupedBy(work, ({ year }) => year).values()) {
    const gold = await deps.gold.open(product, foldersOf(product, lake, portions));
    const done = (portion: Portion, filled: ReadonlySet<string>): void => {
      loaded.push({ ...portion, filled });
      report(portion.periods.length);
    };
    try {
      items += await deps.insights.writeSegments(segments(product, edition, gold, portions, done));
    } finally {
      await gold.close();
    }
  }
  return { periods: loaded, items };
}

interface Portion {
  readonly rollup: Rollup;
  readonly grain: StoredGrain;
  readonly year: string;
  readonly periods: readonly string[];
}

function workOf(product: Product, published: Published, changes: Changes, until: Instant): Portion[] {
  return storedGrains.flatMap((grain) => {
    const rollups = product.rollups.filter(({ grains }) => grains.includes(grain));
    if (rollups.length === 0) return [];
    const touched = touchedPeriods(product, grain, changes, published, until);
    return [...groupedBy(touched, (period) => period.slice(0, 4))].flatMap(([year, inYear]) =>
      chunksOf(inYear, periodsPerPortion).flatMap((periods) =>
        rollups.map((rollup) => ({ rollup, grain, year, periods })),
      ),
    );
  });
}

function progressOf(work: readonly Portion[], { progress }: RefreshDeps): (periods: number) => void {
  const total = work.reduce((sum, { periods }) => sum + periods.length, 0);
  let done = 0;
  const report = (periods: number) =>
    progress({ stage: "load", done: (done += periods), total, unit: "periods" });
  report(0);
  return report;
}

/** The gold of all partitions, changed or not, whose time the portions touch. */
function foldersOf(
  product: Product,
  lake: ReadonlyMap<string, LakePartition>,
  portions: readonly Portion[],
): string[] {
  const ranges = portions.flatMap(({ grain, periods }) => periods.map((each) => periodRange(each, grain)));
  return [...lake].flatMap(([value, { gold }]) => {
    const range = partitionRange(value, product.source.partition.grain)!;
    return ranges.some((each) => overlaps(each, range)) ? (gold ?? []) : [];
  });
}

/** One stream over all portions, so that writing never waits for the end of one. */
async function* segments(
  product: Product,
  edition: string,
  gold: Gold,
  portions: readonly Portion[],
  done: (portion: Portion, filled: ReadonlySet<string>) => void,
): AsyncIterable<SegmentItem> {
  for (const portion of portions) {
    const { rollup, grain, periods } = portion;
    const filled = new Set<string>();
    for await (const segment of gold.segments(rollup, grain, periods)) {
      filled.add(segment.period);
      yield itemOf(product, edition, rollup, grain, segment);
    }
    done(portion, filled);
  }
}

function itemOf(
  product: Product,
  edition: string,
  rollup: Rollup,
  grain: StoredGrain,
  { key, period, packed }: AssembledSegment,
): SegmentItem {
  return { ...segmentKey(systemScope, product, rollup, grain, key, period, edition), packed };
}
