/** Reads the gold zone's Parquet (`model/gold.ts` has its columns) and assembles segments and leaderboards of it. */
import type { GoldKeyColumns } from "../model/gold.ts";
import type { DimensionKey } from "../model/layout.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Instant, StoredGrain } from "../model/time.ts";

/** One segment's content, packed as `packBuckets` packs. */
export interface AssembledSegment {
  readonly key: DimensionKey;
  readonly period: string;
  readonly packed: string;
}

/** The boards of one period, packed as `packLeaderboard` packs. */
export interface AssembledLeaderboard {
  /** Values of the dimensions that the boards are within, in the rollup's order. */
  readonly within: DimensionKey;
  readonly period: string;
  readonly packed: string;
}

/** Some of each, as they come. */
export interface Assembled {
  readonly segments: readonly AssembledSegment[];
  readonly leaderboards: readonly AssembledLeaderboard[];
}

/** What one gold object says about one rollup. */
export interface GoldTotal {
  /** The object's key in the lake. */
  readonly object: string;
  /** The rollup's name, or `sourceRollup`. */
  readonly rollup: string;
  /** Events: the sum of the first component. */
  readonly events: number;
  /** The oldest and the newest bucket, in the rollup's finest grain; null for `sourceRollup`. */
  readonly first: Instant | null;
  readonly last: Instant | null;
}

export interface GoldReader {
  /** Opens the gold below folders of the lake (each ends with "/") for assembling; `close` frees what it took. */
  open(product: Product, folders: readonly string[]): Promise<Gold>;
}

export interface Gold {
  /**
   * The segments of a rollup and grain whose period is one of `periods` (all days, all months or all years), merged from
   * the rollup's finest grain, and their leaderboards where the rollup has a `top`.
   * Rejects `REFRESH` for a value that JSON numbers cannot carry: an integer beyond 2^53, NaN, an infinity.
   */
  assemble(rollup: Rollup, grain: StoredGrain, periods: readonly string[]): AsyncIterable<Assembled>;
  /** Per object and rollup how many events are in it, and when. */
  totals(): Promise<readonly GoldTotal[]>;
  /** The distinct keys of a rollup with events in each of the periods, whatever shape the gold is of. */
  keys(
    rollup: string,
    columns: GoldKeyColumns,
    periods: readonly string[],
  ): AsyncIterable<{ readonly key: DimensionKey; readonly period: string }>;
  close(): Promise<void>;
}
