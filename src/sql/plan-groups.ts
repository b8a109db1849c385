/**
 * Where the groups of a question come from. The rollup over what the question pins and groups by holds them when their
 * keys can be known: all pinned, named by leaderboards, or listed among the live items. Everything else is left to
 * Athena.
 */
import type { Condition, Filter } from "../model/filter.ts";
import type { DimensionKey } from "../model/layout.ts";
import { boardDimensions, type Leaderboard } from "../model/leaderboard.ts";
import type { ServedRollup } from "../model/serving.ts";
import type { Range } from "../model/time.ts";
import { compareValues, type Value } from "../model/values.ts";
import {
  combinations,
  type Piece,
  type Pieces,
  pinnedBy,
  planPieces,
  rollupOf,
  type Servable,
  show,
  type UnstoredPlan,
  type View,
} from "./plan.ts";

export interface GroupsPlan extends Pieces {
  readonly kind: "groups";
  readonly rollup: ServedRollup;
  /** What is grouped by, in the order asked. */
  readonly grouped: readonly string[];
  /** What the question holds each dimension of the rollup to; null where it does not. */
  readonly pinned: readonly (readonly Value[] | null)[];
  readonly keys: GroupKeys;
}

export type GroupKeys =
  | { readonly kind: "pinned"; readonly keys: readonly DimensionKey[] }
  /** Leaderboards within each of these name them. */
  | { readonly kind: "boards"; readonly withins: readonly DimensionKey[] }
  /** There are live items only, which name themselves. */
  | { readonly kind: "live" };

export function planGroups(
  served: Servable,
  where: Filter,
  grouped: readonly string[],
  range: Range,
  view: View,
): GroupsPlan | UnstoredPlan {
  const held = pinnedBy(served, where);
  if ("kind" in held) return held;
  const rollup = rollupOf(served, [...new Set([...held.values.keys(), ...grouped])]);
  if ("kind" in rollup) return rollup;
  const pieces = planPieces(rollup, range, view);
  if ("kind" in pieces) return pieces;
  const pinned = rollup.dimensions.map((dimension) => held.values.get(dimension) ?? null);
  const keys = keysOf(rollup, pinned, pieces);
  if (keys.kind === "unstored") return keys;
  return { kind: "groups", rollup, grouped, pinned, keys, ...pieces };
}

function keysOf(
  rollup: ServedRollup,
  pinned: GroupsPlan["pinned"],
  { editions }: Pieces,
): GroupKeys | UnstoredPlan {
  if (pinned.every((values) => values !== null)) {
    const keys = combinations(pinned);
    return "kind" in keys ? keys : { kind: "pinned", keys };
  }
  if (editions.length === 0) return { kind: "live" };
  if (rollup.top === null)
    return { kind: "unstored", reason: `no leaderboard names the keys of ${show(rollup)}` };
  const within = boardDimensions(rollup.dimensions, rollup.top).within.map((position) => pinned[position]!);
  if (within.some((values) => values === null))
    return {
      kind: "unstored",
      reason: `the leaderboards of ${show(rollup)} are within [${rollup.top.within.join(", ")}], which the question does not hold to values`,
    };
  const withins = combinations(within);
  return "kind" in withins ? withins : { kind: "boards", withins };
}

/** Whether the question's conditions let a key of the rollup through. */
export function isAsked({ pinned }: Pick<GroupsPlan, "pinned">, key: DimensionKey): boolean {
  return pinned.every((values, i) => values === null || values.includes(key[i]!));
}

/** The values of a rollup's key in what is grouped by, in the order asked. */
export function groupOf({ rollup, grouped }: GroupsPlan, key: DimensionKey): readonly Value[] {
  return grouped.map((dimension) => key[rollup.dimensions.indexOf(dimension)]!);
}

/** The question's conditions on what is not grouped by: a group's own values stand for the others. */
export function ungrouped(where: Filter, grouped: readonly string[]): Filter {
  return where.filter(({ column }: Condition) => !grouped.includes(column));
}

