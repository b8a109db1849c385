/** Series, of which Athena answers all buckets in one go. */
import { type Period, shiftBack } from "../model/period.ts";
import { floorTo, type Grain, nextBucket, type Range } from "../model/time.ts";

export interface Series {
  readonly range: Range;
  readonly grain: Grain;
}

/** The series one period earlier where `earlier` is a bucket of it; null for one that stands alone. */
export function seriesBefore({ range, grain }: Series, period: Period, earlier: Range): Series | null {
  const first = { from: range.from, to: Math.min(nextBucket(range.from, grain), range.to) };
  const last = { from: Math.max(floorTo(range.to - 1, grain), range.from), to: range.to };
  const before = { from: shiftBack(first, period).from, to: shiftBack(last, period).to };
  return isBucketOf({ range: before, grain }, earlier) ? { range: before, grain } : null;
}

function isBucketOf({ range, grain }: Series, bucket: Range): boolean {
  return (
    bucket.from === Math.max(floorTo(bucket.from, grain), range.from) &&
    bucket.to === Math.min(nextBucket(bucket.from, grain), range.to)
  );
}
