/** Reads the gold zone's Parquet and assembles segments of it. */
import type { DimensionKey } from "../model/layout.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Instant, StoredGrain } from "../model/time.ts";

/** One segment's content, packed as `packBuckets` packs. */
export interface AssembledSegment {
  readonly key: DimensionKey;
  readonly period: string;
  readonly packed: string;
}

/**
 * Gold rows are: `rollup` (its name), `bucket` (timestamp, the rollup's finest grain), one column per dimension of the
 * product (by property; null where the rollup lacks it), `c0` … `cN` (the product's components) and the lake's
 * partition column.
 */
export interface GoldReader {
  /** Opens gold objects (keys in the lake) for assembling; `close` frees what it took. */
  open(product: Product, objects: readonly string[]): Promise<Gold>;
}

export interface Gold {
  /** The segments of a rollup and grain whose period is one of `periods`, merged from the rollup's finest grain. */
  segments(rollup: Rollup, grain: StoredGrain, periods: readonly string[]): AsyncIterable<AssembledSegment>;
  /** Events and the newest bucket at the product's finest grain, over the given objects. */
  summary(objects: readonly string[]): Promise<{ readonly rows: number; readonly newest: Instant | null }>;
  close(): Promise<void>;
}
