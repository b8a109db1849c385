/** Which keys of a rollup have events in a range: named by leaderboards and live items, where the plan pins them not. */
import {
  type DimensionKey,
  leaderboardKey,
  liveKey,
  livePartition,
  segmentKey,
  unpackColumns,
} from "../model/layout.ts";
import type { Product } from "../model/product.ts";
import type { ServedRollup } from "../model/serving.ts";
import { type GroupsPlan, isAsked, isWhole, namedKeys } from "../sql/plan-groups.ts";
import { type Piece, show, type UnstoredPlan } from "../sql/plan.ts";
import type { Snapshot } from "./manifests.ts";
import type { SegmentPart } from "./segment-parts.ts";
import type { Workings } from "./workings.ts";

export interface KnownKeys {
  readonly kind: "known";
  readonly keys: readonly DimensionKey[];
  /** False: they are those that lead only. */
  readonly whole: boolean;
  /** Each has events in the range. */
  readonly exact: boolean;
}

export async function knownKeys(
  workings: Workings,
  product: Product,
  snapshot: Snapshot,
  plan: GroupsPlan,
): Promise<KnownKeys | UnstoredPlan> {
  if (plan.keys.kind === "pinned") return { kind: "known", keys: plan.keys.keys, whole: true, exact: false };
  const stored = await boardKeys(workings, product, snapshot, plan);
  if ("kind" in stored) return stored;
  const live = await liveKeys(workings, product, plan);
  if ("kind" in live) return live;
  const named = new Map([...stored.keys, ...live.keys].map((key) => [JSON.stringify(key), key]));
  const keys = [...named.values()].filter((key) => isAsked(plan, key));
  forgo(workings, product, plan, keys);
  return {
    kind: "known",
    keys,
    whole: stored.whole,
    exact: true,
  };
}

interface Found {
  readonly keys: readonly DimensionKey[];
  readonly whole: boolean;
}

async function boardKeys(
  workings: Workings,
  product: Product,
  snapshot: Snapshot,
  { rollup, editions, keys }: GroupsPlan,
): Promise<Found | UnstoredPlan> {
  if (keys.kind !== "boards" || !isRanked(rollup)) return { keys: [], whole: true };
  // a period without events has none
  const parts = await snapshot.segments(rollup, editions);
  const wanted = parts.flatMap((part) => keys.withins.map((within) => ({ part, within })));
  if (!workings.reads.covers(wanted.length)) return tooMany(`${wanted.length} leaderboards`);
  workings.reads.take(wanted.length);
  const stored = { name: product.name, shape: snapshot.serving.shape };
  const boards = await Promise.all(
    wanted.map(({ part: { grain, period, edition }, within }) =>
      workings.leaderboards.load(
        leaderboardKey(workings.scope, stored, rollup, grain, within, period, edition),
      ),
    ),
  );
  const missing = wanted.filter((_, i) => boards[i] === null);
  const empty = await Promise.all(
    missing.map(({ part, within }) => isEmpty(workings, product, snapshot, rollup, part, within)),
  );
  if (!empty.every(Boolean))
    return { kind: "unstored", reason: `a leaderboard of ${show(rollup)} has outgrown its item` };
  const found = wanted.flatMap(({ part, within }, i) =>
    boards[i] ? [{ part, within, board: boards[i] }] : [],
  );
  return {
    keys: found.flatMap(({ part, within, board }) => namedKeys(rollup, within, board, part)),
    whole: found.every(({ part, board }) => isWhole(board, part)),
  };
}

type RankedRollup = ServedRollup & { readonly top: NonNullable<ServedRollup["top"]> };

function isRanked(rollup: ServedRollup): rollup is RankedRollup {
  return rollup.top !== null;
}

/**
 * There is no board where nothing has happened, nor where it would not fit an item: what is stored of the slice as a
 * whole tells the two apart.
 */
async function isEmpty(
  { scope, reads, segments }: Workings,
  product: Product,
  snapshot: Snapshot,
  { top }: RankedRollup,
  part: SegmentPart,
  within: DimensionKey,
): Promise<boolean> {
  const { grain, first, end } = part;
  const { serving } = snapshot;
  const slice = serving.rollups.find(
    ({ dimensions, grains }) =>
      grains.includes(grain) &&
      dimensions.length === top.within.length &&
      dimensions.every((dimension) => top.within.includes(dimension)),
  );
  if (slice === undefined) return false;
  const key = slice.dimensions.map((dimension) => within[top.within.indexOf(dimension)]!);
  const parts = await snapshot.segments(slice, [wholePeriod(part)]);
  if (!reads.covers(parts.length)) return false;
  reads.take(parts.length);
  const stored = { name: product.name, shape: serving.shape };
  const found = await Promise.all(
    parts.map(({ period, edition }) =>
      segments.load({ live: false, key: segmentKey(scope, stored, slice, grain, key, period, edition) }),
    ),
  );
  return found.every((columns) => !(columns?.[0] ?? []).some((index) => index! >= first && index! < end));
}

/** The piece of a part: a day that stands beside its month is one of the month's buckets. */
function wholePeriod({ grain, period, first, end }: SegmentPart): Piece {
  return { grain, first, end, period: grain === "DAY" ? period.slice(0, 7) : period };
}

/** The live items that are not among those just listed are not there: they need not be read. */
function forgo(
  { scope, segments }: Workings,
  product: Product,
  { rollup, live }: GroupsPlan,
  keys: readonly DimensionKey[],
): void {
  for (const { period } of live)
    for (const key of keys)
      segments.prime({ live: true, key: liveKey(scope, product, rollup, key, period) }, null);
}

/** Live items name their keys; what is listed here need not be read again. */
async function liveKeys(
  workings: Workings,
  product: Product,
  { rollup, live }: GroupsPlan,
): Promise<Found | UnstoredPlan> {
  const keys: DimensionKey[] = [];
  for (const { period, first, end } of live) {
    const items = await workings.liveItems(livePartition(product, rollup, period));
    if (items === null || !workings.reads.covers(items.length))
      return tooMany(`the live items of ${show(rollup)} in ${period}`);
    workings.reads.take(items.length);
    for (const { pk, sk, packed } of items) {
      const columns = unpackColumns(packed);
      workings.segments.prime({ live: true, key: { pk, sk } }, columns);
      if (!(columns[0] ?? []).some((index) => index! >= first && index! < end)) continue;
      if (!sk.startsWith("["))
        return { kind: "unstored", reason: `a live key of ${show(rollup)} is too long to be listed` };
      keys.push(JSON.parse(sk) as DimensionKey);
    }
  }
  return { keys, whole: true };
}

export function tooMany(what: string): UnstoredPlan {
  return { kind: "unstored", reason: `${what} are more than what a request may still read` };
}
