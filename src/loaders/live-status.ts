/**
 * How far the micro-batches of each stream have come: read from their checkpoints at most every `maxAgeMs`, and kept
 * ahead of that by what the broadcast says.
 */
import type { ControlStore } from "../backends/control-store.ts";
import type { LiveUpdate } from "../backends/broadcast.ts";
import { type Checkpoint, checkpointKey, type LiveStart, liveStartKey } from "../model/control.ts";
import type { Product } from "../model/product.ts";
import type { Stream } from "../model/source.ts";
import type { Instant } from "../model/time.ts";
import type { LiveView } from "../sql/plan.ts";

type Progress = Pick<Checkpoint, "arrival" | "newest">;

interface StreamStatus {
  readAt: Instant;
  reading: Promise<void>;
  readonly shards: Map<string, Progress>;
}

const defaultMaxAgeMs = 1_000;

export class LiveStatus {
  readonly #control: ControlStore;
  readonly #clock: () => Instant;
  readonly #maxAgeMs: number;
  readonly #streams = new Map<string, StreamStatus>();
  readonly #starts = new Map<string, Instant>();

  constructor(options: { control: ControlStore; clock: () => Instant; maxAgeMs?: number }) {
    this.#control = options.control;
    this.#clock = options.clock;
    this.#maxAgeMs = options.maxAgeMs ?? defaultMaxAgeMs;
  }

  /** Takes in what a micro-batch has just announced; to be called before subscribers are told. */
  observe(update: LiveUpdate): void {
    this.#advance(this.#status(update.stream), update.shard, update);
  }

  /** What has been applied for a product, or null while nothing has. */
  async view(product: Product): Promise<{ live: LiveView; newest: Instant | null } | null> {
    const { stream } = product.source;
    if (stream === null) return null;
    const [from, status] = await Promise.all([this.#start(product), this.#read(stream)]);
    const shards = [...status.shards.values()];
    if (from === null || shards.length === 0) return null;
    const newest = shards.flatMap((shard) => (shard.newest === null ? [] : [shard.newest]));
    return {
      live: {
        from,
        to: Math.min(...shards.map((shard) => shard.arrival)) - stream.latenessMs - stream.skewMs,
      },
      newest: newest.length === 0 ? null : Math.max(...newest),
    };
  }

  async #start(product: Product): Promise<Instant | null> {
    const key = liveStartKey(product);
    const id = `${key.pk}\n${key.sk}`;
    const known = this.#starts.get(id);
    if (known !== undefined) return known;
    const found = await this.#control.get<LiveStart>(key);
    if (found !== null) this.#starts.set(id, found.value.from);
    return found?.value.from ?? null;
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
  }

  /** Progress never goes back: a checkpoint may have been read before a broadcast that overtook it. */
  #advance(status: StreamStatus, shard: string, seen: Progress): void {
    const known = status.shards.get(shard);
    const newest = [known?.newest, seen.newest].filter((at) => at != null);
    status.shards.set(shard, {
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
      shards: new Map<string, Progress>(),
    };
    this.#streams.set(stream, status);
    return status;
  }
}
