/** Insights of visits that move: the real loaders over stores in memory, and micro-batches that are applied and told. */
import type { LiveChange } from "../../src/backends/broadcast.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { SegmentCache } from "../../src/loaders/segments.ts";
import { openSession, type Shared } from "../../src/loaders/session.ts";
import { checkpointKey, liveStartKey, manifestKey, shapeId } from "../../src/model/control.ts";
import { itemId, liveKey, packBuckets, unpackBuckets } from "../../src/model/layout.ts";
import { analystScope } from "../../src/model/scope.ts";
import { storedLayout } from "../../src/model/stored-layout.ts";
import { bucketIndex, periodOf } from "../../src/model/time.ts";
import type { Insight, LiveFeeds, Question, Session } from "../../src/schema/context.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { noAdHoc } from "../batch/sales-world.ts";
import { shopVisits } from "../exactly-once/visits.ts";
import { memoryControl, memoryInsights } from "../live/memory-stores.ts";
import { fakeBroadcast } from "./fake-broadcast.ts";

export const hourMs = 3_600_000;
/** Where the edition ends. */
export const midnight = Date.UTC(2024, 4, 1);
/** Lateness and skew of the visits. */
export const lateMs = 70 * 60_000;

const product = shopVisits;
const stream = product.source.stream!;

export interface VisitTold {
  readonly shop: string;
  readonly at: number;
  readonly arrival: number;
  readonly shard?: string;
}

/** Insights that are told besides. */
export type Besides = Parameters<LiveFeeds["insights"]>[2];

export class LiveWorld {
  readonly broadcast = fakeBroadcast();
  readonly #control = memoryControl();
  readonly #insights = memoryInsights();
  readonly #shared: Shared;
  readonly #live = liveFeeds({ broadcast: this.broadcast, cursorSecret: "of the test", retryMs: () => 1 });
  readonly #shards = new Map<string, { arrival: number; newest: number | null; records: number }>();
  #version = 0;
  /** Sessions of subscriptions. */
  asked = 0;

  private constructor() {
    const reading = { control: this.#control, clock: () => 0 };
    this.#shared = {
      insights: this.#insights,
      control: this.#control,
      adHoc: noAdHoc(this.#control),
      manifests: new Manifests(reading),
      liveStatus: new LiveStatus(reading),
      segments: new SegmentCache(),
      leaderboards: new LeaderboardCache(),
    };
    this.broadcast.subscribe(({ message }) => {
      if (message.kind === "live") this.#shared.liveStatus.observe(message);
    });
  }

  /** Shards that have come to midnight, behind an edition that holds no visit. */
  static async open(shards: readonly string[] = ["s-0"]): Promise<LiveWorld> {
    const world = new LiveWorld();
    const control = world.#control;
    const manifest = {
      version: 1,
      edition: "e1",
      shape: product.shape,
      layout: storedLayout(product),
      publishedAt: midnight,
      coverage: { from: midnight - 24 * hourMs, until: midnight },
      newest: midnight - hourMs,
      pages: {},
      keeps: 1,
      hold: null,
    };
    await control.put(manifestKey(product), manifest, "any");
    await control.put(liveStartKey(product), { from: midnight - 24 * hourMs }, "any");
    for (const shard of shards) {
      const known = { arrival: midnight, newest: null };
      world.#shards.set(shard, { ...known, records: 1 });
      const checkpoint = { sequence: "000", ...known, shapes: [shapeId(product)] };
      await control.put(checkpointKey(stream, shard), checkpoint, "any");
    }
    return world;
  }

  session(): Session {
    return openSession(this.#shared, { scope: analystScope, adHocWaitMs: 0 });
  }

  follow(question: Omit<Question, "product">, besides: Besides = async () => []): Follower {
    const newSession = () => {
      this.asked += 1;
      return this.session();
    };
    return new Follower(this.#live.insights({ product, ...question }, newSession, besides));
  }

  ask(question: Omit<Question, "product">): Promise<Insight> {
    return this.session().insight({ product, ...question });
  }

  /** A micro-batch of one visit; nobody is told of what is only written. */
  async visit({ shop, at, arrival, shard = "s-0" }: VisitTold): Promise<void> {
    const items = await this.write(shop, at);
    const known = this.#shards.get(shard)!;
    known.arrival = Math.max(known.arrival, arrival);
    known.newest = Math.max(known.newest ?? 0, at);
    const sequence = (record: number) => String(record).padStart(3, "0");
    await this.broadcast.publish({
      kind: "live",
      source: product.source.name,
      stream: stream.name,
      shard,
      after: sequence(known.records),
      through: sequence(++known.records),
      arrival: known.arrival,
      newest: known.newest,
      items,
      events: [],
    });
    await settled();
  }

  /** A micro-batch of a shard is applied, and nobody is told of it. */
  async lose(shop: string, at: number): Promise<void> {
    await this.write(shop, at);
    this.#shards.get("s-0")!.records += 1;
  }

  async write(shop: string, at: number): Promise<LiveChange[]> {
    return Promise.all(
      product.rollups.map(async (rollup) => {
        const dimensions = rollup.dimensions.map(() => shop);
        const key = liveKey(analystScope, product, rollup, dimensions, periodOf(at, rollup.finest));
        const held = this.#insights.items.get(itemId(key));
        const buckets = held === undefined ? new Map() : unpackBuckets(held.packed);
        const index = bucketIndex(at, rollup.finest);
        const [count, ...others] = buckets.get(index) ?? product.components.map(() => 0);
        buckets.set(index, [count + 1, ...others]);
        const version = ++this.#version;
        const packed = packBuckets(buckets, product.components.length);
        await this.#insights.writeLive({ ...key, version, watermarks: {}, packed }, held?.version ?? null);
        return { product: product.name, rollup: rollup.name, key, version, packed };
      }),
    );
  }
}

/** All that it was told, taken as it comes. */
export class Follower {
  readonly told: Insight[] = [];
  readonly #states: AsyncIterator<{ readonly insight: Insight }>;
  readonly #end: Promise<void>;

  constructor(states: ReturnType<LiveFeeds["insights"]>) {
    this.#states = states[Symbol.asyncIterator]();
    this.#end = this.#take();
  }

  get newest(): Insight {
    return this.told.at(-1)!;
  }

  async visits(): Promise<(number | null)[]> {
    return Promise.all(this.told.map((insight) => insight.measure("visits", ["visits"])));
  }

  async leave(): Promise<void> {
    await this.#states.return!();
    await this.#end;
  }

  async #take(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#states.next();
      if (done === true) return;
      this.told.push(value.insight);
    }
  }
}

/** Whatever is asked has been answered: nothing here takes more than a few turns. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
