/** Leaderboards as a refresh stores them, against rankings by plain DuckDB over the same files. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { refresh } from "../../etl/batch/run.ts";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { type Cloud, startCloud } from "./cloud.ts";

@Source({ table: "market.sales", time: "at", description: "Sales." })
class Sale {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) town!: string | null;
  @Column(() => Int) stall!: number;
  @Column(() => Float, { nullable: true }) price!: number | null;
  @Column(() => Boolean) cash!: boolean;
}

const sale = columns(Sale);

@DataProduct({
  source: Sale,
  owner: "market",
  freshness: "P1D",
  description: "Sales.",
  rollups: [
    rollup(["town"], { grains: ["HOUR", "DAY"], top: 300 }),
    rollup(["town", "stall"], { grains: ["DAY", "MONTH"], top: { n: 3, within: ["town"] } }),
    rollup(["stall", "cash"], { grains: ["DAY"], top: 4 }),
  ],
})
class SaleActivity {
  @Dimension() town!: string | null;
  @Dimension() stall!: number;
  @Dimension() cash!: boolean;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
  @Measure(sale.sum("price"), { description: "Revenue." }) revenue!: number;
  @Measure(sale.avg("price"), { description: "Mean price." }) meanPrice!: number;
  @Measure(sale.max("price"), { description: "Dearest." }) dearest!: number;
  @Measure(ratio("dearest", "sales"), { description: "Odd, and a ratio." }) odd!: number;
}

const sales = declaredProducts().find(({ name }) => name === SaleActivity.name)!;
const measures = ["count(*)", "coalesce(sum(price), 0)", "avg(price)", "max(price)", "max(price) / count(*)"];
const days = ["2024-02-28", "2024-02-29", "2024-03-01"];
let cloud: Cloud;

beforeAll(async () => {
  cloud = await startCloud();
  for (const [seed, day] of days.entries()) await writeSales(day, seed);
  await refresh(sales, cloud.deps);
});
afterAll(() => cloud.close());

/** Prices are few and round, so that measures tie; stalls are many in some towns and few in others. */
async function writeSales(day: string, seed: number): Promise<void> {
  const folder = path.join(cloud.lakeFolder, `market/sales/day=${day}`);
  await mkdir(folder, { recursive: true });
  const random = (column: number) => `CAST(hash(i, ${column}, ${seed}) % 1000003 AS BIGINT)`;
  await cloud.duck.run(`COPY (
    SELECT TIMESTAMP '${day}' + to_seconds(${random(1)} % 86400) AS at,
      [NULL, 'Ulm', 'Ülm', '😀', chr(65378), 'a "b" #c'][1 + ${random(2)} % 6] AS town,
      CASE ${random(2)} % 6 WHEN 1 THEN ${random(3)} % 2 ELSE ${random(3)} % 9 END AS stall,
      CASE ${random(4)} % 5 WHEN 0 THEN NULL ELSE ${random(4)} % 4 / 2 END AS price, ${random(5)} % 3 = 0 AS cash
    FROM range(400) AS t(i)) TO '${folder}/a.parquet' (FORMAT parquet)`);
}

interface Board {
  complete: boolean;
  keys: string[];
}
type Boards = Map<string, Board>;

/** By `rollup grain [within] bucket`; keys are of the dimensions that are ranked. */
async function storedBoards(): Promise<Boards> {
  const boards: Boards = new Map();
  for (const { pk, sk, c } of (await cloud.items(tables.insights)).values()) {
    const [, , name, grain, ...within] = pk!.split("#");
    if (!name!.startsWith("top:")) continue;
    const [complete, keys, buckets] = JSON.parse(c!) as [number, unknown[][], number[]];
    for (let bit = 0; bit < 31; bit++) {
      const found = keys.filter((_, i) => (buckets[i]! >> bit) & 1).map((key) => JSON.stringify(key));
      if (found.length === 0) continue;
      const id = `${name!.slice(4)} ${grain} ${within.join("#")} ${bucketStart(grain!, sk!.split("#")[0]!, bit)}`;
      boards.set(id, { complete: ((complete >> bit) & 1) === 1, keys: found.sort() });
    }
  }
  return boards;
}

