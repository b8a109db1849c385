/** Reads the gold zone's Parquet (`model/gold.ts` has its columns) and assembles segments and leaderboards of it. */
import type { BucketExpectation } from "../model/expectation.ts";
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
  /**
   * Per component the sum, minimum or maximum over all buckets: integers as bigint, since they may pass 2^53 here; null
   * of nothing.
   */
  readonly values: readonly (bigint | number | null)[];
  /** Per component the sum of the buckets' absolute values, where it is a sum of doubles: what rounding is measured by. */
  readonly magnitudes: readonly number[];
  /** The oldest and the newest bucket, in the rollup's finest grain; null for `sourceRollup`. */
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** `representable`: every component is a number that JSON carries (finite, integers up to 2^53), and no sum is null. */
export type GoldRule = BucketExpectation | { readonly kind: "representable" };

/** The buckets of one rollup that break a rule. */
export interface Violation {
  readonly rule: GoldRule;
  readonly rollup: Rollup;
  readonly buckets: number;
  /** The first few of them, by time. */
  readonly examples: readonly BrokenBucket[];
}

export interface BrokenBucket {
  readonly bucket: Instant;
  readonly key: DimensionKey;
  /** What the rule looks at, by the name that the rule gives it. */
  readonly values: Readonly<Record<string, string | number | null>>;
}

export interface GoldReader {
  /** Opens the gold below folders of the lake (each ends with "/") for assembling; `close` frees what it took. */
  open(product: Product, folders: readonly string[]): Promise<Gold>;
  /** Removes what it keeps on the disk between openings. */
  close(): Promise<void>;
}

export interface Gold {
  /**
   * The segments of a rollup and grain whose period is one of `periods` (all days, all months or all years), merged from
   * the rollup's finest grain, and their leaderboards where the rollup has a `top`.
   * Rejects `REFRESH` for a value that JSON numbers cannot carry: an integer beyond 2^53, NaN, an infinity.
   */
  assemble(rollup: Rollup, grain: StoredGrain, periods: readonly string[]): AsyncIterable<Assembled>;
  /** Per object and rollup what is in it, and when. Rejects `REFRESH` for gold that lacks columns or has them of other types. */
  totals(): Promise<readonly GoldTotal[]>;
  /**
   * The buckets of the rollups that break a rule. Expectations look at buckets that end at or before `until`: others are
   * still being filled. Where a bucket spans partitions, all of them must have been opened. Rejects `REFRESH` when an
   * `sql` expectation cannot be evaluated.
   */
  violations(
    rules: readonly GoldRule[],
    rollups: readonly Rollup[],
    until: Instant,
  ): Promise<readonly Violation[]>;
  /** The distinct keys of a rollup with events in each of the periods, whatever shape the gold is of. */
  keys(
    rollup: string,
    columns: GoldKeyColumns,
    periods: readonly string[],
  ): AsyncIterable<{ readonly key: DimensionKey; readonly period: string }>;
  close(): Promise<void>;
}
