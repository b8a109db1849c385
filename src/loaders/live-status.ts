/**
 * How far the micro-batches of each stream have come: read from their checkpoints and live starts at most every
 * `maxAgeMs`, and kept ahead of that by what the broadcast says.
 */
import type { ControlStore } from "../backends/control-store.ts";
import type { LiveUpdate } from "../backends/broadcast.ts";
import {
  type Checkpoint,
  checkpointKey,
  type LiveStart,
  liveStartKey,
  missedUntil,
} from "../model/control.ts";
import { itemId } from "../model/layout.ts";
import type { Product } from "../model/product.ts";
import type { Stream } from "../model/source.ts";
import type { Instant } from "../model/time.ts";
import type { LiveView } from "../sql/plan.ts";

interface StreamStatus {
  readAt: Instant;
  reading: Promise<void>;
  readonly shards: Map<string, Checkpoint>;
  /** Live starts by key, read after the checkpoints. */
  readonly starts: Map<string, Promise<LiveStart | null>>;
}

const defaultMaxAgeMs = 1_000;

export class LiveStatus {
  readonly #control: ControlStore;
  readonly #clock: () => Instant;
  readonly #maxAgeMs: number;
  readonly #streams = new Map<string, StreamStatus>();

  constructor(options: { control: ControlStore; clock: () => Instant; maxAgeMs?: number }) {
    this.#control = options.control;
    this.#clock = options.clock;
    this.#maxAgeMs = options.maxAgeMs ?? defaultMaxAgeMs;
  }

  /** Takes in what a micro-batch has just announced; to be called before subscribers are told. */
  observe(update: LiveUpdate): void {
    const status = this.#status(update.stream);
    const { shard, arrival, newest } = update;
    const known = status.shards.get(shard);
    // something was read of the shard: which sequence number it has come to does not matter here
    const sequence = known?.sequence ?? "";
    this.#advance(status, shard, { ...known, sequence, arrival, newest });
  }

  /** What the broadcast has lost is read from the stores; to be called before subscribers are told. */
  expire(): void {
    for (const status of this.#streams.values()) status.readAt = Number.NEGATIVE_INFINITY;
  }

  /** What has been applied for a product, or null while nothing has. */
  async view(product: Product): Promise<{ live: LiveView; newest: Instant | null } | null> {
    const { stream } = product.source;
    if (stream === null) return null;
    const status = await this.#read(stream);
    // as they are before the start is read: a checkpoint that names a shape is younger than the move of its start
    const shards = [...status.shards.values()];
    const start = await this.#start(status, product);
    if (start === null || shards.every(({ sequence }) => sequence === null)) return null;
    const open = shards.filter(({ ended }) => ended !== true);
    const arrivals = (open.length > 0 ? open : shards).map(({ arrival }) => arrival);
    const newest = shards.flatMap((shard) => shard.newest ?? []);
    return {
      live: {
        from: Math.max(start.from, ...shards.flatMap((shard) => missedUntil(shard, product) ?? [])),
        sweptUntil: start.sweptUntil ?? null,
        to: Math.min(...arrivals) - stream.latenessMs - stream.skewMs,
      },
      newest: newest.length === 0 ? null : Math.max(...newest),
    };
  }

  #start({ starts }: StreamStatus, product: Product): Promise<LiveStart | null> {
    const key = liveStartKey(product);
    const id = itemId(key);
    const known = starts.get(id);
    if (known !== undefined) return known;
    const start = this.#control.get<LiveStart>(key).then((found) => found?.value ?? null);
    starts.set(id, start);
    // asked again next time, unless a newer one is there by then
    start.catch(() => starts.get(id) === start && starts.delete(id));
    return start;
  }

  async #read(stream: Stream): Promise<StreamStatus> {
    const status = this.#status(stream.name);
    if (this.#clock() - status.readAt >= this.#maxAgeMs) {
      status.readAt = this.#clock();
      status.reading = this.#readCheckpoints(stream, status);
      status.reading.catch(() => (status.readAt = Number.NEGATIVE_INFINITY));
    }
    await status.reading;
    return status;
  }

  async #readCheckpoints(stream: Stream, status: StreamStatus): Promise<void> {
    const checkpoints = await this.#control.list<Checkpoint>(checkpointKey(stream, "").pk);
    for (const { sk, value } of checkpoints) this.#advance(status, sk, value);
    status.starts.clear();
  }

  /** Progress never goes back: a checkpoint may have been read before a broadcast that overtook it. */
  #advance(status: StreamStatus, shard: string, seen: Checkpoint): void {
    const known = status.shards.get(shard);
    const newest = [known?.newest, seen.newest].filter((at) => at != null);
    status.shards.set(shard, {
      ...seen,
      sequence: seen.sequence ?? known?.sequence ?? null,
      arrival: Math.max(known?.arrival ?? seen.arrival, seen.arrival),
      newest: newest.length === 0 ? null : Math.max(...newest),
    });
  }

  #status(stream: string): StreamStatus {
    const known = this.#streams.get(stream);
    if (known !== undefined) return known;
    const status = {
      readAt: Number.NEGATIVE_INFINITY,
      reading: Promise.resolve(),
      shards: new Map<string, Checkpoint>(),
      starts: new Map<string, Promise<LiveStart | null>>(),
    };
    this.#streams.set(stream, status);
    return status;
  }
}