function bucketStart(grain: string, period: string, index: number): string {
  const [year, month = 1, day = 1] = period.split("-").map(Number) as [number, number?, number?];
  if (grain === "HOUR") return new Date(Date.UTC(year, month - 1, day, index)).toISOString();
  return new Date(
    grain === "DAY" ? Date.UTC(year, month - 1, index + 1) : Date.UTC(year, index),
  ).toISOString();
}

async function expectedBoards(
  name: string,
  grain: string,
  n: number,
  within: readonly string[],
  ranked: readonly string[],
): Promise<Boards> {
  const keys = [...within, ...ranked];
  const partition = [...within, "b"].join(", ");
  const ties = keys.map((key) => `${key} ASC NULLS LAST`).join(", ");
  const ranks = measures.map(
    (measure) =>
      `row_number() OVER (PARTITION BY ${partition} ORDER BY ${measure} DESC NULLS LAST, ${ties}) <= ${n}`,
  );
  const result = await cloud.duck.runAndReadAll(`
    WITH grouped AS (
      SELECT ${keys.join(", ")}, date_trunc('${grain}', "at") AS b, ${ranks.join(" OR ")} AS leads,
        count(*) OVER (PARTITION BY ${partition}) AS keys
      FROM (SELECT * FROM read_parquet('${cloud.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false))
      GROUP BY ${keys.join(", ")}, date_trunc('${grain}', "at"))
    SELECT ${keys.join(", ")}, epoch_ms(b), keys FROM grouped WHERE leads AND b + INTERVAL 1 ${grain} <= TIMESTAMP '2024-03-02'`);
  const boards: Boards = new Map();
  for (const row of result.getRows()) {
    const cells = row.map((cell) => (typeof cell === "bigint" ? Number(cell) : cell));
    const at = new Date(cells[keys.length] as number).toISOString();
    const id = `${name} ${grain} ${JSON.stringify(cells.slice(0, within.length))} ${at}`;
    const board = boards.get(id) ?? { complete: false, keys: [] };
    boards.set(id, board);
    board.keys.push(JSON.stringify(cells.slice(within.length, keys.length)));
    // those that lead by one measure or another may be all
    board.complete = board.keys.length === cells[keys.length + 1];
  }
  for (const board of boards.values()) board.keys.sort();
  return boards;
}

test("every bucket's board holds the keys that lead by any measure, or all, and says which", async () => {
  const expected = new Map([
    ...(await expectedBoards("town", "HOUR", 300, [], ["town"])),
    ...(await expectedBoards("town", "DAY", 300, [], ["town"])),
    ...(await expectedBoards("town+stall", "DAY", 3, ["town"], ["stall"])),
    ...(await expectedBoards("town+stall", "MONTH", 3, ["town"], ["stall"])),
    ...(await expectedBoards("stall+cash", "DAY", 4, [], ["stall", "cash"])),
  ]);
  const completes = [...expected]
    .filter(([id]) => id.startsWith("town+stall"))
    .map(([, { complete }]) => complete);
  expect(new Set(completes)).toEqual(new Set([true, false]));
  const stored = await storedBoards();
  // a bucket that is not closed is not read from editions
  const more = [...stored.keys()].filter((id) => !expected.has(id));
  expect(more.filter((id) => !/MONTH .* 2024-03-01/.test(id))).toEqual([]);
  for (const [id, board] of expected) expect([id, stored.get(id)]).toEqual([id, board]);
});

test("another top is another shape, and boards of editions that nothing reaches are swept", async () => {
  const retention = { editions: 1, ms: 0 };
  const fewer = sales.rollups.map((each) => ({ ...each, top: each.top && { ...each.top, n: 2 } }));
  const before = [...(await cloud.items(tables.insights)).keys()];
  const other = { ...sales, rollups: fewer, shape: "01234567" };
  await refresh(other, { ...cloud.deps, retention });
  // the edition before is served by whoever has just read the manifest; the one before that by nobody
  await refresh(other, { ...cloud.deps, retention }, { full: true });
  const after = [...(await cloud.items(tables.insights)).keys()];
  expect(before.some((key) => key.includes("#top:"))).toBe(true);
  expect(after.every((key) => key.startsWith("SaleActivity#01234567#"))).toBe(true);
  expect(after).toHaveLength(2 * before.length);
});
