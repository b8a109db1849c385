/**
 * A session over a list of sales: counts and sums in three lines, no planner, no stores. It keeps the contract of
 * `src/schema/context.ts`, so that the server can be tested by itself.
 */
import type { AdHocJob } from "../../src/model/ad-hoc-job.ts";
import { matcher } from "../../src/model/filter.ts";
import { shiftBack } from "../../src/model/period.ts";
import type { Product } from "../../src/model/product.ts";
import { bucketsOf, type Grain, type Range } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import type { CatalogueEntry, Insight, Provenance, Question, Session } from "../../src/schema/context.ts";

export interface Shop {
  /** Mutable: what has been sold so far. */
  readonly sales: Event[];
  /** Measures whose backend fails. */
  readonly failures: Map<string, Error>;
  /** Fails whatever is asked. */
  outage: Error | null;
  /** What every value waits for. */
  open: Promise<void>;
  /** The states of each job in turn; the last is what it is now. */
  readonly jobs: Map<string, readonly AdHocJob[]>;
}

export const coverage: Range = { from: Date.UTC(2024, 0, 1), to: Date.UTC(2024, 0, 3) };
export const publishedAt = Date.UTC(2024, 0, 3, 1);

export function sold(shop: string | null, hour: number, cost: number, gift: boolean | null = null): Event {
  return { at: coverage.from + hour * 3_600_000, shop, amount: 1, cost, gift };
}

export function openShop(sales: readonly Event[] = []): Shop {
  return { sales: [...sales], failures: new Map(), outage: null, open: Promise.resolve(), jobs: new Map() };
}

export function shopSession(shop: Shop): Session {
  const provenance: Provenance[] = [];
  const manifest: Record<string, number> = {};
  const note = (path: readonly string[]) => {
    const object = path.slice(0, -1).join(".");
    const known = provenance.find((entry) => entry.path === object);
    if (known) (known.fields as string[]).push(path.at(-1)!);
    else
      provenance.push({
        path: object,
        fields: [path.at(-1)!],
        source: "EDITION",
        through: "2024-01-03T00:00:00.000Z",
      });
  };
  return {
    insight: async (question) => {
      if (shop.outage) throw shop.outage;
      manifest[question.product.name] = 7;
      return insightOf(shop, question, rangeOf(question), note);
    },
    groups: async () => {
      throw new Error("The shop groups nothing.");
    },
    catalogue: async (product) => {
      if (shop.outage) throw shop.outage;
      manifest[product.name] = 7;
      return catalogueOf(product);
    },
    adHocJob: async (id) => shop.jobs.get(id)?.at(-1) ?? null,
    cancelAdHocJob: async (id) => {
      const states = shop.jobs.get(id);
      if (states === undefined) return null;
      const cancelled = { ...states.at(-1)!, state: "CANCELLED", error: "AD_HOC_CANCELLED" } as const;
      shop.jobs.set(id, [...states, cancelled]);
      return cancelled;
    },
    adHocJobUpdates: async function* (id) {
      yield* shop.jobs.get(id) ?? [];
    },
    extensions: () => ({ manifest, provenance }),
  };
}

function rangeOf({ range }: Question): Range {
  if (range?.lastMs !== undefined) return { from: coverage.to - range.lastMs, to: coverage.to };
  return { from: range?.from ?? coverage.from, to: range?.to ?? coverage.to };
}

function insightOf(
  shop: Shop,
  question: Question,
  range: Range,
  note: (path: readonly string[]) => void,
): Insight {
  const { product, where } = question;
  const matches = matcher(where);
  // read once: all values of one session are of one state
  const sales = shop.sales.filter(
    (sale) => matches(sale) && (sale.at as number) >= range.from && (sale.at as number) < range.to,
  );
  const turnover = sales.reduce((sum, sale) => sum + (sale.cost as number), 0);
  const values: Record<string, number | null> = {
    sales: sales.length,
    turnover,
    pieces: sales.length,
    mean: sales.length === 0 ? null : turnover / sales.length,
    p90: 42,
  };
  return {
    product,
    range,
    id: JSON.stringify([product.name, where, range.from, range.to]),
    pinned: Object.fromEntries(
      where.flatMap((condition) => (condition.op === "eq" ? [[condition.column, condition.value]] : [])),
    ),
    complete: async () => range.to <= coverage.to,
    measure: async (name, path) => {
      const failure = shop.failures.get(name);
      if (failure) throw failure;
      await shop.open;
      note(path);
      return values[name]!;
    },
    stamp: async () => JSON.stringify([range, values]),
    notLive: () =>
      where.some(({ column }) => column === "cost")
        ? "No live rollup holds cost. Rollups: total, shop."
        : null,
    liveReading: () => null,
    series: async (grain: Grain) =>
      bucketsOf(range, grain).map((bucket) => insightOf(shop, question, bucket, note)),
    previous: async (period) => insightOf(shop, question, shiftBack(range, period), note),
  };
}

function catalogueOf(product: Product): CatalogueEntry {
  const edition = {
    id: "e7",
    publishedAt,
    version: 7,
    rows: 3,
    items: 2,
    bytesScanned: 99,
    durationMs: 5,
    coveredUntil: coverage.to,
    manifest: {
      version: 7,
      edition: "e7",
      shape: product.shape,
      publishedAt,
      coverage: { from: coverage.from, until: coverage.to },
      newest: null,
      pages: {},
      layout: { source: "", columns: [], components: [], rollups: [] },
      keeps: 1,
      hold: null,
    },
    previous: null,
    restores: null,
    current: true,
  };
  return {
    coverage: { from: coverage.from, to: coverage.to, liveTo: null },
    publishedAt,
    editions: async (first) => [edition].slice(0, first),
    dimensionValues: async (_, search) => ["Bern", "Oslo"].filter((value) => value.includes(search ?? "")),
    measureSql: (measure) => `the SQL of ${measure}`,
  };
}
