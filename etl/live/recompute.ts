/**
 * Live items computed anew from the archive and the stream, in memory: states per item, not events.
 *
 * Delivery guarantee: at all times an item holds exactly the events of each shard up to one sequence number, the same
 * for all items: `through`.
 */
import type { ArchiveReader } from "../../src/backends/archive-reader.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import type { State } from "../../src/model/fold.ts";
import { type ItemKey, itemId } from "../../src/model/layout.ts";
import type { Source } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import type { ArchivedFile, ArchivedShard } from "./archived.ts";
import { inParallel } from "./effects.ts";
import type { Enricher } from "./enrich.ts";
import { groupByItem, type ItemEvents, type LiveTarget, positionsOf } from "./fold.ts";
import { withoutBuried, type BuriedOptions } from "./buried.ts";
import { recordsAfter } from "./tail.ts";
import { decodeRecords, type DecodedEvent } from "./wire.ts";

/** A live rollup, its items counted anew from the start of a period on. */
export interface RebuiltTarget extends LiveTarget {
  readonly from: Instant;
}

export type Buckets = Map<number, State>;

export interface RecomputedItem {
  readonly target: LiveTarget;
  readonly key: ItemKey;
  /** Of all events that were read. */
  readonly all: Buckets;
  /** Of those that the stored item should hold by its own watermarks, where that is less. */
  held: Buckets | null;
  /** The shards that its events are of. */
  readonly shards: Set<string>;
}

export interface RecomputeOptions extends BuriedOptions {
  readonly source: Source;
  readonly targets: readonly RebuiltTarget[];
  readonly archive: ArchiveReader;
  readonly events: EventStream;
  readonly enricher: Enricher;
}

const filesAtATime = 64;
const parallelShards = 4;
const tailTries = 5; // how often the end of a shard is read for a record that must be there
const tailPollMs = 250;

export class Recompute {
  readonly #options: RecomputeOptions;
  readonly items = new Map<string, RecomputedItem>();
  /** Per shard the sequence number up to which everything is in the items. */
  readonly through = new Map<string, string>();
  /** The items as they were found, by id. */
  readonly stored = new Map<string, LiveItem>();
  events = 0;
  #inStream: ReadonlySet<string> = new Set();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(options: RecomputeOptions) {
    this.#options = options;
  }

  /** Adds what is archived of the rollups' periods. To be called once, before anything else. */
  async addArchived(shards: readonly ArchivedShard[], progress: (files: number) => void): Promise<void> {
    const { source, archive, enricher, effects } = this.#options;
    for (const { shard, through, files } of shards) {
      for (const some of chunks(files.filter((file) => this.#isWanted(file)))) {
        for await (const events of archive.read(
          source,
          some.map(({ object }) => object),
        )) {
          effects.signal.throwIfAborted();
          this.#add(shard, await enricher.enrich(events.map(archived)));
        }
        progress(some.length);
      }
      this.through.set(shard, through);
    }
  }

  #isWanted({ partition }: ArchivedFile): boolean {
    return this.#options.targets.some(({ from }) => partition.to > from);
  }

  filesWanted(shards: readonly ArchivedShard[]): number {
    return shards.reduce((sum, { files }) => sum + files.filter((file) => this.#isWanted(file)).length, 0);
  }

  /** Takes note of an item as it is stored. To be called between what is archived and what is in the stream. */
  meet(target: LiveTarget, stored: LiveItem): void {
    this.stored.set(itemId(stored), stored);
    this.#item(target, stored);
  }

  /** Adds what the shards hold behind that, up to their ends. Shards that are gone from the stream are in the archive. */
  async addStream(progress: (shards: number, of: number) => void): Promise<void> {
    const shards = await this.#listShards();
    await inParallel([...shards], parallelShards, async (shard) => {
      await this.#addTail(shard);
      progress(1, shards.size);
    });
  }

  async #listShards(): Promise<ReadonlySet<string>> {
    this.#inStream = new Set((await this.#options.events.shards()).map(({ id }) => id));
    return this.#inStream;
  }

  /** Resolves when the items hold everything up to the watermarks, of what the stream holds at all. */
  async reach(watermarks: Readonly<Record<string, string>>): Promise<void> {
    const { effects } = this.#options;
    for (const [shard, sequence] of Object.entries(watermarks))
      for (let i = 0; i < tailTries && sequence > (this.through.get(shard) ?? ""); i++) {
        if (i > 0) await effects.wait(tailPollMs, effects.signal);
        effects.signal.throwIfAborted();
        if (this.#inStream.has(shard) || (await this.#listShards()).has(shard)) await this.#addTail(shard);
      }
  }

  /** One reader of a shard at a time: each adds what the one before has left. */
  #addTail(shard: string): Promise<void> {
    const before = this.#reading.get(shard) ?? Promise.resolve();
    const reading = before.then(() => this.#readTail(shard));
    // whoever comes next tries for itself
    this.#reading.set(
      shard,
      reading.catch(() => {}),
    );
    return reading;
  }

  async #readTail(shard: string): Promise<void> {
    const { source, events, enricher, effects } = this.#options;
    const after = this.through.get(shard) ?? "";
    for await (const records of recordsAfter(events, shard, after === "" ? null : after)) {
      effects.signal.throwIfAborted();
      const { alive } = await withoutBuried(this.#options, shard, decodeRecords(source, records));
      const enriched = await enricher.enrich(alive);
      // both at once: whoever looks at the items in between would find events without their watermark
      this.#add(shard, enriched);
      this.through.set(shard, records.at(-1)!.sequence);
    }
  }

  #add(shard: string, events: readonly DecodedEvent[]): void {
    const time = this.#options.source.time.property;
    this.events += events.length;
    for (const target of this.#options.targets) {
      const counted = events.filter(({ event }) => Number(event[time]) >= target.from);
      for (const group of groupByItem([target], counted)) this.#fold(shard, group);
    }
  }

  #fold(shard: string, group: ItemEvents): void {
    const { target, key, batch } = group;
    const { add, empty } = target.fold;
    const item = this.#item(target, key);
    item.shards.add(shard);
    const watermark = this.stored.get(itemId(key))?.watermarks[shard] ?? "";
    for (const at of positionsOf(group)) {
      const bucket = batch.buckets[at]!;
      const isHeld = batch.events[at]!.sequence <= watermark;
      if (!isHeld) item.held ??= copyOf(item.all);
      for (const buckets of isHeld && item.held !== null ? [item.all, item.held] : [item.all]) {
        const state = buckets.get(bucket) ?? empty.slice();
        add(state, 0, batch.contributions, at * empty.length);
        buckets.set(bucket, state);
      }
    }
  }

  #item(target: LiveTarget, { pk, sk }: ItemKey): RecomputedItem {
    const id = itemId({ pk, sk });
    const known = this.items.get(id);
    if (known !== undefined) return known;
    const item = { target, key: { pk, sk }, all: new Map(), held: null, shards: new Set<string>() };
    this.items.set(id, item);
    return item;
  }
}

const copyOf = (buckets: Buckets): Buckets =>
  new Map([...buckets].map(([index, state]) => [index, [...state]]));

/** What is archived says no sequence number: it is at or below every watermark that matters. */
const archived = (event: DecodedEvent["event"]): DecodedEvent => ({
  sequence: "",
  index: 0,
  arrival: 0,
  event,
});

function* chunks(files: readonly ArchivedFile[]): Iterable<readonly ArchivedFile[]> {
  for (let i = 0; i < files.length; i += filesAtATime) yield files.slice(i, i + filesAtATime);
}
