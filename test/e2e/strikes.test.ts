/** Every answer of the bird strikes by year, month, airport and operator, over HTTP, against plain DuckDB over the file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StrikeActivity } from "../../products/strikes.ts";
import { ask, type Json } from "./client.ts";
import { type Demo, startDemo } from "./demo.ts";

const file = fileURLToPath(new URL("../../node_modules/vega-datasets/data/birdstrikes.csv", import.meta.url));
const range = `range: {from: "1990-01-01T00:00:00Z", to: "2003-01-01T00:00:00Z"}`;
const measures = ["strikes", "damageCost", "damaging", "meanCost", "meanSpeed"];
const slicesPerRequest = 16;

type Row = Readonly<Record<string, number | null>>;
const nothing: Row = { strikes: 0, damageCost: 0, damaging: 0, meanCost: null, meanSpeed: null };

let folder: string;
let demo: Demo;
let duck: DuckDBConnection;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-strikes-"));
  demo = await startDemo(folder, StrikeActivity);
  duck = await (await DuckDBInstance.create(":memory:")).connect();
  await duck.run(`CREATE TABLE strikes AS SELECT "Flight Date" AS date, "Airport Name" AS airport, "Aircraft Airline Operator" AS operator,
    "Effect Amount of damage" AS damage, "Cost Total $" AS cost, "Speed IAS in knots" AS speed FROM read_csv('${file}')`);
});
afterAll(async () => {
  await demo?.close();
  duck?.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

/** By slice and bucket: `ORLANDO INTL/1996-03`, `/1996`, `MILITARY/`. */
async function truth(slice: string, format: string): Promise<Map<string, Row>> {
  const result =
    await duck.runAndReadAll(`SELECT coalesce(${slice}, 'null'), ${format === "" ? "''" : `strftime(date, '${format}')`},
    count(*), sum(cost), count(*) FILTER (WHERE damage <> 'None'), sum(cost) / count(*), avg(speed)
    FROM strikes GROUP BY ALL`);
  return new Map(
    result.getRows().map(([name, bucket, ...values]) => {
      const row = measures.map((measure, i) => [measure, values[i] === null ? null : Number(values[i])]);
      return [`${String(name)}/${String(bucket)}`, Object.fromEntries(row) as Row];
    }),
  );
}

/** What is wrong of an answer. Whole numbers are equal, means to 1e-9. */
function wrong(actual: Json, expected: Row, what: string): string[] {
  return measures.flatMap((measure) => {
    const [is, right] = [actual[measure] as number | null, expected[measure] ?? null];
    const tolerance = measure.startsWith("mean") ? 1e-9 * Math.abs(right ?? 0) : 0;
    const same = is === null || right === null ? is === right : Math.abs(is - right) <= tolerance;
    return same ? [] : [`${what}: ${measure} is ${is}, not ${right}`];
  });
}

test.for([
  ["in total", "''", null],
  ["of every airport", "airport", "airport"],
  ["of every operator", "operator", "operator"],
] as const)("strikes %s, in whole, by year and by month", async ([, column, dimension]) => {
  const [whole, years, months] = await Promise.all([
    truth(column, ""),
    truth(column, "%Y"),
    truth(column, "%Y-%m"),
  ]);
  const slices = [...whole.keys()].map((name) => name.slice(0, -1));
  const fields = measures.join(" ");
  let compared = 0;
  for (let i = 0; i < slices.length; i += slicesPerRequest) {
    const some = slices.slice(i, i + slicesPerRequest);
    const aliases = some.map((slice, n) => {
      const where = dimension === null ? "" : `where: {${dimension}: {eq: ${JSON.stringify(slice)}}}, `;
      return `s${n}: strikeActivity(${where}${range}) { ${fields} years: series(grain: YEAR) { from ${fields} } months: series(grain: MONTH) { from ${fields} } }`;
    });
    const answer = await ask(demo.url, `{ ${aliases.join("\n")} }`);
    expect(answer.errors).toBeUndefined();
    some.forEach((slice, n) => {
      const of = answer.data[`s${n}`];
      expect(wrong(of, whole.get(`${slice}/`)!, slice)).toEqual([]);
      for (const [buckets, expected, length] of [
        [of.years, years, 4],
        [of.months, months, 7],
      ] as const)
        for (const bucket of buckets as Json[]) {
          const name = `${slice}/${(bucket.from as string).slice(0, length)}`;
          expect(wrong(bucket, expected.get(name) ?? nothing, name)).toEqual([]);
          if (expected.has(name)) compared++;
        }
    });
    const sources = answer.extensions.sluice.provenance.map(({ source }: Json) => source);
    expect(new Set(sources)).toEqual(new Set(["EDITION"]));
  }
  expect(compared).toBe(years.size + months.size);
});
