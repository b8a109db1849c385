/**
 * Which stored periods a refresh assembles anew. Pure functions.
 *
 * The days of an open month are stored one by one, so that a changed day costs a day's keys and not the month's: under
 * DAY a period is a month or, while that is not wholly covered, a day of it.
 */
import { partitionRange } from "../../src/model/gold.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import {
  bucketsOf,
  floorTo,
  type Instant,
  periodOf,
  periodRange,
  type Range,
  type StoredGrain,
  storedGrains,
} from "../../src/model/time.ts";
import type { Changes } from "./changed.ts";
import { chunksOf, groupedBy } from "./chunks.ts";
import type { Published } from "./published.ts";

/** Periods of one rollup, grain and year that are assembled together: all months, or all days of months. */
export interface Portion {
  readonly rollup: Rollup;
  readonly grain: StoredGrain;
  readonly year: string;
  readonly periods: readonly string[];
}

/** What bounds the memory of one portion. */
const periodsPerPortion = 31;

/** More changed days of an open month are cheaper to write as the month so far. */
const mostSingleDays = 3;

export function planLoad(
  product: Product,
  published: Published,
  changes: Changes,
  until: Instant,
): readonly Portion[] {
  return storedGrains.flatMap((grain) => {
    const rollups = product.rollups.filter(({ grains }) => grains.includes(grain));
    if (rollups.length === 0) return [];
    const touched = touchedPeriods(product, grain, changes, published, until);
    const alike = groupedBy(touched, (period) => `${period.slice(0, 4)} ${period.length}`);
    return [...alike.values()].flatMap((periods) =>
      chunksOf(periods, periodsPerPortion).flatMap((some) =>
        rollups.map((rollup) => ({ rollup, grain, year: some[0]!.slice(0, 4), periods: some })),
      ),
    );
  });
}

/**
 * The periods of `grain` to assemble anew: those with a closed bucket (one that ends at or before `until`; no other is
 * read from editions) that holds a changed partition's time, or that has closed since the last refresh.
 */
export function touchedPeriods(
  product: Product,
  grain: StoredGrain,
  changes: Changes,
  published: Published,
  until: Instant,
): string[] {
  const closed = floorTo(until, grain);
  const before = published.usable && published.until !== null ? floorTo(published.until, grain) : -Infinity;
  const ranges = touchedRanges(product, changes, before).map(({ from, to }) => ({
    from: floorTo(from, grain),
    to: Math.min(to, closed),
  }));
  if (grain === "DAY") return monthsAndDays(ranges, before, closed);
  const periods = ranges.flatMap((range) => periodsIn(range, grain));
  return [...new Set(periods)].sort();
}

/** The time of changed and vanished partitions, and what of any partition was not covered before. */
function touchedRanges(
  product: Product,
  { present, changed, vanished }: Changes,
  before: Instant,
): readonly Range[] {
  return [
    ...changed.map(({ range }) => range),
    ...vanished.map((value) => partitionRange(value, product.source.partition.grain)!),
    ...[...present.values()].map(({ range: { from, to } }) => ({ from: Math.max(from, before), to })),
  ].filter(({ from, to }) => from < to);
}

/** A closed month as a whole; of an open one the touched days, or the month so far when they are many. */
function monthsAndDays(ranges: readonly Range[], before: Instant, closed: Instant): string[] {
  const days = new Set(
    ranges.flatMap((range) => bucketsOf(range, "DAY").map(({ from }) => periodOf(from, "HOUR"))),
  );
  const touched = groupedBy([...days].sort(), (day) => day.slice(0, 7));
  // its days may stand one by one, also when nothing has happened on the last of them
  const closing = Number.isFinite(before) && before < closed ? periodOf(before, "DAY") : null;
  if (closing !== null && !touched.has(closing) && isClosed(closing, closed)) touched.set(closing, []);
  return [...touched].flatMap(([month, inMonth]) =>
    isClosed(month, closed) || inMonth.length > mostSingleDays ? [month] : inMonth,
  );
}

const isClosed = (month: string, closed: Instant): boolean => periodRange(month).to <= closed;

/** The names of the periods that the range touches. */
function periodsIn(range: Range, grain: StoredGrain): string[] {
  const periods: string[] = [];
  for (let at = range.from; at < range.to; ) {
    const period = periodOf(at, grain);
    periods.push(period);
    at = periodRange(period).to;
  }
  return periods;
}
