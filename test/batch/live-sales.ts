/** Sales that are live, too: what micro-batches have applied counts at once, whichever edition is read. */
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
import type { Sale } from "./memory-warehouse.ts";
import { copyOf, Life, memoryControl, memoryInsights } from "./memory-world.ts";
import { endOf, retained } from "./reached.ts";
import { SalesWorld } from "./sales-world.ts";
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

export class LiveSalesWorld extends SalesWorld {
  /** Every live item there ever was: table partition and period. */
  readonly #written = new Set<string>();

  override copy(random: () => number): LiveSalesWorld {
    const copy = new LiveSalesWorld(this.product, this.batch, random, copyOf(this.world));
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
    await liveApplier(consumer).apply("s1", groupByItem(liveTargets(products), events));
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
