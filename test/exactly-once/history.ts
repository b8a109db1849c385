/**
 * One seeded history: producers put records, consumers crash, freeze and go on as zombies, shards split and merge,
 * refreshes and rollbacks come and go, the broadcast is down for a while, and readers ask all the time. When it has
 * calmed down, everything is held to what is right. Throws what is wrong, with the seed.
 */
import type { Product } from "../../src/model/product.ts";
import type { Code } from "./code.ts";
import { checkEnd } from "./end.ts";
import { FeedClient } from "./feed.ts";
import { noFaults } from "./life.ts";
import { dayMs, latenessMs } from "./oracle.ts";
import { type Consumer, freeze, refresh, release, rollback, startConsumer, stop } from "./processes.ts";
import { Producer } from "./producer.ts";
import { longestViewMs } from "./readers.ts";
import { Scene, type SceneOptions } from "./scene.ts";
import { Scheduler } from "./scheduler.ts";
import { products } from "./visits.ts";
import { skewMs } from "./world.ts";

export interface HistoryOptions extends Pick<SceneOptions, "world"> {
  /** How long the trouble lasts, in milliseconds of the processes. */
  readonly ms?: number;
  readonly records?: number;
  /** Those that are refreshed: both are counted live. */
  readonly refreshed?: readonly Product[];
}

const defaultMs = 18_000;
const defaultRecords = 70;
const maxSteps = 200_000;
/** A request then spans what is published meanwhile. */
const slowReads = { ...noFaults, slow: 0.1 };
const drainedMs = 1_000; // after which checkpoints say what was archived

export async function runHistory(code: Code, seed: number, options: HistoryOptions = {}): Promise<void> {
  const scheduler = new Scheduler();
  const scene = new Scene({ ...options, code, seed, scheduler });
  const history = new History(scene, options);
  try {
    await scheduler.run(history.run(), maxSteps, () => history.phase);
  } catch (error) {
    throw new Error(
      `Seed ${seed}: ${(error as Error).message}\nRepeat it with SLUICE_SEED=${seed} npx vitest run test/exactly-once\n${scene.diary()}`,
      { cause: error },
    );
  }
}

class History {
  phase = "it has not begun";
  readonly #scene: Scene;
  readonly #ms: number;
  readonly #records: number;
  readonly #refreshed: readonly Product[];

  constructor(scene: Scene, options: HistoryOptions) {
    const { ms = defaultMs, records = defaultRecords, refreshed = products } = options;
    this.#refreshed = refreshed;
    this.#scene = scene;
    this.#ms = ms;
    this.#records = records;
  }

