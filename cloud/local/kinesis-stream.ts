import { join } from "node:path";
import { notFound } from "./kinesis-errors.ts";
import { ShardLog } from "./kinesis-log.ts";
import { fileSegments, memorySegments } from "./kinesis-segment.ts";
import { sequencePrefix } from "./kinesis-sequence.ts";
import type { Shard, StreamState } from "./kinesis-shards.ts";
import { account, shardId } from "./kinesis-shards.ts";
import { WriteAllowance } from "./kinesis-throttle.ts";

export interface StreamOptions {
  /** Where streams keep their shards; undefined for memory. */
  readonly folder: string | undefined;
  readonly segmentBytes: number;
  readonly throttle: boolean;
  readonly now: () => number;
}

/** A stream that is there: its state, the logs of its shards, and what they have taken in this second. */
export class Stream {
  readonly #options: StreamOptions;
  readonly #logs = new Map<number, Promise<ShardLog>>();
  readonly #writable = new Map<number, ShardLog>();
  readonly #allowances = new Map<number, WriteAllowance>();
  #state: StreamState;
  #open: readonly Shard[] = [];
  #deleted = false;

  constructor(state: StreamState, options: StreamOptions) {
    this.#options = options;
    this.#state = state;
    this.#open = openInOrder(state);
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Shards that take records, by hash key. */
  get openShards(): readonly Shard[] {
    return this.#open;
  }

  /** The log of a shard, opened when first asked for. */
  log(shard: Shard): Promise<ShardLog> {
    const known = this.#logs.get(shard.index);
    if (known !== undefined) return known;
    const opening = this.#openLog(shard);
    this.#logs.set(shard.index, opening);
    opening.catch(() => this.#logs.delete(shard.index));
    return opening;
  }

  /** Opens what records may go to; `shardFor` and `writableLog` need it. Rejects where the stream was deleted. */
  async makeWritable(): Promise<void> {
    let missing = this.#missingLogs();
    while (missing.length > 0) {
      await Promise.all(missing.map(async (shard) => this.#writable.set(shard.index, await this.log(shard))));
      missing = this.#missingLogs();
    }
    if (this.#deleted) throw notFound(`Stream ${this.#state.name} under account ${account} not found.`);
  }

  /** The open shard whose range holds a hash key of 32 hex digits. */
  shardFor(hash: string): Shard {
    let [low, high] = [0, this.#open.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#open[middle] as Shard).to < hash) low = middle + 1;
      else high = middle;
    }
    return this.#open[low] as Shard;
  }

  writableLog(shard: Shard): ShardLog {
    const log = this.#writable.get(shard.index);
    if (log === undefined)
      throw new Error(`${shardId(shard.index)} must be made writable before it is written`);
    return log;
  }

  /** Whether a shard takes one more record of this many bytes now; always, unless the server throttles. */
  admits(shard: Shard, bytes: number): boolean {
    if (!this.#options.throttle) return true;
    const now = this.#options.now();
    const allowance = this.#allowances.get(shard.index) ?? new WriteAllowance(now);
    this.#allowances.set(shard.index, allowance);
    return allowance.take(bytes, now);
  }

  /** Takes over a state that the catalogue has kept; from here on records go to its open shards. */
  become(state: StreamState): void {
    this.#state = state;
    this.#open = openInOrder(state);
  }

  /** Waits for what is being written and lets go of the files. */
  async close(): Promise<void> {
    this.#deleted = true;
    await Promise.allSettled([...this.#logs.values()].map(async (log) => (await log).close()));
  }

  #missingLogs(): Shard[] {
    return this.#open.filter((shard) => !this.#writable.has(shard.index));
  }

  #openLog(shard: Shard): Promise<ShardLog> {
    const { folder, segmentBytes, now } = this.#options;
    const store = folder === undefined ? memorySegments() : fileSegments(join(folder, shardId(shard.index)));
    return ShardLog.open(store, {
      prefix: sequencePrefix(shard.created, shard.index),
      segmentBytes,
      trimHorizon: () => now() - this.#state.retentionHours * 3_600_000,
    });
  }
}

function openInOrder(state: StreamState): readonly Shard[] {
  const open = state.shards.filter((shard) => shard.closed === undefined);
  return open.sort((a, b) => (a.from < b.from ? -1 : 1));
}
