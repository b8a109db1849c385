/** One product of the sales in a world: its lake changes, runs come and go, and readers hold every answer to the truth. */
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import type * as rollbacks from "../../etl/batch/rollback.ts";
import type * as runs from "../../etl/batch/run.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { archiveKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import { adHocLimits } from "../../src/loaders/ad-hoc/limits.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { SegmentCache } from "../../src/loaders/segments.ts";
import { openSession, type Shared } from "../../src/loaders/session.ts";
import {
  copyOf,
  type Death,
  Life,
  memoryControl,
  memoryInsights,
  memoryLake,
  newWorld,
  type World,
} from "./memory-world.ts";
import { catalogueWarehouse, jsonGold } from "./memory-warehouse.ts";
import { retained } from "./reached.ts";
import { ask, type Generation, truth } from "./sales.ts";

/** The code under test: the refresh, or a mutant of it. */
export type Batch = Pick<typeof runs, "refresh"> & Pick<typeof rollbacks, "rollback" | "release">;

export const retention = { editions: 3, ms: 0 };

export class SalesWorld {
  /** By version, the answers that are right. */
  readonly answers = new Map<number, string>();
  reads = 0;
  #generation: Generation = { lake: {} };
  /** What a version that nobody has seen yet may answer. */
  #next: readonly string[] = [];
  #patient: Shared | null = null;

  constructor(
    readonly product: Product,
    readonly batch: Batch,
    readonly random: () => number,
    readonly world: World = newWorld(),
  ) {}

