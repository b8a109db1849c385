/**
 * Segments and leaderboards assembled from gold and written under the new edition.
 *
 * Delivery guarantee: at least once, which is harmless: nothing points to an edition's segments before it is published,
 * and a segment is the same however often it is written. A year's gold is on the disk at a time, no segment list in memory.
 */
import type { Gold } from "../../src/backends/gold.ts";
import type { SegmentItem } from "../../src/backends/insight-store.ts";
import type { LakePartition } from "../../src/model/control.ts";
import { partitionRange } from "../../src/model/gold.ts";
import { leaderboardKey, segmentKey } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import { periodRange } from "../../src/model/time.ts";
import { overlaps } from "./changed.ts";
import { groupedBy } from "./chunks.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import type { Portion } from "./load-plan.ts";
import { checkStopped } from "./stopping.ts";

/** Resolves to the number of items written. */
export async function load(
  product: Product,
  edition: string,
  plan: readonly Portion[],
  lake: ReadonlyMap<string, LakePartition>,
  deps: RefreshDeps,
  options: Pick<RefreshOptions, "signal"> = {},
): Promise<number> {
  const total = plan.reduce((sum, { periods }) => sum + periods.length, 0);
  let [assembled, items] = [0, 0];
  const report = (done: number, written: number): void =>
    deps.progress({ stage: "load", done, total, unit: "periods", items: written });
  report(0, 0);
  for (const portions of groupedBy(plan, ({ year }) => year).values()) {
    const gold = await deps.gold.open(product, foldersOf(product, lake, portions));
    const done = ({ periods }: Portion): void => void (assembled += periods.length);
    const before = items;
    try {
      items += await deps.insights.writeSegments(
        itemsOf(product, edition, gold, portions, done, options),
        // the last period is done when all its items are written
        (written) => report(Math.min(assembled, total - 1), before + written),
      );
    } finally {
      await gold.close();
    }
  }
  if (total > 0) report(total, items);
  return items;
}

/** The gold of all partitions, changed or not, whose time the portions touch. */
export function foldersOf(
  product: Product,
  lake: ReadonlyMap<string, LakePartition>,
  portions: readonly Pick<Portion, "periods">[],
): string[] {
  const ranges = [...new Set(portions.flatMap(({ periods }) => periods))].map(periodRange);
  return [...lake].flatMap(([value, { gold }]) => {
    const range = partitionRange(value, product.source.partition.grain)!;
    return ranges.some((each) => overlaps(each, range)) ? (gold ?? []) : [];
  });
}

/** One stream over all portions, so that writing never waits for the end of one. */
async function* itemsOf(
  product: Product,
  edition: string,
  gold: Gold,
  portions: readonly Portion[],
  done: (portion: Portion) => void,
  options: Pick<RefreshOptions, "signal">,
): AsyncIterable<readonly SegmentItem[]> {
  for (const portion of portions) {
    const { rollup, grain, periods } = portion;
    for await (const { segments, leaderboards } of gold.assemble(rollup, grain, periods)) {
      checkStopped(product, options);
      yield segments.map(({ key, period, packed }) => ({
        ...segmentKey(systemScope, product, rollup, grain, key, period, edition),
        packed,
      }));
      yield leaderboards.map(({ within, period, packed }) => ({
        ...leaderboardKey(
          systemScope,
          product,
          { ...rollup, top: rollup.top! },
          grain,
          within,
          period,
          edition,
        ),
        packed,
      }));
    }
    done(portion);
  }
}
