/**
 * The pages of an edition: which edition holds each period of each rollup, and the lake's partitions as they were read.
 * What has not changed keeps its page. Pages are made before anything is loaded, so that a crash leaves known traces.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import {
  type LakePage,
  lakePageName,
  type LakePartition,
  type SegmentPage,
  segmentPageName,
} from "../../src/model/control.ts";
import { partitionRange } from "../../src/model/gold.ts";
import type { Product } from "../../src/model/product.ts";
import { periodRange, type Range } from "../../src/model/time.ts";
import { type Changes, overlaps } from "./changed.ts";
import type { Portion } from "./load-plan.ts";
import { type Published, readSegmentPage } from "./published.ts";

/** The pages of the years in which a partition has changed or vanished. */
export function lakePages(
  { changed, vanished }: Changes,
  lake: ReadonlyMap<string, LakePartition>,
): Map<string, LakePage> {
  const yearOf = (partition: string) => partition.slice(0, 4);
  const years = new Set([...changed.map(({ value }) => value), ...vanished].map(yearOf));
  const pages = new Map<string, LakePage>();
  for (const year of years)
    pages.set(
      lakePageName(year),
      Object.fromEntries([...lake].filter(([partition]) => yearOf(partition) === year)),
    );
  return pages;
}

/** The pages of the rollups and years that are loaded: the previous page, its periods of the plan replaced. */
export async function segmentPages(
  product: Product,
  published: Published,
  edition: string,
  plan: readonly Portion[],
  lake: ReadonlyMap<string, LakePartition>,
  control: ControlStore,
): Promise<Map<string, SegmentPage>> {
  const filled = rangesWithEvents(product, lake);
  const pages = new Map<string, SegmentPage>();
  for (const { rollup, grain, year, periods } of plan) {
    const name = segmentPageName(rollup, year);
    const page = pages.get(name) ?? (await readSegmentPage(product, published, rollup, year, control));
    const kept = Object.entries(page[grain] ?? {}).filter(([period]) => !isReplaced(period, periods));
    const fresh = periods
      .filter(
        (period) =>
          isDayOfMonth(period, grain) || filled.some((range) => overlaps(range, periodRange(period))),
      )
      .map((period) => [period, edition] as const);
    pages.set(name, { ...page, [grain]: Object.fromEntries([...kept, ...fresh]) });
  }
  return pages;
}

function rangesWithEvents({ source }: Product, lake: ReadonlyMap<string, LakePartition>): Range[] {
  return [...lake].flatMap(([value, { rows }]) =>
    rows > 0 ? [partitionRange(value, source.partition.grain)!] : [],
  );
}

/** A month that is written takes the place of its days. */
function isReplaced(period: string, written: readonly string[]): boolean {
  return written.includes(period) || (period.length === 10 && written.includes(period.slice(0, 7)));
}

/** A day of an open month always has its entry: also without events it takes the month's place. */
function isDayOfMonth(period: string, grain: Portion["grain"]): boolean {
  return grain === "DAY" && period.length === 10;
}