  copy(random: () => number): SalesWorld {
    const copy = new SalesWorld(this.product, this.batch, random, copyOf(this.world));
    for (const [version, answer] of this.answers) copy.answers.set(version, answer);
    copy.turnTo(this.#generation);
    return copy;
  }

  /** Others write the lake. */
  turnTo(generation: Generation): void {
    this.#generation = generation;
    this.#next = [truth(generation)];
    const { database, table } = this.product.source;
    for (const [folder, files] of [
      [
        `${database}/${table}/`,
        Object.entries(generation.lake).map(([date, sales]) => [`day=${date}/f`, sales] as const),
      ],
      [`archive/${database}.${table}/`, Object.entries(generation.archive ?? {})],
    ] as const) {
      for (const key of this.world.lake.keys()) if (key.startsWith(folder)) this.world.lake.delete(key);
      for (const [name, sales] of files) this.world.lake.set(folder + name, JSON.stringify(sales));
    }
  }

  /** What is published next may answer so too: it is a rollback's. */
  expectAlso(answers: readonly string[]): void {
    this.#next = [truth(this.#generation), ...answers];
  }

  get generation(): Generation {
    return this.#generation;
  }

  deps(life: Life): RefreshDeps {
    const lake = memoryLake(this.world, life);
    const deps: RefreshDeps = {
      lake,
      control: memoryControl(this.world, life),
      insights: memoryInsights(this.world, life),
      gold: jsonGold(lake),
      warehouse: catalogueWarehouse(this.world, life),
      clock: () => ++this.world.now,
      wait: () => Promise.resolve(),
      token: () => Math.floor(life.random() * 2 ** 32).toString(16),
      progress: () => {},
      retention,
      barrierWaitMs: 0,
    };
    if (this.product.source.stream === null) return deps;
    const { pk, sk } = archiveKey(this.product.source.stream, "s1");
    // micro-batches pass a barrier as soon as it is put
    const put = () => {
      const barrier = { sequence: String(++this.world.now), arrival: Date.parse(this.#generation.arrival!) };
      const record = { through: barrier.sequence, files: 1, barrier, copying: [] };
      this.world.control.set(`${pk}\n${sk}`, { revision: this.world.now, json: JSON.stringify(record) });
      return [{ shard: "s1", sequence: barrier.sequence }];
    };
    const unused = () => Promise.reject(new Error("A refresh reads no stream."));
    const shards = async () => [{ id: "s1", parents: [], closed: false }];
    return {
      ...deps,
      stream: { shards, put: () => life.write(put), iterator: unused, fetch: unused },
    };
  }

  refresh(life = new Life(this.random), full = false): Promise<runs.RefreshResult> {
    return this.batch.refresh(this.product, this.deps(life), { full });
  }

  rollback(life: Life): Promise<object> {
    return this.batch.rollback(this.product, {}, this.deps(life));
  }

  /** Runs until it ends or is killed, while readers read. Tells whether it was killed. */
  async runAmongReaders(run: (life: Life) => Promise<unknown>, death: Death | null): Promise<boolean> {
    const life = new Life(this.random, death);
    const [outcome] = await this.amongReaders([run(life)]);
    if (outcome?.status === "rejected" && !life.dead) throw outcome.reason;
    return life.dead;
  }

  /** Readers read for as long as the runs run. */
  async amongReaders<T>(runs: readonly Promise<T>[]): Promise<PromiseSettledResult<T>[]> {
    const state = { running: true };
    const readAll = async () => {
      for (let i = 0; i === 0 || state.running; i++) await (i % 4 === 0 ? this.read() : this.readPatiently());
    };
    const settled = Promise.allSettled(runs).finally(() => (state.running = false));
    const [outcomes] = await Promise.all([settled, readAll()]);
    return outcomes;
  }

  /** A gateway that has been there for long and one that has just started ask everything, each in one request. */
  async read(): Promise<void> {
    await Promise.all([this.readPatiently(), this.readBy(this.gateway())]);
  }

  async readPatiently(): Promise<void> {
    this.#patient ??= this.gateway();
    await this.readBy(this.#patient);
  }

  /** Resolves to the version that answered. */
  async readBy(shared: Shared): Promise<number> {
    const session = openSession(shared, { scope: analystScope, adHocWaitMs: 0 });
    const answer = await ask(session, this.product);
    const version = session.extensions().manifest[this.product.name]!;
    this.hold(answer, version);
    return version;
  }

  /** Throws unless the answer is that of the version it was read from. */
  hold(answer: string, version: number): void {
    const known = this.answers.get(version);
    const right = known === undefined ? this.#next : [known];
    this.reads++;
    if (!right.includes(answer))
      throw new Error(`Version ${version} answered\n${answer}\ninstead of\n${right.join("\nor\n")}`);
    this.answers.set(version, answer);
  }

  /** Every retained edition answers as it did when it was published. */
  async readRetained(): Promise<void> {
    const { kept } = retained(this.world, this.product.name);
    let read = 0;
    const gateway = this.gateway({
      get: async () => ({ value: kept[read]!.manifest as never, revision: 1 }),
    });
    for (; read < kept.length; read++) await this.readBy(gateway);
  }

  /** A gateway of its own, which looks for a manifest with every request; elsewhere, if told so. */
  gateway(manifest?: Pick<ControlStore, "get">): Shared {
    const life = new Life(this.random);
    const control = memoryControl(this.world, life);
    const clock = () => this.world.now;
    const pointed: ControlStore = {
      ...control,
      get: (key) => (key.pk.startsWith("manifest#") ? (manifest ?? control) : control).get(key),
    };
    return {
      control,
      insights: memoryInsights(this.world, life),
      adHoc: noAdHoc(control),
      manifests: new Manifests({ control: pointed, clock, maxAgeMs: 0 }),
      liveStatus: new LiveStatus({ control, clock, maxAgeMs: 0 }),
      segments: new SegmentCache(),
      leaderboards: new LeaderboardCache(),
    };
  }
}

/** Nothing is asked of it: all is stored. */
export function noAdHoc(control: ControlStore): AdHocJobs {
  const unasked = () => Promise.reject(new Error("All of it is stored."));
  return new AdHocJobs({
    jobs: control,
    control,
    executions: { start: unasked, look: unasked, rows: unasked, stop: unasked },
    limits: adHocLimits,
    clock: () => 0,
    wait: () => Promise.resolve(),
    token: () => "process",
    random: () => 0,
  });
}
