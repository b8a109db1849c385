/** One history's world, what is right in it, and what its parts share. */
import type { Manifest } from "../../src/model/control.ts";
import type { ItemKey } from "../../src/model/layout.ts";
import { seeded } from "../live/parcels.ts";
import type { Code } from "./code.ts";
import { Ear } from "./ear.ts";
import { Life, noFaults, type Rates } from "./life.ts";
import { dayMs, Oracle, type Visit } from "./oracle.ts";
import { Readers } from "./readers.ts";
import type { Scheduler } from "./scheduler.ts";
import { Retention } from "./retention.ts";
import { memoryWorld, type Stores, TimeLapse, type World } from "./world.ts";

export interface SceneOptions {
  readonly code: Code;
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly world?: (clock: TimeLapse, random: () => number) => World;
}

const start = Date.parse("2024-03-09T19:30:00Z");
const timeFactor = 2_000; // 18 seconds are ten hours

export class Scene {
  /** Nothing goes wrong any more. */
  calm = false;
  /** The broadcast is. */
  isDown = false;
  /** Rejects with the first thing that is found wrong as it happens. */
  readonly failed: Promise<never>;
  readonly code: Code;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly world: World;
  /** Those of the world, with an eye on live items and manifests as they are written. */
  readonly stores: Stores;
  readonly oracle = new Oracle();
  readonly ear = new Ear(this.oracle);
  readonly readers: Readers;
  /** The lake of yesterday, as it has been so far. */
  readonly generations: (readonly Visit[])[] = [];
  fail!: (error: unknown) => void;
  readonly #retention = new Retention();
  readonly #diary: string[] = [];
  #lives = 0;

  constructor({ code, seed, scheduler, world = memoryWorld }: SceneOptions) {
    this.code = code;
    this.scheduler = scheduler;
    this.random = seeded(seed);
    this.world = world(new TimeLapse(scheduler, start, timeFactor), this.random);
    this.stores = this.#watched();
    this.readers = new Readers(this);
    this.failed = new Promise((_, reject) => (this.fail = reject));
    this.failed.catch(() => {});
    this.world.broadcast.subscribe(({ message }) => this.#watch(() => this.ear.hear(message)));
  }

  life(name: string, rates: Rates): Life {
    const life = new Life(`${name} ${++this.#lives}`, this.scheduler, this.random, () =>
      this.calm ? noFaults : rates,
    );
    void life.died.then(() => this.note(`${life.name} dies`));
    return life;
  }

  pause(from: number, to: number): Promise<void> {
    return this.scheduler.wait(from + this.random() * (to - from));
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  note(text: string): void {
    this.#diary.push(`${String(Math.round(this.scheduler.now)).padStart(6)} ${text}`);
  }

  diary(): string {
    return this.#diary.join("\n");
  }

  /** Others write yesterday anew: as many visits, of another amount. */
  async nextGeneration(): Promise<void> {
    const amount = this.generations.length + 1;
    const midnight = Math.floor(start / dayMs) * dayMs;
    const lake = Array.from({ length: 6 }, (_, i) => ({
      id: -1 - i,
      at: midnight - (1 + i * 4) * 3_599_000,
      shop: i % 2 === 0 ? "a" : null,
      amount,
      member: i < 3,
    }));
    this.generations.push(lake);
    await this.world.writeLake(lake);
  }

  #watched(): Stores {
    const { stores } = this.world;
    const { insights, control } = stores;
    return {
      ...stores,
      insights: {
        ...insights,
        writeLive: async (item, expected) => {
          const outcome = await insights.writeLive(item, expected);
          if (outcome.applied) this.#watch(() => this.oracle.checkLiveItem(item));
          return outcome;
        },
        removeLive: (keys) => insights.removeLive(this.#swept(keys)),
      },
      control: {
        ...control,
        put: async (key, value, ...rest) => {
          const revision = await control.put(key, value, ...rest);
          if (revision !== null && key.pk.startsWith("manifest#")) {
            const product = key.pk.slice("manifest#".length);
            this.readers.published(product, value as Manifest);
            this.#retention.published(product, value as Manifest);
          }
          return revision;
        },
      },
    };
  }

  async *#swept(keys: Parameters<Stores["insights"]["removeLive"]>[0]): AsyncIterable<ItemKey> {
    for await (const key of keys) {
      this.#watch(() => this.#retention.checkSwept(key));
      this.oracle.swept(key);
      yield key;
    }
  }

  #watch(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.fail(error);
    }
  }
}
