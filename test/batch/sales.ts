/** Two products of the same sales, one with a stream; generations of their lake; and what is right, in plain JavaScript. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { Range } from "../../src/model/time.ts";
import type { Insight, Session } from "../../src/schema/context.ts";
import type { Sale } from "./memory-warehouse.ts";

@Source({ table: "shop.sales", time: "at", description: "Sales." })
class SaleEvent {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) shop!: string;
  @Column(() => Int) amount!: number;
}

@Source({
  table: "shop.takings",
  time: "at",
  description: "Sales.",
  stream: { name: "takings", lateness: "PT1H" },
})
class Taking {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) shop!: string;
  @Column(() => Int) amount!: number;
}

const [sale, taking] = [columns(SaleEvent), columns(Taking)];
const rollups = [
  rollup([], { grains: ["HOUR", "DAY", "MONTH"], live: false }),
  rollup(["shop"], { grains: ["DAY", "MONTH"], live: false, top: 2 }),
];
const promise = { owner: "shop", freshness: "PT1H", description: "Sales.", rollups } as const;

@DataProduct({ source: SaleEvent, ...promise })
class SalesActivity {
  @Dimension() shop!: string;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
  @Measure(sale.sum("amount"), { description: "Amount." }) amount!: number;
  @Measure(sale.max("amount"), { description: "Largest." }) largest!: number;
}

@DataProduct({ source: Taking, ...promise })
class TakingsActivity {
  @Dimension() shop!: string;
  @Measure(taking.count(), { description: "Sales." }) sales!: number;
  @Measure(taking.sum("amount"), { description: "Amount." }) amount!: number;
  @Measure(taking.max("amount"), { description: "Largest." }) largest!: number;
}

/** All rollups there can be, in all grains. */
@DataProduct({
  source: SaleEvent,
  ...promise,
  rollups: [[], ["shop"], ["amount"], ["shop", "amount"]].map((dimensions) =>
    rollup(dimensions, { grains: ["HOUR", "DAY", "MONTH"] }),
  ),
})
class ManyActivity {
  @Dimension() shop!: string;
  @Dimension() amount!: number;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
}

const product = (target: { name: string }) => declaredProducts().find(({ name }) => name === target.name)!;
export const salesActivity = product(SalesActivity);
export const manyActivity = product(ManyActivity);
export const takingsActivity = product(TakingsActivity);

/** What lies in the lake at one time. */
export interface Generation {
  readonly lake: Readonly<Record<string, readonly Sale[]>>;
  /** Of a stream: what micro-batches have archived, by file, and when the last barrier arrived. */
  readonly archive?: Readonly<Record<string, readonly Sale[]>>;
  readonly arrival?: string;
}

/**
 * Generation k of a day writes k into every measure: k sales of amount k in each bucket that has any. One of the shops is
 * of that generation only.
 */
export function day(date: string, k: number, hours: readonly number[] = [0, 7, 23]): Sale[] {
  return hours.flatMap((hour) =>
    ["a", "b", `only ${k}`].map(
      (shop): Sale => [Date.parse(`${date}T${String(hour).padStart(2, "0")}:30:00Z`), shop, k, k],
    ),
  );
}

export function days(dates: readonly string[], k: number): Record<string, Sale[]> {
  return Object.fromEntries(dates.map((date) => [date, day(date, k)]));
}

const instant = (text: string): number => Date.parse(`${text}Z`);
const whole = { from: instant("2024-01-01T00:00"), to: instant("2024-05-01T00:00") };
const week = { from: instant("2024-03-02T00:00"), to: instant("2024-03-07T00:00") };
const morning = { from: instant("2024-03-06T00:00"), to: instant("2024-03-06T03:00") };
/** Days that have ended in all generations of the stream. */
const ended = { from: instant("2024-03-01T00:00"), to: instant("2024-03-02T00:00") };
const questions = (closed: Range) =>
  [
    { shops: null, range: whole, grain: null },
    { shops: null, range: whole, grain: "MONTH" },
    { shops: null, range: week, grain: "DAY" },
    { shops: null, range: morning, grain: "HOUR" },
    { shops: ["a"], range: { from: whole.from, to: closed.to }, grain: null },
    { shops: ["a", "b"], range: closed, grain: "DAY" },
  ] as const;