  async run(): Promise<void> {
    const scene = this.#scene;
    this.phase = "trouble";
    const feed = new FeedClient(scene);
    feed.follow().catch(scene.fail);
    await scene.nextGeneration();
    const trouble = Promise.all([
      this.#produce(),
      this.#keepConsuming(),
      this.#reshard(),
      this.#keepRefreshing(),
      this.#keepRefreshing(),
      this.#keepRollingBack(),
      this.#changeLake(),
      this.#breakBroadcast(),
      this.#keepReading(0),
      this.#keepReading(longestViewMs),
    ]);
    await Promise.race([trouble, scene.failed]);
    scene.calm = true;
    await Promise.race([this.#settle(), scene.failed]);
    feed.checkTold();
  }

  async #produce(): Promise<void> {
    const { world, oracle, random } = this.#scene;
    const producer = new Producer(world, oracle, random);
    for (let i = 0; i < this.#records; i++) {
      // half of them come with the one before
      if (random() < 0.5) await this.#scene.pause(0, (4 * this.#ms) / this.#records);
      await producer.putRecord();
    }
  }

  async #keepConsuming(): Promise<void> {
    const leaving: Promise<void>[] = [];
    while (this.#isOngoing()) {
      const consumer = startConsumer(this.#scene);
      await Promise.race([consumer.life.died, this.#scene.pause(300, 6_000)]);
      const left = this.#leave(consumer);
      leaving.push(left);
      // the next one comes when it has ended, or does not know of it
      if (this.#scene.random() < 0.4) await left;
      else if (!consumer.life.alive) await this.#scene.pause(0, 1_500);
    }
    await Promise.all(leaving);
  }

  /** It is dead already, dies, is asked to stop, or is frozen and goes on as a zombie. */
  async #leave(consumer: Consumer): Promise<void> {
    const { life } = consumer;
    if (!life.alive) return;
    const before = this.#scene.pick(["frozen", "frozen", "waiting", "at once"]);
    if (before === "frozen") await freeze(this.#scene, life);
    if (before !== "at once") await this.#scene.pause(0, 4_000);
    if (this.#scene.random() < 0.5) life.crash();
    else await stop(consumer);
  }

  async #reshard(): Promise<void> {
    const times = 1 + Math.floor(this.#scene.random() * 4);
    for (let i = 0; i < times && this.#isOngoing(); i++) {
      await this.#scene.pause(0, (2 * this.#ms) / (times + 1));
      await this.#scene.world.reshard();
      this.#scene.note("shards change");
    }
  }

  async #keepRefreshing(): Promise<void> {
    const scene = this.#scene;
    while (this.#isOngoing()) {
      await scene.pause(200, 6_000);
      await refresh(scene, this.#product());
    }
  }

  async #keepRollingBack(): Promise<void> {
    const scene = this.#scene;
    while (this.#isOngoing()) {
      await scene.pause(1_000, 8_000);
      const product = this.#product();
      await rollback(scene, product);
      await scene.pause(300, 3_000);
      await release(scene, product);
    }
  }

  async #changeLake(): Promise<void> {
    while (this.#isOngoing()) {
      await this.#scene.pause(1_000, 10_000);
      await this.#scene.nextGeneration();
    }
  }

  async #breakBroadcast(): Promise<void> {
    const scene = this.#scene;
    if (scene.random() < 0.5) return;
    await scene.pause(0, this.#ms);
    scene.isDown = true;
    scene.note("the broadcast goes down");
    await scene.pause(100, 8_000);
    scene.isDown = false;
    scene.note("the broadcast is back");
  }

  async #keepReading(maxAgeMs: number): Promise<void> {
    const { readers } = this.#scene;
    const gateway = readers.gateway(this.#scene.life("reader", slowReads), maxAgeMs);
    while (this.#isOngoing()) {
      await this.#scene.pause(200, 4_000);
      await readers.ask(gateway);
    }
  }

  /** What is left is consumed and counted, and everything is looked at. */
  async #settle(): Promise<void> {
    const scene = this.#scene;
    const { readers, world } = scene;
    const consumer = startConsumer(scene, 60_000);
    const gateway = readers.gateway(scene.life("reader", noFaults), 0);
    for (const product of this.#refreshed) await release(scene, product);
    const through = world.clock.now() - latenessMs - 2 * skewMs;
    for (const day of ["today", "another day"]) {
      for (const product of this.#refreshed) {
        this.phase = `${day}, a refresh of ${product.name}`;
        await refresh(scene, product);
      }
      this.phase = `${day}, readers ask everything`;
      await scene.scheduler.wait(drainedMs);
      await readers.askAll(gateway, through);
      // all that came in ahead of its time has been by then
      world.clock.skip(4 * dayMs);
    }
    this.phase = "readers ask everything after a rollback";
    for (const product of this.#refreshed) await rollback(scene, product);
    await readers.askAll(gateway, through);
    this.phase = "the last consumer stops";
    await stop(consumer);
    await checkEnd(world, scene.oracle, scene.ear);
  }

  /** One more often than others. */
  #product(): Product {
    const { random } = this.#scene;
    return random() < 0.5 ? this.#refreshed[0]! : this.#scene.pick(this.#refreshed);
  }

  #isOngoing(): boolean {
    return this.#scene.scheduler.now < this.#ms;
  }
}
