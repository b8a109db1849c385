/** A stream in memory that is produced into while consumers live and die, and live items that somebody spoils. */
import { livePath } from "../../etl/live/path.ts";
import { runBatch } from "../../etl/live/batch.ts";
import { readPosition } from "../../etl/live/checkpoint.ts";
import type { LiveTarget } from "../../etl/live/fold.ts";
import { ensureLiveStarts } from "../../etl/live/live-start.ts";
import { rebuildLive, type RebuildOptions, type RebuildResult } from "../../etl/live/rebuild.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { itemId } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { dayMs } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { memoryArchiveReader } from "./memory-archive.ts";
import {
  memoryControl,
  memoryDeadLetters,
  memoryInsights,
  memoryLake,
  newLife,
  quietEffects,
} from "./memory-stores.ts";
import { allParcels, dayStart, depotParcels, parcels, randomParcel } from "./parcels.ts";

/** When everything arrives: within the lateness of all events and no day before them. */
export const arrival = dayStart + 2 * dayMs;
export const products = [depotParcels, allParcels];

export class RebuildWorld {
  readonly insights = memoryInsights();
  readonly control = memoryControl();
  readonly lake = memoryLake();
  readonly letters = memoryDeadLetters();
  readonly broadcast = memoryBroadcast({ retainMs: 1e9, retainMax: 1e6, clock: () => 0, epoch: "e" });
  /** How often those who hold items were told to read them again. */
  gaps = 0;
  /** Those of the deployment that consumes. */
  products: readonly Product[] = products;
  readonly produced: Event[] = [];
  readonly records = new Map<string, StreamRecord[]>();
  readonly #random: () => number;
  #sequence = 0;

  constructor(random: () => number) {
    this.#random = random;
    for (const shard of ["s-1", "s-2"]) this.records.set(shard, []);
    this.broadcast.subscribe(({ message }) => {
      if (message.kind === "gap") this.gaps += 1;
    });
  }

  /** A record of one to three events in some shard. */
  produce(): void {
    const events = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () =>
      randomParcel(this.#random),
    );
    this.#put(events, arrival);
  }

  /** A record of one event that arrives at once. */
  produceAt(scanned: number): void {
    this.#put([{ ...randomParcel(this.#random), scanned }], scanned);
  }

  #put(events: readonly Event[], at: number): void {
    const data = Buffer.concat(events.flatMap((event) => [encodeEvent(parcels, event), Buffer.from("\n")]));
    this.#sequence += 1 + Math.floor(this.#random() * 3);
    const shards = [...this.records.keys()];
    const shard = shards[Math.floor(this.#random() * shards.length)]!;
    this.records.get(shard)!.push({ sequence: String(this.#sequence).padStart(6, "0"), arrival: at, data });
    this.produced.push(...events);
  }

  /** Reads in small pieces, so that a rebuild meets records that come while it reads. */
  readonly stream: EventStream = {
    shards: async () => [...this.records.keys()].map((id) => ({ id, parents: [], closed: false })),
    iterator: async (shard, after) => JSON.stringify([shard, this.#place(shard, after)]),
    fetch: async (iterator) => {
      const [shard, at] = JSON.parse(iterator) as [string, number];
      const all = this.records.get(shard)!;
      const records = all.slice(at, at + 5);
      const end = at + records.length;
      return { records, next: JSON.stringify([shard, end]), millisBehindLatest: all.length - end };
    },
    put: () => Promise.reject(new Error("not used")),
  };

  #place(shard: string, after: string | null): number {
    const place = this.records.get(shard)!.findIndex(({ sequence }) => sequence > (after ?? ""));
    return place < 0 ? this.records.get(shard)!.length : place;
  }

  /** A consumer of one shard over as many lives as it takes, until `isOver` and nothing is left. */
  async consume(
    shard: string,
    isOver: () => boolean,
    fold?: (targets: readonly LiveTarget[]) => readonly LiveTarget[],
  ) {
    while (!(await this.#live(shard, isOver, fold)));
  }

  async #live(
    shard: string,
    isOver: () => boolean,
    fold = (targets: readonly LiveTarget[]) => targets,
  ): Promise<boolean> {
    const life = newLife(this.#random, { crash: 0.004, fail: 0.02 });
    const { insights, control, lake, letters } = this;
    const stores = {
      insights: life.faulty(insights),
      control: life.faulty(control),
      lake: life.faulty(lake),
      deadLetters: life.faulty(letters),
    };
    const correct = livePath(
      { source: parcels, products: this.products, broadcast: this.broadcast, ...stores },
      life.effects,
    );
    const path = { ...correct, targets: fold(correct.targets) };
    try {
      await ensureLiveStarts({ ...path, events: this.stream });
      await path.archive.recover(shard);
      let position = await readPosition(path, shard);
      for (;;) {
        const left = this.records.get(shard)!.slice(this.#place(shard, position?.value.sequence ?? null));
        if (left.length === 0 && isOver()) return true;
        const window = left.slice(0, 1 + Math.floor(this.#random() * 8));
        if (window.length > 0)
          ({ position } = await runBatch(path, shard, position, position?.value.sequence ?? null, window));
        else await Promise.resolve();
      }
    } catch (error) {
      if (!life.effects.signal.aborted) throw error;
      return false;
    }
  }

  /** Again until it succeeds, where its stores fail. */
  async rebuild(
    product: Product,
    options: Partial<RebuildOptions> = {},
    rates = { crash: 0, fail: 0 },
  ): Promise<RebuildResult> {
    for (;;) {
      const life = newLife(this.#random, rates);
      const never = new AbortController().signal;
      try {
        return await rebuildLive({
          product,
          products: this.products,
          from: dayStart,
          dryRun: false,
          control: life.faulty(this.control),
          // listings are no single calls
          insights: { ...life.faulty(this.insights), listLive: (pk) => this.insights.listLive(pk) },
          lake: { ...life.faulty(this.lake), list: (prefix) => this.lake.list(prefix) },
          archive: memoryArchiveReader(this.lake),
          events: this.stream,
          deadLetters: life.faulty(this.letters),
          broadcast: this.broadcast,
          effects: { ...quietEffects(this.#random, never), signal: life.effects.signal, clock: this.now },
          ...options,
        });
      } catch (error) {
        if (!/crash|dead|aborted|throttled|lost response/.test(String(error))) throw error;
      }
    }
  }

  #now = arrival;
  readonly now = (): number => ++this.#now;

  /** Does to one item what a bug or a hand may do. */
  spoil(): void {
    const items = [...this.insights.items];
    const [id, item] = items[Math.floor(this.#random() * items.length)] ?? [];
    if (id === undefined || item === undefined) return;
    const kind = Math.floor(this.#random() * 4);
    if (kind === 0) this.insights.items.delete(id);
    else if (kind === 1)
      this.#store({ ...item, packed: item.packed.replace(/\[(\d+)/g, (_, n) => `[${Number(n) + 1}`) });
    else if (kind === 2) this.#store({ ...item, packed: inHalf(item.packed), version: item.version + 1 });
    else this.#store({ ...item, sk: `["never ${Math.floor(this.#random() * 3)}"]` });
  }

  #store(item: LiveItem): void {
    this.insights.items.set(itemId(item), item);
  }
}

/** Without the first bucket of several. */
function inHalf(packed: string): string {
  const columns = JSON.parse(packed) as unknown[][];
  return JSON.stringify(columns.map((column) => column.slice(1)));
}
