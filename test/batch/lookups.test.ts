/** A source without a stream whose columns are looked up in a dimension table that changes. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { dryRun } from "../../etl/batch/dry-run.ts";
import { refresh } from "../../etl/batch/run.ts";
import { openSession } from "../../src/loaders/session.ts";
import { columns } from "../../src/model/columns.ts";
import { lookup } from "../../src/model/lookup.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { Column, Source } from "../../src/model/source.ts";
import { adHocStatement, readResult } from "../../src/sql/statement.ts";
import { type Cloud, gateway, startCloud } from "./cloud.ts";
import { storedBuckets } from "./stored.ts";

@Source({
  table: "shop.sales",
  time: "at",
  description: "Sales.",
  lookups: [
    lookup({
      table: "shop.stores",
      on: { store: "Store No", chain: "chain" },
      take: { region: "Region", surface: "surface" },
      valid: { from: "from", to: "to" },
    }),
  ],
})
class Sale {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Int, { nullable: true }) store!: number | null;
  @Column(() => String) chain!: string;
  @Column(() => Int) amount!: number;
  @Column(() => String, { nullable: true }) region!: string | null;
  @Column(() => Float, { nullable: true }) surface!: number | null;
}

const sale = columns(Sale);
const described = { description: "Of the test." };
const common = { source: Sale, owner: "shop", freshness: "P1D", description: "Sales." };

@DataProduct({
  ...common,
  rollups: [rollup([], { grains: ["HOUR"] }), rollup(["region"], { grains: ["HOUR", "DAY"] })],
})
class SaleActivity {
  @Dimension() region!: string | null;
  @Dimension() chain!: string;
  @Measure(sale.sum("amount"), described) amount!: number;
  @Measure(sale.max("surface"), described) largest!: number;
  @Measure(sale.countIf({ region: { eq: "north" } }), described) northern!: number;
}

/** Stores nothing that is looked up. */
@DataProduct({ ...common, rollups: [rollup(["chain"], { grains: ["DAY"] })] })
class ChainActivity {
  @Dimension() chain!: string;
  @Measure(sale.count(), described) sales!: number;
}

const product = (target: { name: string }) => declaredProducts().find(({ name }) => name === target.name)!;
const sales = product(SaleActivity);
const chains = product(ChainActivity);

let cloud: Cloud;
let stores: string;

beforeAll(async () => {
  cloud = await startCloud();
  stores = path.join(cloud.lakeFolder, "shop/stores");
  for (const day of ["2024-02-28", "2024-02-29"]) await writeSales(day);
});
afterAll(() => cloud.close());
beforeEach(() => {
  cloud.statements.length = 0;
});

/** One sale a minute; stores 0 to 4 and none, chains a and b. */
async function writeSales(day: string): Promise<void> {
  const folder = path.join(cloud.lakeFolder, `shop/sales/day=${day}`);
  await mkdir(folder, { recursive: true });
  await cloud.duck.run(`COPY (
    SELECT TIMESTAMP '${day}' + to_minutes(i) AS at, nullif(i % 6, 5) AS store, ['a', 'b'][1 + i % 2] AS chain, i AS amount
    FROM range(1440) AS t(i)) TO '${folder}/sales.parquet' (FORMAT parquet)`);
}

type Store = readonly [
  store: number | null,
  chain: string,
  region: string | null,
  surface: number | null,
  from: string | null,
  to: string | null,
];

const firstStores: readonly Store[] = [
  [0, "a", "north", 100.5, null, "2024-02-28 12:00:00"],
  [0, "a", "south", 7, "2024-02-28 12:00:00", "2024-02-29 00:00:00"],
  [0, "a", 'it\'s "west"', null, "2024-02-29 06:00:00", null],
  [1, "b", "north", -1, null, null],
  [1, "a", "nobody", 1, null, null],
  [2, "a", null, 3, null, null],
  [3, "b", "", 0.1, "2024-02-28 10:00:00.001", "2024-02-28 09:00:00"],
  [null, "a", "none", 1, null, null],
];

async function writeStores(rows: readonly Store[], file = "stores.parquet"): Promise<void> {
  await mkdir(stores, { recursive: true });
  const sql = (value: number | string | null, type: string) =>
    value === null ? `CAST(NULL AS ${type})` : `CAST('${String(value).replaceAll("'", "''")}' AS ${type})`;
  const values = rows.map(
    ([store, chain, region, surface, from, to]) =>
      `(${[sql(store, "INTEGER"), sql(chain, "VARCHAR"), sql(region, "VARCHAR"), sql(surface, "DOUBLE"), sql(from, "TIMESTAMP"), sql(to, "TIMESTAMP")].join(", ")})`,
  );
  await cloud.duck.run(`COPY (SELECT * FROM (VALUES ${values.join(", ")}) AS t("Store No", chain, "Region", surface, "from", "to"))
    TO '${path.join(stores, file)}' (FORMAT parquet)`);
}

