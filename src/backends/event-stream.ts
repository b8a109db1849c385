/** The event stream (Kinesis). Sequence numbers here are sortable ones (`model/sequence.ts`). */
import type { Instant } from "../model/time.ts";

export interface StreamRecord {
  readonly sequence: string;
  readonly arrival: Instant;
  readonly data: Uint8Array;
}

export interface Shard {
  readonly id: string;
  readonly parents: readonly string[];
  readonly closed: boolean;
}

export interface Fetched {
  readonly records: readonly StreamRecord[];
  /** Where to go on; null at the end of a closed shard. */
  readonly next: string | null;
  /** 0 when the end of the shard has been reached. */
  readonly millisBehindLatest: number;
}

export interface PutEntry {
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Aims at one shard, whatever the partition key. */
  readonly shard?: string;
}

export interface EventStream {
  shards(): Promise<readonly Shard[]>;
  /** An iterator after the given sequence number, or from the oldest record. */
  iterator(shard: string, after: string | null): Promise<string>;
  /** "expired" when the iterator has not been used for too long: open another one. */
  fetch(iterator: string, limit?: number): Promise<Fetched | "expired">;
  /**
   * Puts all entries, throttled ones again, and resolves to shard and sequence of each. A rejected put may have stored
   * any of them. At least once where the client repeats unanswered calls; at most once where it makes one attempt.
   */
  put(
    entries: readonly PutEntry[],
  ): Promise<readonly { readonly shard: string; readonly sequence: string }[]>;
}
