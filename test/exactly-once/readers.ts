/** Readers ask everything all the time, through the real loaders, and every answer is held to what is right. */
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { SegmentCache } from "../../src/loaders/segments.ts";
import type { Shared } from "../../src/loaders/session.ts";
import type { Manifest } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import type { Insight, Session } from "../../src/schema/context.ts";
import { noAdHoc } from "../batch/sales-world.ts";
import type { Life } from "./life.ts";
import { dayMs, hourMs, iso, type Visit } from "./oracle.ts";
import type { Scene } from "./scene.ts";
import { dailyVisits, shopVisits } from "./visits.ts";

interface Asked {
  readonly rollup: string;
  readonly key: readonly (string | boolean | null)[];
  readonly grain: "HOUR" | "DAY" | null;
  readonly from: number;
  readonly to: number;
}

const shops = ["a", "b", null] as const;
export const longestViewMs = 1_000; // how old a gateway's view may be

export class Readers {
  readonly #scene: Pick<Scene, "code" | "world" | "oracle" | "random" | "generations">;
  readonly #midnight: number;
  /** By product and version where its edition ends; null while the version is not published. */
  readonly #coverage = new Map<string, number>();
  readonly #editions = new Map<string, readonly string[]>();
  /** When a product was published first, by the clock of processes. */
  readonly #since = new Map<string, number>();
  /** By product and version the lake's generation that answers. */
  readonly #generation = new Map<string, number>();
  /** By gateway what it has answered, by product, rollup, key and bucket: another one's view may be older. */
  readonly #answered = new WeakMap<Shared, Map<string, number>>();
  #through = -Infinity;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#midnight = Math.floor(scene.world.clock.start / dayMs) * dayMs;
  }

  published(product: string, { version, edition, coverage: { until } }: Manifest): void {
    this.#coverage.set(`${product} ${version}`, until);
    this.#editions.set(product, [...this.editions(product), edition]);
    if (!this.#since.has(product)) this.#since.set(product, this.#now());
  }

  /** All that have been published, in order. */
  editions(product: string): readonly string[] {
    return this.#editions.get(product) ?? [];
  }

  /** A gateway whose view may be so old, in milliseconds of its process. */
  gateway(life: Life, maxAgeMs: number): Shared {
    const { code, world } = this.#scene;
    const control = life.faulty(world.stores.control);
    const reading = { control, clock: () => life.scheduler.now, maxAgeMs };
    const shared = {
      control,
      insights: life.faulty(world.stores.insights, "listLive"),
      adHoc: noAdHoc(control),
      manifests: new code.Manifests(reading),
      liveStatus: new code.LiveStatus(reading),
      segments: new SegmentCache(),
      leaderboards: new LeaderboardCache(),
    };
    world.broadcast.subscribe(({ message }) => {
      if (message.kind === "live") shared.liveStatus.observe(message satisfies LiveUpdate);
      if (message.kind === "published") shared.manifests.expire(message.product);
    });
    return shared;
  }

  /** Asks several rollups of a product in one request. */
  async ask(shared: Shared): Promise<void> {
    // one that has no edition yet is asked in vain
    if (this.#scene.random() < 0.6) await this.#askProduct(shared, shopVisits, this.#ofShops());
    else await this.#askProduct(shared, dailyVisits, this.#ofDays());
  }

  /** Asks everything there is. Answers of live rollups must count all before `through`, and say so. */
  async askAll(shared: Shared, through: number): Promise<void> {
    this.#through = through;
    const hours = { from: this.#midnight + 18 * hourMs, to: this.#midnight + 31 * hourMs };
    const keyed = shops.map((shop) => ({ rollup: "shop", key: [shop], grain: "HOUR" as const, ...hours }));
    const total = { rollup: "total", key: [], grain: "HOUR" as const, ...hours };
    const all = ({ measures }: Product): string[] => measures.map(({ name }) => name);
    await this.#askProduct(shared, shopVisits, [...this.#ofShops(), total, ...keyed], all(shopVisits));
    await this.#askProduct(shared, dailyVisits, this.#ofDays(), all(dailyVisits));
  }

  #ofShops(): Asked[] {
    const { random } = this.#scene;
    const whole = { from: this.#midnight - dayMs, to: this.#midnight + 3 * dayMs };
    const first = this.#midnight + Math.floor(17 + random() * 10) * hourMs;
    const hours = { from: first, to: first + 3 * hourMs };
    const shop = shops[Math.floor(random() * shops.length)]!;
    return [
      { rollup: "total", key: [], grain: "DAY", ...whole },
      { rollup: "total", key: [], grain: "HOUR", ...hours },
      ...shops.map((key) => ({ rollup: "shop", key: [key], grain: null, ...whole })),
      { rollup: "shop", key: [shop], grain: "HOUR", ...hours },
    ];
  }

  #ofDays(): Asked[] {
    const whole = { from: this.#midnight - dayMs, to: this.#midnight + 3 * dayMs };
    return [
      { rollup: "total", key: [], grain: "DAY", ...whole },
      { rollup: "member", key: [true], grain: null, ...whole },
    ];
  }

  async #askProduct(
    shared: Shared,
    product: Product,
    questions: readonly Asked[],
    measures = [
      "visits",
      "amount",
      product.measures[Math.floor(this.#scene.random() * product.measures.length)]!.name,
    ],
  ): Promise<void> {
    const { code, oracle } = this.#scene;
    const names = [...new Set(measures)];
    const floors = this.#answered.get(shared) ?? new Map<string, number>();
    this.#answered.set(shared, floors);
    const before = oracle.counted.length;
    const askedAt = this.#now();
    const session = code.openSession(shared, { scope: analystScope, adHocWaitMs: 0 });
    let answers: Answer[];
    try {
      const asked = questions.map((question, i) => answersOf(session, product, names, question, `q${i}`));
      answers = (await Promise.all(asked)).flat();
    } catch (error) {
      if (this.#mayFail(error, product, askedAt)) return;
      throw error;
    }
    const { manifest, provenance } = session.extensions();
    const version = manifest[product.name]!;
    const until = this.#coverage.get(`${product.name} ${version}`);
    if (until === undefined) throw new Error(`Version ${version} of ${product.name} was never published.`);
    for (const answer of answers) {
      const told = provenance.filter(({ path }) => path === answer.path);
      const through = Math.max(...told.map((each) => Date.parse(each.through)));
      this.#check(product, version, until, { ...answer, through }, floors, before);
    }
  }

  /** Before the first edition, and where a slow request reads of one that was swept meanwhile. */
  #mayFail(error: unknown, { name }: Product, askedAt: number): boolean {
    if (!(error instanceof SluiceError) || error.code !== "BACKEND_UNAVAILABLE") return false;
    if (error.message.includes("Ask again")) return true;
    const isKnown = askedAt - (this.#since.get(name) ?? Infinity) > longestViewMs;
    return !isKnown && error.message.includes("no published edition");
  }

  #now(): number {
    return this.#scene.world.clock.scheduler.now;
  }

  #check(
    product: Product,
    version: number,
    until: number,
    answer: Answer & { readonly through: number },
    floors: Map<string, number>,
    before: number,
  ): void {
    const { oracle } = this.#scene;
    const { rollup, key, from, to, values, complete, through } = answer;
    const isLive = rollup !== "member";
    const id = JSON.stringify([product.name, rollup, key, from, to]);
    const wrong = (why: string): Error =>
      new Error(
        `Version ${version} of ${product.name}, covered until ${iso(until)}, answered ${JSON.stringify(values)} for ${rollup} ${JSON.stringify(key)} from ${iso(from)} to ${iso(to)}, through ${iso(through)}${complete ? ", complete" : ""}: ${why}`,
      );
    const lake = this.#lakeOf(product, version, rollup, key, from, to, values, wrong);
    const streamed = oracle.visits(rollup, key, from, to);
    const counted = Number(values["visits"]);
    const isExact = !isLive || to <= until || complete;
    if (isExact) {
      const right = [...lake, ...streamed.filter(({ at }) => isLive || at < until)];
      for (const [name, value] of Object.entries(values)) {
        const expected = oracle.measure(product.name, name, right);
        if (value !== expected) throw wrong(`${name} is ${expected}`);
      }
    }
    // all that had been told to be counted, and nothing that was not put
    const owed = streamed.filter(
      ({ at, order }) => at < Math.min(through, isLive ? to : until) && order < before,
    );
    if (counted < lake.length + owed.length) throw wrong(`there are ${lake.length + owed.length} at least`);
    if (counted > lake.length + streamed.length)
      throw wrong(`there are ${lake.length + streamed.length} at most`);
    if (isLive && through < Math.min(to, this.#through)) throw wrong("it must have come further");
    if (isLive) {
      if (counted < (floors.get(id) ?? 0)) throw wrong(`it was ${floors.get(id)} before`);
      floors.set(id, counted);
      oracle.promised = Math.max(oracle.promised, through);
    }
  }

  /** Yesterday's visits as the version has them: of one generation, the same in all answers. */
  #lakeOf(
    product: Product,
    version: number,
    rollup: string,
    key: readonly unknown[],
    from: number,
    to: number,
    values: Answer["values"],
    wrong: (why: string) => Error,
  ): readonly Visit[] {
    const { generations, oracle } = this.#scene;
    if (from >= this.#midnight) return [];
    const of = (generation: number): readonly Visit[] =>
      generations[generation]!.filter(
        (visit) =>
          visit.at >= from &&
          visit.at < to &&
          (rollup === "total" || visit[rollup as "shop" | "member"] === key[0]),
      );
    const id = `${product.name} ${version}`;
    const known = this.#generation.get(id);
    if (known !== undefined) return of(known);
    if (to > this.#midnight) return of(0);
    const found = generations.findIndex(
      (_, i) => oracle.measure(product.name, "amount", of(i)) === values["amount"],
    );
    if (found < 0) throw wrong("the lake was never so");
    this.#generation.set(id, found);
    return of(found);
  }
}

interface Answer {
  readonly path: string;
  readonly rollup: string;
  readonly key: readonly unknown[];
  readonly from: number;
  readonly to: number;
  readonly complete: boolean;
  readonly values: Readonly<Record<string, number | null>>;
}

async function answersOf(
  session: Session,
  product: Product,
  measures: readonly string[],
  { rollup, key, grain, from, to }: Asked,
  name: string,
): Promise<Answer[]> {
  const where = key.map((value) =>
    value === null
      ? { column: rollup, op: "isNull" as const, value: true }
      : { column: rollup, op: "eq" as const, value },
  );
  const insight = await session.insight({ product, where, range: { from, to } });
  const buckets = grain === null ? [insight] : await insight.series(grain);
  return Promise.all(
    buckets.map(async (bucket, i) => {
      const path = `${name}b${i}`;
      const values = await measuresOf(bucket, measures, path);
      return {
        path,
        rollup,
        key,
        from: bucket.range.from,
        to: bucket.range.to,
        complete: await bucket.complete(),
        values,
      };
    }),
  );
}

async function measuresOf(insight: Insight, names: readonly string[], path: string) {
  const entries = names.map(async (name) => [name, await insight.measure(name, [path, name])] as const);
  return Object.fromEntries(await Promise.all(entries));
}