/** The keys that a board names in these buckets, as keys of the rollup. */
export function namedKeys(
  rollup: ServedRollup & { readonly top: NonNullable<ServedRollup["top"]> },
  within: DimensionKey,
  board: Leaderboard,
  piece: Piece,
): DimensionKey[] {
  const places = boardDimensions(rollup.dimensions, rollup.top);
  const bits = bitsOf(piece);
  return board.keys.flatMap((named, i) => {
    if ((board.buckets[i]! & bits) === 0) return [];
    const key: Value[] = [];
    places.within.forEach((position, at) => (key[position] = within[at]!));
    places.ranked.forEach((position, at) => (key[position] = named[at]!));
    return [key];
  });
}

/** Whether a board names all keys with events in these buckets. One without any has no key on its board. */
export function isWhole(board: Leaderboard, piece: Piece): boolean {
  const named = board.buckets.reduce((bits, each) => bits | each, 0);
  return (bitsOf(piece) & named & ~board.complete) === 0;
}

/** Bit i: bucket i is one of the piece. */
function bitsOf({ first, end }: Piece): number {
  let bits = 0;
  for (let index = first; index < end; index++) bits |= 1 << index;
  return bits;
}

export type Direction = "ASC" | "DESC";

/** A group with the measure that it is ordered by; null, too, where it is ordered by its values only. */
export interface Ranked {
  readonly group: readonly Value[];
  readonly value: number | null;
}

/** By the measure, null last in both directions; ties by the group's values, by code point, null last. */
export function byRank(direction: Direction): (a: Ranked, b: Ranked) => number {
  const sign = direction === "ASC" ? 1 : -1;
  return (a, b) => {
    if (a.value !== b.value) {
      if (a.value === null || b.value === null) return a.value === null ? 1 : -1;
      return sign * (a.value - b.value);
    }
    for (const [i, value] of a.group.entries()) {
      const order = compareValues(value, b.group[i]!);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/**
 * How many of the first groups are known to be the first when leaderboards name some keys only: `n`, where a single
 * bucket is ordered by a stored measure, largest first. A board breaks ties at its end in the order of the rollup's
 * dimensions; where another is asked, only what is better than the last one counts.
 */
export function knownLead(
  plan: GroupsPlan,
  ranked: readonly Ranked[],
  direction: Direction | null,
): { readonly lead: number } | UnstoredPlan {
  const { rollup, grouped, pinned, editions, live, keys } = plan;
  const unstored = (reason: string): UnstoredPlan => ({
    kind: "unstored",
    reason: `the leaderboards of ${show(rollup)} do not hold all keys, and ${reason}`,
  });
  const [only] = editions;
  const n = rollup.top?.n ?? null;
  if (only === undefined || editions.length > 1 || only.end - only.first > 1 || live.length > 0)
    return unstored("the range is more than one stored bucket");
  if (direction !== "DESC") return unstored("leaders are asked for in no order of theirs");
  if (n === null) return unstored("are those of another declaration");
  if (keys.kind !== "boards" || !isKeyed(plan)) return unstored("a group is more than one key");
  const { ranked: places } = boardDimensions(rollup.dimensions, rollup.top!);
  if (places.some((position) => pinned[position] !== null))
    return unstored("some of its leaders are left out");
  const inOrder = rollup.dimensions.filter((dimension) => grouped.includes(dimension));
  if (inOrder.every((dimension, i) => dimension === grouped[i])) return { lead: n };
  const last = ranked[n - 1]?.value ?? null;
  return {
    lead: ranked.slice(0, n).filter(({ value }) => value !== null && (last === null || value > last)).length,
  };
}

/** Each group is one key: what is not grouped by is held to one value. */
function isKeyed({ rollup, grouped, pinned }: GroupsPlan): boolean {
  return rollup.dimensions.every((dimension, i) => grouped.includes(dimension) || pinned[i]?.length === 1);
}
