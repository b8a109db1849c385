/** All stores of one history in memory, behind the real interfaces, and the clock that its arrivals are stamped by. */
import type { Broadcast } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { DeadLetter, DeadLetters } from "../../src/backends/dead-letters.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { GoldReader } from "../../src/backends/gold.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";
import { jsonGold } from "../batch/memory-warehouse.ts";
import type { Catalogue } from "../batch/memory-world.ts";
import { memoryControl, memoryDeadLetters, memoryInsights, memoryLake } from "../live/memory-stores.ts";
import { MemoryStream, type Placed } from "./memory-stream.ts";
import { dayMs, type LiveItemText, type Visit } from "./oracle.ts";
import type { Scheduler } from "./scheduler.ts";
import { products } from "./visits.ts";
import { decoded, memoryWarehouse, rowsIn } from "./warehouse.ts";

export interface Stores {
  readonly control: ControlStore;
  readonly insights: InsightStore;
  readonly lake: Lake;
  readonly deadLetters: DeadLetters;
  readonly warehouse: Warehouse;
  readonly stream: EventStream;
}

export interface World {
  readonly stores: Stores;
  readonly broadcast: Broadcast;
  readonly clock: TimeLapse;
  /** A process's reader of the gold in the lake as the process sees it. */
  gold(lake: Lake): Pick<GoldReader, "open">;
  /** Puts a record whose content may depend on its arrival. */
  place(partitionKey: string, data: (arrival: number) => Uint8Array): Promise<Placed>;
  /** Splits a shard or merges two. */
  reshard(): Promise<void>;
  /** Others write the day before the history into the lake. */
  writeLake(visits: readonly Visit[]): Promise<void>;
  liveItems(): Promise<readonly LiveItemText[]>;
  letters(): Promise<readonly DeadLetter[]>;
  /** What micro-batches have archived. */
  archived(): Promise<readonly Visit[]>;
  /** What a query of a day sees. */
  queried(day: string): Promise<readonly Visit[]>;
}

/** The clock on the wall runs faster than what processes wait by: a poll is minutes long, and a history most of a day. */
export class TimeLapse {
  #skipped = 0;

  constructor(
    readonly scheduler: Scheduler,
    readonly start: number,
    readonly factor: number,
  ) {}

  readonly now = (): number => this.start + this.#skipped + Math.trunc(this.scheduler.now * this.factor);

  skip(ms: number): void {
    this.#skipped += ms;
  }
}

export const skewMs = 600_000; // as the source declares

export function memoryWorld(clock: TimeLapse, random: () => number): World {
  const control = memoryControl();
  const insights = memoryInsights();
  const lake = memoryLake();
  const { objects } = lake;
  const deadLetters = memoryDeadLetters();
  const catalogue: Catalogue = new Map();
  const stream = new MemoryStream({
    shards: 1 + Math.floor(random() * 2),
    stamp: () => clock.now() - Math.floor(random() * skewMs),
    random,
    clock: () => clock.scheduler.now,
  });
  const yesterday = new Date(clock.start - dayMs).toISOString().slice(0, 10);
  return {
    stores: {
      control,
      insights,
      lake,
      deadLetters,
      warehouse: memoryWarehouse({ objects, catalogue, products }),
      stream,
    },
    broadcast: memoryBroadcast({ retainMs: 100 * dayMs, retainMax: 100_000, clock: clock.now, epoch: "e" }),
    clock,
    gold: jsonGold,
    place: async (partitionKey, data) => stream.place(partitionKey, data),
    reshard: async () => stream.reshard(),
    writeLake: async (visits) =>
      void objects.set(`mall/visits/day=${yesterday}/f`, Buffer.from(JSON.stringify(visits))),
    liveItems: async () => [...insights.items.values()],
    letters: async () => [...deadLetters.letters.values()],
    archived: async () => {
      const files = [...objects].filter(([key]) => key.startsWith("archive/"));
      return (await Promise.all(files.map(([, bytes]) => decoded(bytes)))).flat();
    },
    queried: (day) => rowsIn({ catalogue, objects }, "mall.visits", day),
  };
}
