/**
 * Sales that are live, too: what micro-batches have applied counts at once, whichever edition is read. Live items are
 * held to what the documents say that there should be.
 */
import { inspect, isDeepStrictEqual } from "node:util";
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { liveApplier } from "../../etl/live/apply.ts";
import { advance, readPosition } from "../../etl/live/checkpoint.ts";
import { groupByItem, liveTargets } from "../../etl/live/fold.ts";
import { ensureLiveStarts } from "../../etl/live/live-start.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { columns } from "../../src/model/columns.ts";
import { shapeId } from "../../src/model/control.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { quietEffects } from "../live/memory-stores.ts";
import { seeded } from "../live/parcels.ts";
import { stateOf } from "./kill.ts";
import type { Sale } from "./memory-warehouse.ts";
import { copyOf, type Death, Life, memoryControl, memoryInsights, type World } from "./memory-world.ts";
import { endOf, retained } from "./reached.ts";
import { type Batch, SalesWorld } from "./sales-world.ts";
import { day, days, truth } from "./sales.ts";

@Source({
  table: "shop.tills",
  time: "at",
  description: "Sales.",
  stream: { name: "tills", lateness: "PT1H" },
})
class Till {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) shop!: string;
  @Column(() => Int) amount!: number;
}

const till = columns(Till);

@DataProduct({
  source: Till,
  owner: "shop",
  freshness: "PT1H",
  description: "Sales.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["shop"], { grains: ["DAY", "MONTH"], top: 2 }),
  ],
})
class TillActivity {
  @Dimension() shop!: string;
  @Measure(till.count(), { description: "Sales." }) sales!: number;
  @Measure(till.sum("amount"), { description: "Amount." }) amount!: number;
  @Measure(till.max("amount"), { description: "Largest." }) largest!: number;
}

export const tillActivity = declaredProducts().find(({ name }) => name === TillActivity.name)!;

const streamBegins = Date.parse("2024-02-28T00:00:00Z");
const oneShard: EventStream = {
  shards: async () => [{ id: "s1", parents: [], closed: false }],
  iterator: async () => "begin",
  fetch: async () => ({
    records: [{ sequence: "0", arrival: streamBegins, data: new Uint8Array() }],
    next: "",
    millisBehindLatest: 1,
  }),
  put: async () => [],
};

/** When three editions are kept, the last one is the first that needs no item of March. */
export const dates = ["02-28", "02-29", "03-01", "03-02", "03-05", "04-01", "04-03", "04-04"].map(
  (date) => `2024-${date}`,
);

/** A day of sales and a refresh after each of them. Resolves to the number of live items after each. Throws what is wrong. */
export async function refreshDaily(batch: Batch, seed: number): Promise<number[]> {
  const sales = new LiveSalesWorld(batch, seeded(seed));
  const counts: number[] = [];
  for (const [i, date] of dates.entries()) {
    await sales.dayPasses(date, i + 1);
    await sales.refresh();
    await sales.read();
    await sales.readRetained();
    sales.checkSwept(date);
    counts.push(sales.present().length);
  }
  return counts;
}

export async function published(batch: Batch, seed: number, count = dates.length): Promise<LiveSalesWorld> {
  const sales = new LiveSalesWorld(batch, seeded(seed));
  for (const [i, date] of dates.slice(0, count).entries()) {
    await sales.dayPasses(date, i + 1);
    await sales.refresh();
  }
  return sales;
}

/** Kills a refresh that sweeps live items at its calls, one after the other. Resolves to their number. */
export async function killSweeps(batch: Batch, seed: number): Promise<number> {
  const base = await published(batch, seed, dates.length - 1);
  await base.dayPasses(dates.at(-1)!, dates.length);
  let deaths = 0;
  const seen = new Set<string>();
  for (const side of ["before", "after"] as const)
    for (let at = 1; await isKilled(base.copy(seeded(seed)), { side, at }, seen); at++) deaths++;
  return deaths;
}

async function isKilled(sales: LiveSalesWorld, death: Death, seen: Set<string>): Promise<boolean> {
  const killed = await sales.runAmongReaders((life) => sales.refresh(life), death);
  const state = stateOf(sales.world);
  if (!seen.has(state)) {
    await sales.read();
    await sales.readRetained();
    await sales.refresh();
    await sales.read();
    sales.checkSwept(`Killed ${death.side} ${death.at}`);
  }
  seen.add(state);
  return killed;
}

