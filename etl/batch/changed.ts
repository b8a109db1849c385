/** Which partitions a refresh has to count anew, and which stored periods that touches. Pure functions. */
import type { Product } from "../../src/model/product.ts";
import {
  floorTo,
  type Instant,
  periodOf,
  periodRange,
  type Range,
  type StoredGrain,
} from "../../src/model/time.ts";
import { partitionRange } from "../../src/model/gold.ts";
import type { PartitionFiles } from "./partitions.ts";
import type { Published } from "./published.ts";

export interface Changes {
  /** All partitions that have files, oldest first. */
  readonly present: ReadonlyMap<string, PartitionFiles>;
  /** Those whose gold must be made anew. */
  readonly changed: readonly PartitionFiles[];
  /** Those that had files at the last refresh and have none now. */
  readonly vanished: readonly string[];
}

export function findChanges(
  published: Published,
  present: ReadonlyMap<string, PartitionFiles>,
  until: Instant,
): Changes {
  const isChanged = ({ value, range, fingerprint }: PartitionFiles): boolean =>
    published.lake.get(value)?.fingerprint !== fingerprint || newlyCovered(published, range, until);
  return {
    present,
    changed: [...present.values()].filter(isChanged),
    vanished: [...published.lake.keys()].filter((value) => !present.has(value)),
  };
}

/** Events that had been archived beyond the last coverage count from now on. */
function newlyCovered({ until: before }: Published, range: Range, until: Instant): boolean {
  return before !== null && before < range.to && range.from < until && before < until;
}

/**
 * The periods of `grain` to assemble anew: those with a closed bucket (one that ends at or before `until`; no other is
 * read from editions) that holds a changed partition's time, or that has closed since the last refresh over a
 * partition's time.
 */
export function touchedPeriods(
  product: Product,
  grain: StoredGrain,
  { present, changed, vanished }: Changes,
  published: Published,
  until: Instant,
): string[] {
  const closed = floorTo(until, grain);
  const before = published.usable && published.until !== null ? floorTo(published.until, grain) : -Infinity;
  const gone = vanished.map((value) => partitionRange(value, product.source.partition.grain)!);
  const touched = [
    ...changed.map(({ range }) => range),
    ...gone,
    ...[...present.values()].map(({ range: { from, to } }) => ({ from: Math.max(from, before), to })),
  ];
  const periods = new Set<string>();
  for (const { from, to } of touched)
    for (const period of periodsOf(widened(from, to, grain, closed), grain)) periods.add(period);
  return [...periods].sort();
}

/** Up to the last closed bucket, from the edge of the first. */
function widened(from: Instant, to: Instant, grain: StoredGrain, closed: Instant): Range {
  return from < to ? { from: floorTo(from, grain), to: Math.min(to, closed) } : { from, to: from };
}

/** The names of the periods that the range touches. */
function periodsOf(range: Range, grain: StoredGrain): string[] {
  const periods: string[] = [];
  for (let at = range.from; at < range.to; ) {
    const period = periodOf(at, grain);
    periods.push(period);
    at = periodRange(period, grain).to;
  }
  return periods;
}

/** The part of `[from, to)` that two ranges share is not empty. */
export function overlaps(a: Range, b: Range): boolean {
  return a.from < b.to && b.from < a.to;
}
