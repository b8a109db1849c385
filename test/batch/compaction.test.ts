/** What is compacted follows the declaration and the lake. The stream of the source is a fake that has archived all. */
import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { dryRun } from "../../etl/batch/dry-run.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { columns } from "../../src/model/columns.ts";
import { archiveKey, type CompactedPartition, compactedKey } from "../../src/model/control.ts";
import { DataProduct, declaredProducts, Measure, type Product, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { ColumnType } from "../../src/model/values.ts";
import { type Cloud, startCloud } from "./cloud.ts";

@Source({ table: "shop.visits", time: "at", description: "Visits.", stream: "visits" })
class Visit {
  @Column(() => GraphQLDateTime) at!: Date;
}

const usual = {
  source: Visit,
  owner: "web",
  freshness: "PT1H",
  description: "Visits.",
  rollups: [rollup([], { grains: ["DAY"] })],
} as const;

@DataProduct(usual)
class VisitActivity {
  @Measure(columns(Visit).count(), { description: "Visits." }) visits!: number;
}

@DataProduct(usual)
class OtherVisits {
  @Measure(columns(Visit).count(), { description: "Visits." }) visits!: number;
}

const [visits, others] = [VisitActivity, OtherVisits].map(
  (target) => declaredProducts().find(({ name }) => name === target.name)!,
) as [Product, Product];
const days = ["2024-03-01", "2024-03-02"];
let cloud: Cloud;
let deps: RefreshDeps;
let arrival = "2024-03-03T02:00:00Z";

beforeAll(async () => {
  cloud = await startCloud();
  deps = { ...cloud.deps, stream };
  for (const day of days) {
    await writeVisits(`shop/visits/day=${day}`, day, 10, ", 7 AS points");
    await writeVisits(`archive/shop.visits/day=${day}`, day, 5);
  }
});
afterAll(() => cloud.close());
beforeEach(() => {
  cloud.statements.length = 0;
});

const stream: EventStream = {
  shards: async () => [{ id: "s0", parents: [], closed: false }],
  put: async () => {
    const barrier = { sequence: "056:1", arrival: Date.parse(arrival) };
    const record = { through: barrier.sequence, files: 1, barrier, copying: [] };
    await cloud.deps.control.put(archiveKey(visits.source.stream!, "s0"), record, "any");
    return [{ shard: "s0", sequence: barrier.sequence }];
  },
  iterator: () => Promise.reject(new Error("not used")),
  fetch: () => Promise.reject(new Error("not used")),
};

async function writeVisits(
  folder: string,
  day: string,
  count: number,
  more = "",
  file = "a.parquet",
): Promise<void> {
  await mkdir(path.join(cloud.lakeFolder, folder), { recursive: true });
  await cloud.duck.run(`COPY (SELECT TIMESTAMP '${day}' + to_minutes(i) AS at ${more} FROM range(${count}) AS t(i))
    TO '${cloud.lakeFolder}/${folder}/${file}' (FORMAT parquet)`);
}

async function bytesOfFiles(): Promise<number> {
  const files = days.flatMap((day) =>
    ["shop/visits", "archive/shop.visits"].map((folder) =>
      stat(path.join(cloud.lakeFolder, folder, `day=${day}`, "a.parquet")),
    ),
  );
  return (await Promise.all(files)).reduce((sum, { size }) => sum + size, 0);
}

async function asked(selected: string): Promise<number> {
  const sql = `SELECT ${selected} FROM "shop"."visits"`;
  const { rows } = await cloud.deps.warehouse.run({ sql, parameters: [], database: "shop" });
  return Number(rows[0]![0]);
}

/** The product as it is declared with one more column. */
function wider(product: Product, name: string, type: ColumnType): Product {
  const more = { ...product.source.time, property: name, name, type, nullable: true };
  const wide = [...product.source.columns, more];
  const source = { ...product.source, columns: wide, ownColumns: wide };
  return { ...product, source, shape: `${product.shape}-${name}-${type}` };
}

const compactions = () =>
  cloud.statements.filter((sql) => sql.startsWith("UNLOAD") && sql.includes("visits__parts")).length;

test("a refresh that compacts tells so before and after", async () => {
  await refresh(visits, deps);
  const told = cloud.progress.filter(({ stage }) => stage === "compact");
  expect(told.map(({ done, total }) => `${done}/${total}`)).toEqual(["0/2", "2/2"]);
});

test("a column that is declared later is compacted from what the lake had all the time, once for all products of the source", async () => {
  await refresh(others, deps);
  expect(compactions()).toBe(0);
  const bytes = await bytesOfFiles();
  expect(await dryRun(wider(visits, "points", "int"), deps, {})).toMatchObject({
    changed: days,
    bytes: 2 * bytes,
    statements: 2,
  });
  await refresh(wider(visits, "points", "int"), deps);
  expect(compactions()).toBe(1);
  expect(await asked("sum(points)")).toBe(2 * 10 * 7);
  expect(await dryRun(wider(others, "points", "int"), deps, {})).toMatchObject({ bytes, statements: 1 });
  const other = await refresh(wider(others, "points", "int"), deps);
  expect(other).toMatchObject({ published: true, changed: days, rows: 2 * 15 });
  expect(compactions()).toBe(1);
  expect(await asked("sum(points)")).toBe(2 * 10 * 7);
});

test("a column of another type is compacted anew", async () => {
  await refresh(wider(visits, "missing", "int"), deps);
  await refresh(wider(visits, "missing", "float"), deps);
  expect(compactions()).toBe(2);
  expect(await asked("count(missing)")).toBe(0);
});

test("what was compacted before its columns were noted is mended by --full, also where that dies and another run follows", async () => {
  const product = wider(visits, "points", "int");
  await refresh(product, deps);
  const { control, lake, warehouse } = deps;
  for (const { sk, value, revision } of await control.list<CompactedPartition>(
    compactedKey(visits.source, "").pk,
  )) {
    // as an earlier release left it: without the column
    const { columns: _, ...old } = value;
    await control.put(compactedKey(visits.source, sk), old, revision);
    for await (const { key } of lake.list(lake.key(value.location)))
      await writeVisits(path.dirname(key), sk, 15, "", path.basename(key));
  }
  expect(await asked("count(points)")).toBe(0);
  const dying: RefreshDeps["warehouse"] = {
    run: (statement, options) =>
      statement.sql.includes("SET LOCATION") && !statement.sql.includes("_activity_gold")
        ? Promise.reject(new Error("gone"))
        : warehouse.run(statement, options),
  };
  await expect(refresh(product, { ...deps, warehouse: dying }, { full: true })).rejects.toThrow("gone");
  expect(await asked("count(points)")).toBe(0);
  arrival = "2024-03-04T02:00:00Z";
  expect(await refresh(product, deps)).toMatchObject({ published: true, changed: [] });
  expect(await asked("sum(points)")).toBe(2 * 10 * 7);
});

test("a partition that was placed after this run listed the lake stays in the catalogue", async () => {
  const late = ["shop/visits/", "archive/shop.visits/"];
  const lake: RefreshDeps["lake"] = {
    ...deps.lake,
    async *list(prefix) {
      const isEarly = late.includes(prefix);
      if (isEarly) late.splice(late.indexOf(prefix), 1);
      for await (const object of deps.lake.list(prefix))
        if (!isEarly || !object.key.includes("day=2024-03-02")) yield object;
    },
  };
  const result = await refresh(wider(others, "points", "int"), { ...deps, lake }, { full: true });
  expect(result).toMatchObject({ changed: ["2024-03-01"] });
  expect(late).toEqual([]);
  expect(await asked("count(*)")).toBe(2 * 15);
});

test("a day that is gone is gone from the catalogue, also when everything is computed anew", async () => {
  for (const folder of ["shop/visits", "archive/shop.visits"])
    await rm(path.join(cloud.lakeFolder, folder, "day=2024-03-02"), { recursive: true });
  const product = wider(visits, "points", "int");
  const other = { from: Date.parse("2024-03-01"), to: Date.parse("2024-03-02") };
  await refresh(product, deps, { range: other });
  expect(await asked("count(*)")).toBe(2 * 15);
  await refresh(product, deps, { full: true });
  expect(await asked("count(*)")).toBe(15);
});
