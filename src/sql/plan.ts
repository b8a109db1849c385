/**
 * Where a question is answered from. A slice of a stored rollup over an aligned range is answered from segments
 * (largest grains first) up to the coverage and from live items beyond it; everything else is left to Athena.
 */
import type { Condition, Filter } from "../model/filter.ts";
import type { DimensionKey } from "../model/layout.ts";
import type { ServedRollup, Serving } from "../model/serving.ts";
import {
  bucketIndex,
  ceilTo,
  floorTo,
  type Instant,
  isAligned,
  nextBucket,
  periodOf,
  periodRange,
  type Range,
  type StoredGrain,
} from "../model/time.ts";
import type { Value } from "../model/values.ts";

/** What one request sees of a product: the coverage of its editions and how far its live items have come. */
export interface View {
  readonly coverage: { readonly from: Instant; readonly until: Instant };
  /** The newest instant at which there can be an event: of editions the last of a bucket, live the event's own. */
  readonly newest: Instant | null;
  readonly live: LiveView | null;
}

export interface LiveView {
  /** Buckets that begin earlier are partial: the stream did not see their beginning. */
  readonly from: Instant;
  /** So are those of periods that end at or before it: their live items were removed. */
  readonly sweptUntil: Instant | null;
  /** No event before this instant is still to come. */
  readonly to: Instant;
}

/** The buckets `first <= index < end` of one period's segment. */
export interface Piece {
  readonly grain: StoredGrain;
  readonly period: string;
  readonly first: number;
  readonly end: number;
}

/** What a range is read from. */
export interface Pieces {
  readonly editions: readonly Piece[];
  readonly live: readonly Piece[];
  readonly complete: boolean;
  /** It reaches into a live bucket whose beginning the stream did not see, or that is not there any more. */
  readonly partial: boolean;
}

export interface StoredPlan extends Pieces {
  readonly kind: "stored";
  readonly rollup: ServedRollup;
  readonly keys: readonly DimensionKey[];
}

/** No rollup answers; `reason` says why, in words for the person who asked. */
export interface UnstoredPlan {
  readonly kind: "unstored";
  readonly reason: string;
}

/** The rollups that can be read at present. */
export type Servable = Pick<Serving, "dimensions" | "rollups" | "awaited">;

/** More keys than this are not read one by one. */
export const maxKeys = 1_000;

export function planStored(
  served: Servable,
  where: Filter,
  range: Range,
  view: View,
): StoredPlan | UnstoredPlan {
  const slice = sliceOf(served, where);
  if (slice.kind === "unstored") return slice;
  const { rollup, keys } = slice;
  const planned = planPieces(rollup, range, view);
  return "kind" in planned ? planned : { kind: "stored", rollup, keys, ...planned };
}

/** The segments and live items of a rollup's key over a range, as far as there can be events. */
export function planPieces(rollup: ServedRollup, range: Range, view: View): Pieces | UnstoredPlan {
  const extent = extentOf(range, rollup, view);
  const edge = [extent.from, extent.to].find((at) => !isAligned(at, rollup.finest));
  if (edge !== undefined)
    return {
      kind: "unstored",
      reason: `${new Date(edge).toISOString()} is not on an edge of ${rollup.finest}, the finest grain of ${show(rollup)}`,
    };
  const cut = Math.min(Math.max(floorTo(view.coverage.until, rollup.finest), extent.from), extent.to);
  const isLive = rollup.live && view.live !== null;
  if (!isLive && cut < Math.min(extent.to, view.coverage.until))
    return {
      kind: "unstored",
      reason: `the ${rollup.finest} of ${show(rollup)} that begins at ${new Date(cut).toISOString()} is not yet covered to its end`,
    };
  const live = isLive ? cover({ from: cut, to: extent.to }, [rollup.finest]) : [];
  const partial = isLive && cut < extent.to && view.live !== null && isPartial(view.live, rollup, cut);
  return {
    editions: cover({ from: extent.from, to: cut }, rollup.grains.toReversed()),
    live,
    complete: isComplete(range, isLive, view) && !partial,
    partial,
  };
}

function isPartial({ from, sweptUntil }: LiveView, { finest }: ServedRollup, bucket: Instant): boolean {
  if (bucket < from) return true;
  return sweptUntil !== null && periodRange(periodOf(bucket, finest)).to <= sweptUntil;
}

/**
 * The part of a range in which there can be events, its outer edges widened to buckets of the rollup: before the
 * coverage and after the newest bucket there is nothing to cut.
 */
function extentOf(range: Range, rollup: ServedRollup, view: View): Range {
  const start = floorTo(view.coverage.from, rollup.finest);
  const end = endOf(rollup.finest, view);
  const from = range.from <= view.coverage.from ? start : range.from;
  const to = Math.min(range.to, end);
  return { from: Math.min(from, Math.max(to, start)), to: Math.max(to, start) };
}