const measures = ["sales", "amount", "largest"] as const;
const asked = (of: Product) => questions(of.source.stream === null ? week : ended);

/** The answers to all questions, asked in one request. */
export async function ask(session: Session, of: Product): Promise<string> {
  const answers = asked(of).map(async ({ shops, range, grain }) => {
    const where = shops === null ? [] : [{ column: "shop", op: "in" as const, values: [...shops] }];
    const insight = await session.insight({ product: of, where, range });
    const buckets = grain === null ? [insight] : await insight.series(grain);
    return Promise.all(buckets.map(measuresOf));
  });
  return JSON.stringify(await Promise.all(answers));
}

/** The same questions as a GraphQL query over the product without a stream. */
export const salesQuery = `{ ${asked(salesActivity)
  .map(({ shops, range: { from, to }, grain }, i) => {
    const where = shops === null ? "" : `where: {shop: {in: ${JSON.stringify(shops)}}}, `;
    const range = `range: {from: "${new Date(from).toISOString()}", to: "${new Date(to).toISOString()}"}`;
    const fields = grain === null ? measures.join(" ") : `series(grain: ${grain}) { ${measures.join(" ")} }`;
    return `q${i}: salesActivity(${where}${range}) { ${fields} }`;
  })
  .join("\n")} }`;

type Buckets = Record<string, number | null> & { readonly series?: readonly Record<string, number | null>[] };

/** What GraphQL answered, as `ask` answers. */
export function fromGraphql(data: Readonly<Record<string, Buckets>>): string {
  const values = (bucket: Record<string, number | null>) => measures.map((name) => bucket[name]!);
  return JSON.stringify(Object.values(data).map((answer) => (answer.series ?? [answer]).map(values)));
}

function measuresOf(insight: Insight): Promise<(number | null)[]> {
  return Promise.all(measures.map((name) => insight.measure(name, ["q", name])));
}

/** What is right: only buckets of the finest grain that have ended at `until` are counted. */
export function truth(generation: Generation, until = coveredBy(generation)): string {
  const { lake, archive = {}, arrival } = generation;
  const sales = [...Object.values(lake), ...Object.values(archive)].flat();
  const answers = questions(arrival === undefined ? week : ended).map(({ shops, range, grain }) => {
    const finest = shops === null ? "HOUR" : "DAY";
    return bucketsIn(range, grain).map(([from, to]) => {
      const counted = sales.filter(
        ([at, shop]) =>
          at >= from &&
          at < to &&
          bucketOf(at, finest)[1] <= until &&
          (shops as readonly string[] | null)?.includes(shop) !== false,
      );
      const count = counted.reduce((sum, [, , n]) => sum + n, 0);
      const amount = counted.reduce((sum, [, , n, each]) => sum + n * each, 0);
      return [count, amount, counted.length === 0 ? null : Math.max(...counted.map(([, , , each]) => each))];
    });
  });
  return JSON.stringify(answers);
}

function coveredBy({ lake, arrival }: Generation): number {
  const newestDay = Object.keys(lake).sort().at(-1)!;
  return arrival === undefined
    ? instant(`${newestDay}T00:00`) + 86_400_000
    : Math.floor((Date.parse(arrival) - 3_600_000) / 3_600_000) * 3_600_000;
}

function bucketsIn({ from, to }: { from: number; to: number }, grain: string | null): [number, number][] {
  if (grain === null) return [[from, to]];
  const buckets: [number, number][] = [];
  for (let at = from; at < to; at = buckets.at(-1)![1])
    buckets.push([at, Math.min(bucketOf(at, grain)[1], to)]);
  return buckets;
}

function bucketOf(at: number, grain: string): [number, number] {
  const date = new Date(at);
  const [year, month, dayOfMonth, hour] = [
    date.getUTCFullYear(),
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
  ];
  if (grain === "HOUR")
    return [Date.UTC(year, month, dayOfMonth, hour), Date.UTC(year, month, dayOfMonth, hour + 1)];
  if (grain === "DAY") return [Date.UTC(year, month, dayOfMonth), Date.UTC(year, month, dayOfMonth + 1)];
  return [Date.UTC(year, month), Date.UTC(year, month + 1)];
}