/** The sales joined to the stores by hand. */
const joined = () => `(SELECT s.*, r."Region" AS region, r.surface
  FROM read_parquet('${cloud.lakeFolder}/shop/sales/**/*.parquet', hive_partitioning = false) s
  LEFT JOIN read_parquet('${stores}/*.parquet') r ON r."Store No" = s.store AND r.chain = s.chain
    AND (r."from" IS NULL OR s.at >= r."from") AND (r."to" IS NULL OR s.at < r."to"))`;

async function expectServed(): Promise<void> {
  const expected = new Map<string, (number | null)[]>();
  for (const [name, key, grain] of [
    ["total HOUR", null, "hour"],
    ["region HOUR", "region", "hour"],
    ["region DAY", "region", "day"],
  ] as const) {
    const result = await cloud.duck.runAndReadAll(
      `SELECT ${key ?? "0"}, epoch_ms(date_trunc('${grain}', "at")), count(*), sum(amount), max(surface), count(*) FILTER (WHERE region = 'north')
       FROM ${joined()} GROUP BY ALL`,
    );
    for (const [value, at, ...measures] of result.getRows()) {
      const id = `${name} ${JSON.stringify(key === null ? [] : [value])} ${new Date(Number(at)).toISOString()}`;
      expected.set(
        id,
        measures.map((each) => (each === null ? null : Number(each))),
      );
    }
  }
  expect(await storedBuckets(cloud, "SaleActivity")).toEqual(expected);
}

/** Sales per region of both days, as Athena answers them. */
async function askedByRegion(region: string): Promise<number> {
  const range = { from: Date.parse("2024-02-28T00:00:00Z"), to: Date.parse("2024-03-01T00:00:00Z") };
  const where = [{ op: "eq", column: "region", value: region }] as const;
  const { sql, parameters, layout } = adHocStatement(
    sales.source,
    [{ where, range, by: null }],
    [{ kind: "count" }],
  );
  const { rows } = await cloud.deps.warehouse.run({ sql, parameters, database: "shop" });
  return readResult(layout, rows, 1).get(0)?.get("count(*)") ?? 0;
}

async function expectedIn(region: string): Promise<number> {
  const result = await cloud.duck.runAndReadAll(
    `SELECT count(*) FROM ${joined()} WHERE region = '${region.replaceAll("'", "''")}'`,
  );
  return Number(result.getRows()[0]![0]);
}

test("a lookup in a table without files says where to put them", async () => {
  await expect(refresh(sales, cloud.deps)).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringMatching(/"shop\.stores" has no files in s3:\S+shop\/stores\/\. Put its/) as string,
  });
});

test("rollups, measures and ad-hoc questions over looked up columns are those of a join by hand", async () => {
  await writeStores(firstStores);
  expect(await refresh(sales, cloud.deps)).toMatchObject({ published: true, rows: 2 * 1_440 });
  await expectServed();
  for (const region of ["north", "south", 'it\'s "west"', "nobody", ""])
    expect(await askedByRegion(region)).toBe(await expectedIn(region));
  expect(await expectedIn("north")).toBeGreaterThan(0);
});

test("an unchanged table takes no statement and no write", async () => {
  const before = await cloud.items("sluice-control");
  expect(await refresh(sales, cloud.deps)).toMatchObject({ published: false });
  expect(cloud.statements).toEqual([]);
  expect(await cloud.items("sluice-control")).toEqual(before);
});

test("the values of a looked up dimension can be searched", async () => {
  const session = openSession(gateway(cloud), { scope: analystScope, adHocWaitMs: 60_000 });
  const entry = await session.catalogue(sales);
  expect(await entry.dimensionValues("region", "TH", 10)).toEqual(["north", "south"]);
});

test("what uses no looked up column joins and scans nothing more", async () => {
  expect(await refresh(chains, cloud.deps)).toMatchObject({ published: true });
  const unloads = cloud.statements.filter((sql) => sql.startsWith("UNLOAD"));
  expect(unloads).toHaveLength(1);
  expect(unloads[0]).not.toContain("JOIN");
});

