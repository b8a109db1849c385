/** Bird strikes by bucket, beside those of an earlier range, in plain DuckDB over the original file. Imports nothing of ours. */
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";

const file = fileURLToPath(new URL("../../node_modules/vega-datasets/data/birdstrikes.csv", import.meta.url));

export const measures = ["strikes", "damageCost", "damaging", "meanCost", "meanSpeed"] as const;
export type Figures = Readonly<Record<(typeof measures)[number], number | null>>;

/** SQL over a bucket [f, t). */
export interface Comparison {
  readonly buckets: string;
  /** Where the earlier range begins and ends. */
  readonly before: readonly [from: string, to: string];
}

export interface Compared {
  readonly slice: string;
  readonly from: string;
  readonly to: string;
  readonly now: Figures;
  readonly before: Figures & { readonly from: string; readonly to: string };
  readonly isComplete: boolean;
  readonly growth: Figures;
}

export interface StrikesTruth {
  /** The airports with most strikes. */
  airports(count: number): Promise<string[]>;
  /** Every bucket of every slice; the slice "" is the whole. */
  compared(slices: readonly string[], comparison: Comparison): Promise<Compared[]>;
  /** The first row as numbers. */
  figures(sql: string): Promise<(number | null)[]>;
  /** The cost at rank ceil(0.99 n) of each bucket of months that has strikes, by 2001-06. */
  p99ByMonth(): Promise<Map<string, number>>;
  close(): void;
}

/** `f` is the first instant, `step` apart, up to `end`. */
export function stepped(from: string, end: string, step: string): string {
  return `SELECT f, f + INTERVAL ${step} AS t FROM (SELECT unnest(range(TIMESTAMP '${from}', TIMESTAMP '${end}', INTERVAL ${step})) AS f)`;
}

const figuresSql = `count(date) AS strikes, coalesce(sum(cost), 0) AS "damageCost", count(date) FILTER (WHERE damage <> 'None') AS damaging,
  sum(cost) / nullif(count(date), 0) AS "meanCost", avg(speed) AS "meanSpeed"`;

/** Complete months of the file: what the lake's partitions promise. */
const isComplete = (from: string, to: string) =>
  `(${from} >= (SELECT date_trunc('month', min(date)) FROM strikes) AND ${to} <= (SELECT date_trunc('month', max(date)) + INTERVAL 1 MONTH FROM strikes))`;

export async function strikesTruth(): Promise<StrikesTruth> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const duck = await instance.connect();
  await duck.run(`CREATE TABLE strikes AS SELECT "Flight Date"::TIMESTAMP AS date, "Airport Name" AS airport, "Wildlife Size" AS size,
    "Effect Amount of damage" AS damage, "Cost Total $" AS cost, "Speed IAS in knots" AS speed FROM read_csv('${file}')`);
  const rows = async (sql: string) => (await duck.runAndReadAll(sql)).getRowsJS();
  return {
    airports: async (count) =>
      (
        await rows(`SELECT airport FROM strikes GROUP BY 1 ORDER BY count(*) DESC, airport LIMIT ${count}`)
      ).map(([airport]) => airport as string),
    compared: async (slices, comparison) => (await rows(comparedSql(slices, comparison))).map(comparedOf),
    figures: async (sql) => (await rows(sql))[0]!.map(numberOf),
    p99ByMonth: async () =>
      new Map(
        (
          await rows(
            `SELECT strftime(date, '%Y-%m'), list_sort(list(cost))[ceil(count(*) * 99 / 100)::INT] FROM strikes GROUP BY 1`,
          )
        ).map(([month, cost]) => [month as string, Number(cost)]),
      ),
    close: () => {
      duck.closeSync();
      instance.closeSync();
    },
  };
}

function comparedSql(slices: readonly string[], { buckets, before: [from, to] }: Comparison): string {
  const names = slices.map((name) => `('${name.replaceAll("'", "''")}')`);
  const within = (start: string, end: string) =>
    `strikes.date >= ${start} AND strikes.date < ${end} AND (slice = '' OR strikes.airport = slice)`;
  const growth = measures.map(
    (name) =>
      `CASE WHEN complete AND b."${name}" <> 0 THEN (n."${name}" - b."${name}") / abs(b."${name}") END`,
  );
  const shown = (at: string) => `strftime(${at}, '%Y-%m-%dT%H:%M:%S.000Z')`;
  return `WITH asked AS (SELECT slice, f, t, ${from} AS bf, ${to} AS bt FROM (${buckets}), (VALUES ${names.join(", ")}) AS s(slice)),
    n AS (SELECT slice, f, t, bf, bt, ${figuresSql} FROM asked LEFT JOIN strikes ON ${within("f", "t")} GROUP BY ALL),
    b AS (SELECT slice, f, ${isComplete("f", "t")} AND ${isComplete("bf", "bt")} AS complete, ${figuresSql}
      FROM asked LEFT JOIN strikes ON ${within("bf", "bt")} GROUP BY slice, f, t, bf, bt)
    SELECT slice, ${["f", "t", "bf", "bt"].map(shown).join(", ")}, complete,
      ${[...measures.map((name) => `n."${name}"`), ...measures.map((name) => `b."${name}"`), ...growth].join(", ")}
    FROM n JOIN b USING (slice, f) ORDER BY slice, f`;
}

function comparedOf(row: readonly unknown[]): Compared {
  const [slice, from, to, beforeFrom, beforeTo, complete] = row;
  const figures = (at: number): Figures =>
    Object.fromEntries(measures.map((name, i) => [name, numberOf(row[at + i])])) as Figures;
  return {
    slice: String(slice),
    from: String(from),
    to: String(to),
    now: figures(6),
    before: { from: String(beforeFrom), to: String(beforeTo), ...figures(11) },
    isComplete: complete === true,
    growth: figures(16),
  };
}

const numberOf = (cell: unknown): number | null => (cell === null ? null : Number(cell));
