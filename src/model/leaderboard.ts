/**
 * Leaderboards: per bucket of a rollup the keys that lead by any stored measure, or all keys where there are no more
 * than asked for. A board names keys and no numbers: those stand in the keys' own segments, so that a ranking shows the
 * same numbers as every other answer. One item holds the boards of a whole period.
 */
import type { DimensionKey } from "./layout.ts";
import type { Rollup, Top } from "./product.ts";

export interface Leaderboard {
  /** Bit i: the board of bucket i holds every key that has events in it. */
  readonly complete: number;
  /** Values of the rollup's other dimensions than `within`, in the rollup's order. */
  readonly keys: readonly DimensionKey[];
  /** By position in `keys`; bit i: the key is on the board of bucket i. A period has at most 31 buckets. */
  readonly buckets: readonly number[];
}

/** `[complete,[["LAX"],["JFK"]],[3,1]]`: as a segment, readable in the console. */
export function packLeaderboard({ complete, keys, buckets }: Leaderboard): string {
  return JSON.stringify([complete, keys, buckets]);
}

export function unpackLeaderboard(packed: string): Leaderboard {
  const [complete, keys, buckets] = JSON.parse(packed) as [number, DimensionKey[], number[]];
  return { complete, keys, buckets };
}

/** The positions in the rollup's dimensions that a board is within, and those it ranks. */
export function boardDimensions(
  dimensions: Rollup["dimensions"],
  { within }: Pick<Top, "within">,
): { readonly within: readonly number[]; readonly ranked: readonly number[] } {
  const positions = dimensions.map((_, position) => position);
  return {
    within: positions.filter((position) => within.includes(dimensions[position]!)),
    ranked: positions.filter((position) => !within.includes(dimensions[position]!)),
  };
}