test("a table that is written again with the same rows changes nothing", async () => {
  await writeStores(firstStores.toReversed());
  expect(await refresh(sales, cloud.deps)).toMatchObject({ published: false });
  expect(cloud.statements.filter((sql) => sql.startsWith("SELECT"))).toHaveLength(1);
  expect(cloud.statements.some((sql) => sql.startsWith("ALTER") || sql.startsWith("UNLOAD"))).toBe(false);
  cloud.statements.length = 0;
  expect(await refresh(sales, cloud.deps)).toMatchObject({ published: false });
  expect(cloud.statements).toEqual([]);
});

test("a changed table counts for all time: what is stored of it is counted anew, and nothing else", async () => {
  const moved: Store = [1, "b", "south", 2, null, null];
  await writeStores(firstStores.map((row) => (row[0] === 1 && row[1] === "b" ? moved : row)));
  const foretold = await dryRun(sales, cloud.deps, {});
  expect(foretold.changed).toEqual(["2024-02-28", "2024-02-29"]);
  expect(cloud.statements).toEqual([]);
  expect(await refresh(sales, cloud.deps)).toMatchObject({ changed: ["2024-02-28", "2024-02-29"] });
  await expectServed();
  expect(await askedByRegion("south")).toBe(await expectedIn("south"));
  expect(await dryRun(chains, cloud.deps, {})).toMatchObject({ changed: [] });
  expect(await refresh(chains, cloud.deps)).toMatchObject({ published: false });
});

test("two rows that count for one key at one time are refused, and what was served stays", async () => {
  const served = await askedByRegion("north");
  await writeStores([[1, "b", "east", 5, "2024-02-29 00:00:00", null]], "more.parquet");
  await expect(refresh(sales, cloud.deps)).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining(`"shop.stores" has two for Store No = 1, chain = "b".`) as string,
  });
  expect(await askedByRegion("north")).toBe(served);
  await rm(path.join(stores, "more.parquet"));
});

test("a value that no event can have is refused", async () => {
  await cloud.duck.run(
    `COPY (SELECT 9::INTEGER AS "Store No", 'c' AS chain, 'x' AS "Region", 'NaN'::DOUBLE AS surface, NULL::TIMESTAMP AS "from", NULL::TIMESTAMP AS "to")
     TO '${path.join(stores, "more.parquet")}' (FORMAT parquet)`,
  );
  await expect(refresh(sales, cloud.deps)).rejects.toThrow(
    `Column "surface" of "shop.stores" holds NaN, which is not a finite number.`,
  );
  await rm(path.join(stores, "more.parquet"));
});

test("a crash before the catalogue shows a version is repaired by the next refresh", async () => {
  await writeStores([...firstStores, [4, "a", "east", 5, null, null]]);
  const { warehouse } = cloud.deps;
  const dying: RefreshDeps["warehouse"] = {
    run: (statement, options) =>
      statement.sql.includes("SET LOCATION")
        ? Promise.reject(new Error("gone"))
        : warehouse.run(statement, options),
  };
  await expect(refresh(sales, { ...cloud.deps, warehouse: dying })).rejects.toThrow("gone");
  expect(await askedByRegion("east")).toBe(0);
  cloud.statements.length = 0;
  expect(await refresh(sales, cloud.deps)).toMatchObject({ changed: ["2024-02-28", "2024-02-29"] });
  // the version had been read and written
  expect(cloud.statements.some((sql) => sql.startsWith("SELECT"))).toBe(false);
  expect(await askedByRegion("east")).toBe(await expectedIn("east"));
  expect(await expectedIn("east")).toBeGreaterThan(0);
  await expectServed();
});

test("a refresh that is overtaken before it points the catalogue leaves it at the newer version", async () => {
  const { warehouse } = cloud.deps;
  await writeStores([...firstStores, [4, "a", "near east", 5, null, null]]);
  let overtake: (() => Promise<unknown>) | null = async () => {
    overtake = null;
    await writeStores([...firstStores, [4, "a", "far east", 5, null, null]]);
    await refresh(chains, cloud.deps);
  };
  const overtaken: RefreshDeps["warehouse"] = {
    run: async (statement, options) => {
      if (statement.sql.includes("SET LOCATION")) await overtake?.();
      return warehouse.run(statement, options);
    },
  };
  await refresh(sales, { ...cloud.deps, warehouse: overtaken });
  expect(overtake).toBeNull();
  expect(await askedByRegion("far east")).toBe(await expectedIn("far east"));
  expect(await expectedIn("far east")).toBeGreaterThan(0);
  await expectServed();
});

test("refreshes at once record a version once, and both go by it", async () => {
  await writeStores(firstStores);
  const results = await Promise.allSettled([refresh(sales, cloud.deps), refresh(chains, cloud.deps)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
  await expectServed();
  expect(await askedByRegion("east")).toBe(0);
});