/** When its live items are swept, a zombie applies the first day once more. Resolves to the number of items it makes. */
export async function repeatFirstDay(batch: Batch, seed: number, applier = liveApplier): Promise<number> {
  const sales = new LiveSalesWorld(batch, seeded(seed), undefined, applier);
  await sales.dayPasses(dates[0]!, 1);
  const old = new Map(sales.world.live);
  for (const [i, date] of dates.slice(1).entries()) {
    await sales.dayPasses(date, i + 2);
    await sales.refresh();
  }
  const left = sales.present();
  await sales.apply(day(dates[0]!, 1));
  await sales.read();
  await sales.readRetained();
  const again = sales.present().filter((id) => !left.includes(id));
  for (const id of again) {
    const { version } = sales.world.live.get(id)!;
    const before = old.get(id)?.version ?? 0;
    if (version <= before)
      throw new Error(`Item ${id} is made again as version ${version}, after ${before}.`);
  }
  return again.length;
}

export class LiveSalesWorld extends SalesWorld {
  /** Every live item there ever was: table partition and period. */
  readonly #written = new Set<string>();

  constructor(
    batch: Batch,
    random: () => number,
    world?: World,
    readonly applier = liveApplier,
  ) {
    super(tillActivity, batch, random, world);
  }

  override copy(random: () => number): LiveSalesWorld {
    const copy = new LiveSalesWorld(this.batch, random, copyOf(this.world));
    for (const id of this.#written) copy.#written.add(id);
    copy.turnTo(this.generation);
    return copy;
  }

  /** A day goes by: its sales come in and are applied and archived; the last barrier has arrived at its end. */
  async dayPasses(date: string, k: number, products: readonly Product[] = [this.product]): Promise<void> {
    const sales = day(date, k);
    const arrival = `${date}T23:50:00Z`;
    const archive = { ...this.generation.archive, [`day=${date}/s1-${k}`]: sales };
    this.turnTo({ lake: days(["2024-02-27"], 1), archive, arrival });
    await this.apply(sales, products);
    const { stream, control, effects } = this.#consumer(products);
    const consumer = { stream, products, control, effects };
    await advance(consumer, "s1", await readPosition(consumer, "s1"), {
      sequence: sequenceOf(sales),
      arrival: Date.parse(arrival),
      newest: Math.max(...sales.map(([at]) => at)),
      shapes: products.map(shapeId),
    });
  }

  /** By a consumer that has just started. */
  async apply(sales: readonly Sale[], products: readonly Product[] = [this.product]): Promise<void> {
    const consumer = this.#consumer(products);
    await ensureLiveStarts(consumer);
    const events = sales.flatMap(([at, shop, count, amount]) =>
      Array.from({ length: count }, (_, index) => ({
        sequence: sequenceOf(sales),
        index,
        arrival: at,
        event: { at, shop, amount },
      })),
    );
    await this.applier(consumer).apply("s1", groupByItem(liveTargets(products), events));
    for (const id of this.world.live.keys()) this.#written.add(id);
  }

  #consumer(products: readonly Product[]) {
    const life = new Life(this.random);
    const effects = {
      ...quietEffects(this.random, new AbortController().signal),
      clock: () => ++this.world.now,
    };
    const [control, insights] = [memoryControl(this.world, life), memoryInsights(this.world, life)];
    const stream = this.product.source.stream!;
    return { stream, products, control, insights, effects, events: oneShard };
  }

  /** Whichever version answers: with what is live, all that has come in counts. */
  override hold(answer: string, version: number): void {
    this.reads++;
    const right = truth(this.generation, Infinity);
    if (answer !== right) throw new Error(`Version ${version} answered\n${answer}\ninstead of\n${right}`);
  }

  /** The live items of periods that some manifest does not cover of those that are kept: what there should be. */
  unswept(): string[] {
    const { manifest, kept } = retained(this.world, this.product.name);
    const covered = Math.min(
      manifest.coverage.until,
      ...kept.map((edition) => edition.manifest.coverage.until),
    );
    return [...this.#written].filter((id) => endOf(periodIn(id)) > covered).sort();
  }

  present(): string[] {
    return [...this.world.live.keys()].sort();
  }

  checkSwept(when: string): void {
    const [present, unswept] = [this.present(), this.unswept()];
    if (!isDeepStrictEqual(present, unswept))
      throw new Error(`${when}, there is\n${inspect(present)}\ninstead of\n${inspect(unswept)}`);
  }
}

/** What comes in with one micro-batch is one record here; days follow each other. */
function sequenceOf(sales: readonly Sale[]): string {
  return String(Math.max(...sales.map(([at]) => at)));
}

function periodIn(id: string): string {
  return id.split("\n")[0]!.split("#").at(-1)!;
}
