/** Questions whose counts are known: about the first product's events, counted by DuckDB from the same files. */
import { withDuckDb } from "../bin/sample-lake.ts";
import type { Product } from "../src/model/product.ts";
import {
  dayMs,
  floorTo,
  formatInstant,
  hourMs,
  type Instant,
  nextBucket,
  type Range,
} from "../src/model/time.ts";
import { columnOf, identifier, stringLiteral } from "../src/sql/fragments.ts";
import { lakeFiles } from "./subject.ts";

/** A query as a client asks it, with the number that it is answered with. */
export interface Counted {
  readonly url: string;
  readonly query: string;
  /** By the field of `asked` that says it. */
  readonly field: string;
  readonly count: number;
}

export type Questions = (url: (i: number) => string) => {
  /** Answered from stored segments: the months of one key. */
  readonly stored: readonly Counted[];
  /** One and the same about almost everything, for Athena. */
  identical(count: number): readonly Counted[];
  /** No two alike, for Athena: a day from some minute on. */
  distinct(from: number, count: number): readonly Counted[];
};

const minuteMs = 60_000;

export async function questionsOf(data: string, product: Product): Promise<Questions> {
  const minutes = await countByMinute(data, product);
  const span = { from: minutes.at[0]!, to: minutes.at.at(-1)! };
  const almostAll = { from: span.from + 7 * minuteMs, to: span.to - 7 * minuteMs };
  const months = { from: nextBucket(span.from, "MONTH"), to: floorTo(span.to, "MONTH") };
  const dimension = product.rollups.find(({ dimensions }) => dimensions.length === 1)!.dimensions[0]!;
  const keys = await countByKey(data, product, dimension, months);
  const field = product.measures.find(({ expression }) => expression.kind === "count")!.name;
  const stored = product.measures.filter(({ precomputed }) => precomputed).map(({ name }) => name);
  const adHoc = product.measures.filter(({ precomputed }) => !precomputed).map(({ name }) => name);
  const query = (range: Range, fields: readonly string[], key?: string): string => {
    const where = key === undefined ? "" : `where: { ${dimension}: { eq: ${JSON.stringify(key)} } }, `;
    const [from, to] = [range.from, range.to].map((at) => JSON.stringify(formatInstant(at)));
    return `{ asked: ${product.field}(${where}range: { from: ${from}, to: ${to} }) { ${fields.join(" ")} } }`;
  };
  const adHocOf = (url: string, range: Range, fields: readonly string[]): Counted => ({
    url,
    query: query(range, fields),
    field,
    count: minutes.within(range),
  });
  return (url) => ({
    stored: keys.map(([key, count], i) => ({ url: url(i), query: query(months, stored, key), field, count })),
    identical: (count) =>
      Array.from({ length: count }, (_, i) => adHocOf(url(i), almostAll, [field, ...adHoc])),
    distinct: (first, count) =>
      Array.from({ length: count }, (_, i) => {
        const from = offHour(span, first + i);
        return adHocOf(url(i), { from, to: from + dayMs }, [field]);
      }),
  });
}

/** The i-th minute that begins no hour, a day before the end at most; they are spread over all days. */
function offHour({ from, to }: Range, i: number): Instant {
  const days = Math.floor((to - from) / dayMs) - 2;
  const minute = 1 + (Math.floor(i / days) % 59);
  const hour = Math.floor(i / days / 59) % 24;
  return floorTo(from, "DAY") + ((i % days) + 1) * dayMs + hour * hourMs + minute * minuteMs;
}

/** Asks. Resolves to what is wrong with the answer, or null. What is pending is asked again, as a client would. */
export async function answeredCount({ url, query, field, count }: Counted): Promise<string | null> {
  for (;;) {
    const { data, errors } = await ask(url, query);
    if (errors?.every(({ extensions }) => extensions.code === "AD_HOC_PENDING")) continue;
    const found = data?.asked?.[field];
    return found === count ? null : `${query} is ${count}. Got ${found} ${JSON.stringify(errors ?? "")}.`;
  }
}

export interface Answer {
  readonly data?: { readonly asked: Readonly<Record<string, number | null>> | null } | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
  readonly extensions?: {
    readonly sluice: { readonly provenance: readonly { readonly queryId?: string }[] };
  };
}

export async function ask(url: string, query: string): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as Answer;
}

interface Minutes {
  /** Those with events, ascending. */
  readonly at: readonly Instant[];
  /** Events of a range on minutes. */
  within(range: Range): number;
}

async function countByMinute(data: string, product: Product): Promise<Minutes> {
  const time = identifier(product.source.time.name);
  const rows = await counts(
    `SELECT CAST(epoch_ms(date_trunc('minute', ${time})) AS DOUBLE), CAST(count(*) AS DOUBLE) FROM ${eventsSql(data, product)} GROUP BY 1 ORDER BY 1`,
  );
  const at = rows.map(([minute]) => minute as Instant);
  const before = [0];
  for (const [, count] of rows) before.push(before.at(-1)! + count);
  // the events before an instant
  const until = (instant: Instant): number => {
    let [low, high] = [0, at.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle]! < instant) low = middle + 1;
      else high = middle;
    }
    return before[low]!;
  };
  return { at, within: ({ from, to }) => until(to) - until(from) };
}

async function countByKey(
  data: string,
  product: Product,
  dimension: string,
  { from, to }: Range,
): Promise<readonly (readonly [string, number])[]> {
  const key = identifier(columnOf(product.source, dimension).name);
  const time = `epoch_ms(${identifier(product.source.time.name)})`;
  return (await counts(
    `SELECT ${key}, CAST(count(*) AS DOUBLE) FROM ${eventsSql(data, product)} WHERE ${time} >= ${from} AND ${time} < ${to} AND ${key} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100`,
  )) as unknown as readonly (readonly [string, number])[];
}

const eventsSql = (data: string, product: Product): string =>
  `read_parquet(${stringLiteral(lakeFiles(data, product))}, hive_partitioning = false)`;

function counts(sql: string): Promise<readonly (readonly [unknown, number])[]> {
  return withDuckDb(
    async (duck) =>
      (await duck.runAndReadAll(sql)).getRows() as unknown as readonly (readonly [unknown, number])[],
  );
}
