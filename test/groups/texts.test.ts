/** Groups by texts that no parameter can hold as they are: their ad-hoc fields are answered like those of all others. */
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { type Asking, asking, type Json, rowsOf } from "./asking.ts";
import { stallActivity } from "./stalls.ts";

const days = ["2024-02-01", "2024-02-02"];
let cloud: Cloud;
let ask: Asking;

beforeAll(async () => {
  cloud = await startCloud();
  for (const [seed, day] of days.entries()) {
    const folder = `${cloud.lakeFolder}/market/sales/day=${day}`;
    await mkdir(folder, { recursive: true });
    await cloud.duck.run(`COPY (
      SELECT TIMESTAMP '${day} 01:00:00' AS at,
        [NULL, 'a', 'ab', 'a' || chr(0), 'a' || chr(0) || 'b', chr(0) || chr(0) || '''', chr(0), '', repeat(chr(0) || 'long', 200), chr(57344) || chr(0)][1 + i % 10] AS town,
        CAST(hash(i, ${seed}) % 5 AS INTEGER) AS stall, i % 2 = 0 AS cash, 1.5::DOUBLE AS size, NULL::TIMESTAMP AS picked,
        hash(i, ${seed}, 1) % 8 / 4 AS price
      FROM range(150) AS t(i)) TO '${folder}/a.parquet' (FORMAT parquet)`);
  }
  await refresh(stallActivity, cloud.deps);
  await cloud.duck.run(
    `CREATE TABLE sales AS SELECT * FROM read_parquet('${cloud.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false)`,
  );
  ask = asking(cloud, buildSluiceSchema([stallActivity]), gateway(cloud));
});
afterAll(() => cloud.close());

test("towns whose names are longer than any parameter, compared with the day before", async () => {
  const long = "long ''name'' ".repeat(200);
  for (const [seed, day] of ["2024-03-01", "2024-03-02"].entries()) {
    const folder = `${cloud.lakeFolder}/market/sales/day=${day}`;
    await mkdir(folder, { recursive: true });
    await cloud.duck.run(`COPY (
      SELECT TIMESTAMP '${day} 01:00:00' AS at, '${long}' || i % 3 AS town, CAST(hash(i, ${seed}) % 5 AS INTEGER) AS stall,
        i % 2 = 0 AS cash, 1.5::DOUBLE AS size, NULL::TIMESTAMP AS picked, hash(i, ${seed}, 1) % 8 / 4 AS price
      FROM range(50) AS t(i)) TO '${folder}/a.parquet' (FORMAT parquet)`);
  }
  await refresh(stallActivity, cloud.deps);
  const answer = await ask(`{ by: stallActivityBy(dimensions: [TOWN, CASH], first: 100,
    range: { from: "2024-03-02T00:00:00Z", to: "2024-03-03T00:00:00Z" }) {
    nodes { town cash previous(period: DAY) { sales median } } } }`);
  expect(answer.messages).toEqual([]);
  const before = await rowsOf(
    cloud,
    `SELECT town, cash, count(*) AS sales, quantile_disc(price, 0.5) AS median
     FROM read_parquet('${cloud.lakeFolder}/market/sales/day=2024-03-01/*.parquet', hive_partitioning = false)
     GROUP BY town, cash ORDER BY town, cash`,
  );
  expect(before).toHaveLength(6);
  expect(answer.data.by.nodes).toEqual(
    before.map(({ town, cash, ...previous }: Json) => ({ town, cash, previous })),
  );
});

test.for([
  ["stored", "TOWN", "town"],
  ["Athena's", "TOWN, CASH", "town, cash"],
])("towns with U+0000 in their names, in groups that are %s", async ([, by, group]) => {
  const range = `range: { from: "2024-02-02T00:00:00Z", to: "2024-02-03T00:00:00Z" }`;
  const answer = await ask(`{ by: stallActivityBy(dimensions: [${by!}], first: 100, ${range}) {
    nodes { town sales median stalls series(grain: DAY) { median } previous(period: DAY) { sales stalls } } } }`);
  expect(answer.messages).toEqual([]);
  const adHoc = "quantile_disc(price, 0.5) AS median, count(DISTINCT stall) AS stalls";
  const [now, before] = await Promise.all(
    ["2024-02-02", "2024-02-01"].map((day) =>
      rowsOf(
        cloud,
        `SELECT town, count(*) AS sales, ${adHoc} FROM sales WHERE "at"::DATE = DATE '${day}' GROUP BY ${group!} ORDER BY ${group!
          .split(", ")
          .map((each) => `${each} NULLS LAST`)
          .join(", ")}`,
      ),
    ),
  );
  expect(answer.data.by.nodes).toEqual(
    now!.map(({ median, ...node }: Json, i) => ({
      ...node,
      median,
      series: [{ median }],
      previous: { sales: before![i].sales, stalls: before![i].stalls },
    })),
  );
});
