/** Other people's declarations: monthly partitions (more than one UNLOAD may write), no total, instants and floats as keys, changed shapes and columns. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { columns } from "../../src/model/columns.ts";
import { expect as promise } from "../../src/model/expectation.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { storedBuckets, storedManifest } from "./stored.ts";

@Source({
  table: "lab.readings",
  time: "at",
  partition: { column: "month", grain: "MONTH" },
  description: "Readings.",
})
class Reading {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Float) depth!: number;
  @Column(() => GraphQLDateTime, { nullable: true }) calibrated!: Date | null;
  @Column(() => Int) value!: number;
}

@DataProduct({
  source: Reading,
  owner: "lab",
  freshness: "P1D",
  description: "Readings.",
  rollups: [rollup(["depth", "calibrated"], { grains: ["DAY", "MONTH"] })],
})
class ReadingActivity {
  @Dimension() depth!: number;
  @Dimension() calibrated!: Date | null;
  @Measure(columns(Reading).sum("value"), { description: "Total." }) total!: number;
}

const readings = declaredProducts().find(({ name }) => name === ReadingActivity.name)!;
const months = Array.from({ length: 105 }, (_, i) =>
  new Date(Date.UTC(2010, i, 1)).toISOString().slice(0, 7),
);
let cloud: Cloud;

beforeAll(async () => {
  cloud = await startCloud();
  for (const month of months) await writeMonth(month);
});
afterAll(() => cloud.close());
beforeEach(() => {
  cloud.statements.length = 0;
});

async function writeMonth(month: string): Promise<void> {
  const folder = path.join(cloud.lakeFolder, `lab/readings/month=${month}`);
  await mkdir(folder, { recursive: true });
  await cloud.duck.run(`COPY (
    SELECT TIMESTAMP '${month}-01' + to_hours(i * 36) AS at, i % 3 / 4 AS depth,
      CASE WHEN i % 2 = 0 THEN TIMESTAMP '2009-05-06 07:08:09.123' END AS calibrated, CAST(i AS BIGINT) - 5 AS value
    FROM range(18) AS t(i)) TO '${folder}/a.parquet' (FORMAT parquet)`);
}

async function expectServed(until: string): Promise<void> {
  const expected = new Map<string, (number | null)[]>();
  for (const grain of ["DAY", "MONTH"]) {
    const result = await cloud.duck.runAndReadAll(`
      SELECT depth, epoch_ms(calibrated), epoch_ms(date_trunc('${grain}', "at")), count(*), sum(value)
      FROM read_parquet('${cloud.lakeFolder}/lab/readings/**/*.parquet', hive_partitioning = false)
      WHERE "at" < TIMESTAMP '${until}' GROUP BY ALL`);
    for (const [depth, calibrated, at, count, sum] of result.getRows()) {
      const key = JSON.stringify([depth, calibrated === null ? null : Number(calibrated)]);
      const bucket = new Date(Number(at)).toISOString();
      expected.set(`depth+calibrated ${grain} ${key} ${bucket}`, [Number(count), Number(sum)]);
    }
  }
  expect(await storedBuckets(cloud, "ReadingActivity")).toEqual(expected);
}

test("more partitions than one UNLOAD may write are written by two", async () => {
  expect(await refresh(readings, cloud.deps)).toMatchObject({ rows: 105 * 18, changed: months });
  expect(cloud.statements.filter((sql) => sql.startsWith("UNLOAD"))).toHaveLength(2);
  await expectServed("2018-10-01");
});

test("a changed month rewrites its own year only", async () => {
  await writeMonth("2018-10");
  const result = await refresh(readings, cloud.deps);
  expect(result.changed).toEqual(["2018-10"]);
  const { pages, edition } = await storedManifest(cloud, "ReadingActivity");
  const fresh = Object.entries(pages).filter(([, writtenBy]) => writtenBy === edition);
  expect(fresh.map(([page]) => page).sort()).toEqual(["lake/2018", "segments/depth+calibrated/2018"]);
  await expectServed("2018-11-01");
});

test("a recounted month that breaks an expectation is refused with its days and keys; other months are not judged", async () => {
  const before = await storedManifest(cloud, "ReadingActivity");
  const product: Product = { ...readings, expectations: [promise.between("total", { max: 11 })] };
  const range = { from: Date.UTC(2015, 4, 3), to: Date.UTC(2015, 4, 4) };
  // the eighteenth reading of a month has the value 12
  const [day, depth] = ["2015-05-26T00:00:00.000Z", "0.5"];
  const error = (await refresh(product, cloud.deps, { range }).catch((reason: unknown) => reason)) as Error;
  expect(error.message).toContain(
    `expect.between("total", { max: 11 }) does not hold.\n    rollup "depth+calibrated", depth ${depth}, calibrated null, ${day}: total is 12\n`,
  );
  expect(error.message.match(/total is/g)).toHaveLength(1);
  expect(await storedManifest(cloud, "ReadingActivity")).toEqual(before);
});

test("a dimension that takes the name of a component in gold makes another shape", () => {
  // two declarations that store the same, of which one may be asked by a column called as gold calls a count
  @Source({ table: "lab.runs", time: "at", description: "Runs." })
  class Run {
    @Column(() => GraphQLDateTime) at!: Date;
    @Column(() => Int) events!: number;
  }
  const declared = (target: new () => object, dimensions: readonly string[]): Product => {
    for (const dimension of dimensions) Dimension()(target.prototype as object, dimension);
    Measure(columns(Run).count(), { description: "Runs." })(target.prototype as object, "runs");
    DataProduct({
      source: Run,
      owner: "lab",
      freshness: "P1D",
      description: "Runs.",
      rollups: [rollup([], { grains: ["DAY"] })],
    })(target);
    return declaredProducts().find(({ name }) => name === target.name)!;
  };
  const without = declared(class RunActivity {}, []);
  const taken = declared(class RunsByEvents {}, ["events"]);
  expect(taken.components).toEqual(without.components);
  expect(taken.shape).not.toBe(without.shape);
});

test("another shape is built anew under the next version", async () => {
  const before = await storedManifest(cloud, "ReadingActivity");
  const changed: Product = { ...readings, shape: "01234567" };
  const result = await refresh(changed, cloud.deps);
  expect(result.version).toBe(before.version + 1);
  expect(result.changed).toHaveLength(106);
  // the gold table follows; the source's table is as it was
  expect(cloud.statements.some((sql) => sql.includes("`lab`.`readings`"))).toBe(false);
});

test("a column more makes the table anew, and its partitions are where they were", async () => {
  const { source } = readings;
  const extra = { ...source.columns[3]!, property: "extra", name: "extra", nullable: true };
  const wide = [...source.columns, extra];
  const wider: Product = { ...readings, source: { ...source, columns: wide, ownColumns: wide } };
  await refresh(wider, cloud.deps, { full: true });
  const ddl = cloud.statements.filter((sql) => !sql.startsWith("UNLOAD") && !sql.includes("_gold`"));
  expect(ddl.map((sql) => sql.slice(0, 12))).toEqual([
    "DROP TABLE I",
    "DROP TABLE I",
    "CREATE DATAB",
    "CREATE EXTER",
    "ALTER TABLE ",
    "ALTER TABLE ",
  ]);
  const sql = `SELECT count(*), count("extra") FROM "lab"."readings"`;
  const { rows } = await cloud.deps.warehouse.run({ sql, parameters: [], database: "lab" });
  expect(rows).toEqual([[String(106 * 18), "0"]]);
  await expectServed("2018-11-01");
});
