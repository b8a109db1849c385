/** Segments and live items: what questions are answered from. */
import type { ItemKey } from "../model/layout.ts";

/** A stored segment, its buckets as `packBuckets` made them; or a leaderboard, as `packLeaderboard` did. */
export interface SegmentItem extends ItemKey {
  readonly packed: string;
}

/** A live item: the folded state of one key and period, with one watermark per shard. */
export interface LiveItem extends ItemKey {
  /** Never used twice for a key, also when it is swept and made again: readers drop what they have seen. */
  readonly version: number;
  /** Per shard the sortable sequence number of the last event in the item's numbers. */
  readonly watermarks: Readonly<Record<string, string>>;
  readonly packed: string;
}

/** `writeUnits`: what DynamoDB charges for the write; a failed condition is charged too. */
export type LiveWrite =
  | { readonly applied: true; readonly writeUnits: number }
  | { readonly applied: false; readonly writeUnits: number; readonly current: LiveItem | null };

export interface InsightStore {
  /**
   * The packed buckets of segments and the live items asked for, by `itemId`. A key that does not exist is absent.
   * Reads 100 keys a call, consistently. Rejects `BACKEND_UNAVAILABLE` after bounded retries.
   */
  read(segments: readonly ItemKey[], live: readonly ItemKey[]): Promise<InsightRead>;
  /**
   * Writes segments in batches of any size, 25 a call, as many calls at once as the table takes; unprocessed ones again
   * until all are stored. Resolves to the number written. Idempotent: a segment is immutable.
   */
  writeSegments(
    items: AsyncIterable<readonly SegmentItem[]> | Iterable<readonly SegmentItem[]>,
    progress?: (written: number) => void,
  ): Promise<number>;
  /** Removes segments, 25 a call. Resolves to the number of keys. Idempotent: one that is gone stays gone. */
  removeSegments(keys: AsyncIterable<ItemKey> | Iterable<ItemKey>): Promise<number>;
  /**
   * Writes a live item if the stored one still has `expected` as its version (null: does not exist). Otherwise nothing
   * is written and the stored item is returned.
   */
  writeLive(item: LiveItem, expected: number | null): Promise<LiveWrite>;
  /** All live items of one partition key: the keys of one rollup and period. */
  listLive(partition: string): AsyncIterable<LiveItem>;
  /** Removes live items, whatever their version, 25 a call. Resolves to the number of keys. Idempotent. */
  removeLive(keys: AsyncIterable<ItemKey> | Iterable<ItemKey>): Promise<number>;
}

export interface InsightRead {
  readonly segments: ReadonlyMap<string, string>;
  readonly live: ReadonlyMap<string, LiveItem>;
}
