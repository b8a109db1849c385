/**
 * The live items that subscriptions follow, in memory: read once, then kept as the broadcast tells of them, present or
 * absent. So a subscription costs the store nothing per update, however many follow.
 *
 * Delivery guarantee: an item is never older here than when it was last read or told of; of two versions the newer
 * stays. When updates may have been missed, everything is read again, and now and then anyway.
 */
import { LRUCache } from "lru-cache";
import type { Broadcasted, LiveChange } from "../backends/broadcast.ts";
import type { InsightRead, InsightStore, LiveItem } from "../backends/insight-store.ts";
import { type ItemKey, itemId } from "../model/layout.ts";
import type { Instant } from "../model/time.ts";

export interface HeldItemsOptions {
  readonly insights: InsightStore;
  readonly clock: () => Instant;
  /** Packed bytes that are held. */
  readonly maxBytes?: number;
  /** How long an item is believed: for what a broadcast may lose without knowing. */
  readonly maxAgeMs?: number;
}

const defaultMaxBytes = 64 * 1024 * 1024;
const defaultMaxAgeMs = 60_000;
const none = -1; // the version of an item that does not exist

interface Held {
  readonly key: ItemKey;
  readonly version: number;
  readonly packed: string;
  /** When it is read again; 0 while its first reading is under way. */
  readonly until: Instant;
}

export class HeldItems {
  readonly #options: HeldItemsOptions;
  readonly #items: LRUCache<string, Held>;
  /** Shard -> the last record told of. */
  readonly #told = new Map<string, string>();

  constructor(options: HeldItemsOptions) {
    this.#options = options;
    this.#items = new LRUCache({
      maxSize: options.maxBytes ?? defaultMaxBytes,
      sizeCalculation: ({ packed }) => 512 + packed.length,
    });
  }

  /** Takes in what the broadcast tells; to be called before subscribers are told. */
  observe(message: Broadcasted): void {
    if (message.kind === "published") return;
    if (message.kind === "gap") return this.#items.clear();
    const shard = `${message.stream}\n${message.shard}`;
    const told = this.#told.get(shard);
    // what came before the first one told of may have been lost, too
    if (message.after !== null && message.after > (told ?? "")) this.#items.clear();
    if (told === undefined || message.through > told) this.#told.set(shard, message.through);
    for (const change of message.items) this.#change(change);
  }

  /** The store, for sessions that may take live items from memory. */
  store(): InsightStore {
    return { ...this.#options.insights, read: (segments, live) => this.#read(segments, live) };
  }

  /** Only what is asked for is held. */
  #change({ key, version, packed }: LiveChange): void {
    const id = itemId(key);
    const held = this.#items.get(id);
    if (held !== undefined && version > held.version) this.#items.set(id, { ...held, version, packed });
  }

  async #read(segments: readonly ItemKey[], live: readonly ItemKey[]): Promise<InsightRead> {
    const now = this.#options.clock();
    const unknown = live.filter((key) => (this.#items.get(itemId(key))?.until ?? 0) <= now);
    const read =
      segments.length + unknown.length > 0
        ? await this.#readStore(segments, unknown)
        : { segments: new Map<string, string>(), live: new Map<string, LiveItem>() };
    const found = new Map(read.live);
    for (const key of live) {
      const held = this.#items.get(itemId(key));
      const known = found.get(itemId(key));
      if (held === undefined || held.version <= (known?.version ?? none)) continue;
      found.set(itemId(key), { ...key, version: held.version, watermarks: {}, packed: held.packed });
    }
    return { segments: read.segments, live: found };
  }

  /** What is told of an item while it is being read is not missed: it is held from before on. */
  async #readStore(segments: readonly ItemKey[], live: readonly ItemKey[]): Promise<InsightRead> {
    const { insights, clock, maxAgeMs = defaultMaxAgeMs } = this.#options;
    for (const key of live) {
      const id = itemId(key);
      if (!this.#items.has(id)) this.#items.set(id, { key, version: none, packed: "", until: 0 });
    }
    const read = await insights.read(segments, live);
    const until = clock() + maxAgeMs;
    for (const key of live) {
      const id = itemId(key);
      const held = this.#items.get(id);
      // cleared meanwhile: what was read may be from before the gap
      if (held === undefined) continue;
      const item = read.live.get(id);
      const newer = item !== undefined && item.version > held.version;
      this.#items.set(
        id,
        newer ? { key, version: item.version, packed: item.packed, until } : { ...held, until },
      );
    }
    return read;
  }
}