/** The edge of `grain` behind everything that is covered or has come in live. */
export function endOf(grain: StoredGrain, view: View): Instant {
  const covered = ceilTo(view.coverage.until, grain);
  return view.newest === null ? covered : Math.max(covered, nextBucket(view.newest, grain));
}

function isComplete(range: Range, isLive: boolean, { coverage, live }: View): boolean {
  const end = isLive && live !== null ? Math.max(live.to, coverage.until) : coverage.until;
  return range.from >= coverage.from && range.to <= end;
}

/** Pieces of segments that cover the range exactly, in the largest grains that fit; the range is aligned to the finest. */
function cover(range: Range, largestFirst: readonly StoredGrain[]): Piece[] {
  const [grain, ...finer] = largestFirst;
  if (grain === undefined || range.from >= range.to) return [];
  const from = ceilTo(range.from, grain);
  const to = floorTo(range.to, grain);
  if (from >= to) return cover(range, finer);
  return [
    ...cover({ from: range.from, to: from }, finer),
    ...pieces({ from, to }, grain),
    ...cover({ from: to, to: range.to }, finer),
  ];
}

function pieces(range: Range, grain: StoredGrain): Piece[] {
  const result: Piece[] = [];
  for (let at = range.from; at < range.to; ) {
    const period = periodOf(at, grain);
    const to = Math.min(periodRange(period).to, range.to);
    result.push({ grain, period, first: bucketIndex(at, grain), end: bucketIndex(to - 1, grain) + 1 });
    at = to;
  }
  return result;
}

type Slice = {
  readonly kind: "slice";
  readonly rollup: ServedRollup;
  readonly keys: readonly DimensionKey[];
};

/** The rollup that holds a slice, and the keys of the slice in it. */
export function sliceOf(served: Servable, where: Filter): Slice | UnstoredPlan {
  const pinned = pinnedBy(served, where);
  if ("kind" in pinned) return pinned;
  const rollup = rollupOf(served, [...pinned.values.keys()]);
  if ("kind" in rollup) return rollup;
  const keys = combinations(rollup.dimensions.map((dimension) => pinned.values.get(dimension)!));
  return "kind" in keys ? keys : { kind: "slice", rollup, keys };
}

/** What a filter holds dimensions to, by property. */
interface Pinned {
  readonly values: ReadonlyMap<string, readonly Value[]>;
}

export function pinnedBy(served: Servable, where: Filter): Pinned | UnstoredPlan {
  const values = new Map<string, readonly Value[]>();
  for (const condition of where) {
    const pinned = pinnedValues(served, condition);
    if (pinned === null || values.has(condition.column))
      return { kind: "unstored", reason: `no rollup answers ${condition.op} on ${condition.column}` };
    values.set(condition.column, pinned);
  }
  return { values };
}

/** The rollup of exactly these dimensions, in any order. */
export function rollupOf(served: Servable, dimensions: readonly string[]): ServedRollup | UnstoredPlan {
  const isAsked = (rollup: ServedRollup): boolean =>
    rollup.dimensions.length === dimensions.length &&
    rollup.dimensions.every((dimension) => dimensions.includes(dimension));
  const rollup = served.rollups.find(isAsked);
  if (rollup !== undefined) return rollup;
  const awaited = served.awaited.find(isAsked);
  const reason =
    awaited === undefined
      ? `there is no rollup of [${dimensions.join(", ")}]`
      : `the rollup ${show(awaited)} is not stored before the next refresh`;
  return { kind: "unstored", reason };
}

/** The distinct values a condition pins a dimension to, or null when it is no such condition. */
function pinnedValues({ dimensions }: Servable, condition: Condition): readonly Value[] | null {
  if (!dimensions.some((dimension) => dimension.property === condition.column)) return null;
  if (condition.op === "eq") return [condition.value];
  if (condition.op === "in") return [...new Set(condition.values)];
  return condition.op === "isNull" && condition.value ? [null] : null;
}

/** All combinations, one value of each list. */
export function combinations(lists: readonly (readonly Value[])[]): readonly DimensionKey[] | UnstoredPlan {
  const count = lists.reduce((total, each) => total * each.length, 1);
  if (count > maxKeys)
    return {
      kind: "unstored",
      reason: `${count} keys are more than the ${maxKeys} that are read one by one`,
    };
  return lists.reduce<DimensionKey[]>(
    (keys, values) => keys.flatMap((key) => values.map((value) => [...key, value])),
    [[]],
  );
}

/** The rollups of a product, for messages: `[], [country], [country, city]`. */
export function showRollups(rollups: readonly ServedRollup[]): string {
  return rollups.map(show).join(", ");
}

export function show(rollup: ServedRollup): string {
  return `[${rollup.dimensions.join(", ")}]`;
}

/** Whether a stored answer speaks of what came in live: be it that nothing has, which the live status knows. */
export function reachesLive({ rollup }: StoredPlan, { to }: Range, { coverage, live }: View): boolean {
  return rollup.live && live !== null && to > coverage.until;
}
