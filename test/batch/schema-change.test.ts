/**
 * A product is declared again under its name. Gateways of both declarations are asked before, while and after its
 * refresh builds the new shape: the same numbers at any time, those of plain DuckDB, from the edition wherever it has them.
 */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { openSession, type Shared } from "../../src/loaders/session.ts";
import { expect as promise } from "../../src/model/expectation.ts";
import type { Filter } from "../../src/model/filter.ts";
import type { Product } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { type Cloud, gateway, startCloud } from "./cloud.ts";
import { writeOrders } from "./order-lake.ts";
import { nextOrderActivity } from "./next-orders.ts";
import { orderActivity } from "./orders.ts";
import { storedManifest } from "./stored.ts";

let cloud: Cloud;
let orders: string;
/** Gateways that run all the time, one of each declaration. */
let oldGateway: Shared;
let newGateway: Shared;
let firstEdition: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of ["2024-01-31", "2024-02-28", "2024-02-29"].entries())
    await writeOrders(cloud.duck, orders, day, 100 + i, i);
  [oldGateway, newGateway] = [gateway(cloud), gateway(cloud)];
});
afterAll(() => cloud.close());

const range = { from: Date.UTC(2024, 0, 1), to: Date.UTC(2024, 2, 1) };
const slices = {
  all: { where: [], sql: "TRUE" },
  country: { where: [{ op: "eq", column: "country", value: "DE" }], sql: `"Country ""$""" = 'DE'` },
  express: { where: [{ op: "eq", column: "express", value: true }], sql: "express" },
} as const satisfies Record<string, { where: Filter; sql: string }>;
const measures = {
  orders: "count(*)",
  items: "coalesce(sum(quantity), 0)",
  largest: "max(quantity)",
  smallest: "min(quantity)",
} as const;

type Sources = Readonly<Record<string, "EDITION" | "ATHENA">>;

/** Every measure of every slice equals DuckDB's. Resolves to where each came from: `country.items`. */
async function expectTrue(shared: Shared, product: Product): Promise<Sources> {
  const session = openSession(shared, { scope: analystScope, adHocWaitMs: 60_000 });
  const declared = Object.entries(measures).filter(([name]) =>
    product.measures.some((measure) => measure.name === name),
  );
  await Promise.all(
    Object.entries(slices).map(async ([slice, { where, sql }]) => {
      const insight = await session.insight({ product, where, range });
      const answers = await Promise.all(
        declared.map(([name]) => insight.measure(name, [slice, `${slice}.${name}`])),
      );
      const result = await cloud.duck.runAndReadAll(
        `SELECT ${declared.map(([, aggregate]) => aggregate).join(", ")} FROM read_parquet('${orders}/*/*.parquet', hive_partitioning = false) WHERE ${sql}`,
      );
      expect(answers).toEqual(result.getRows()[0]!.map(Number));
      expect(answers[0]).toBeGreaterThan(0);
    }),
  );
  return Object.fromEntries(
    session
      .extensions()
      .provenance.flatMap(({ fields, source }) => fields.map((field) => [field, source as "EDITION"])),
  );
}

const fromAthena = (sources: Sources): string[] =>
  Object.keys(sources)
    .filter((field) => sources[field] === "ATHENA")
    .sort();
/** What each declaration stores is what the other one's gateway leaves to Athena, besides what neither stores. */
const express = (...names: string[]) => names.map((name) => `express.${name}`);
const onlyOld = express("items", "largest", "orders");
const ofOldInNew = ["all.largest", "country.largest", "express.largest"];
const ofNewInOld = ["all.smallest", "country.smallest", ...express("items", "orders", "smallest")];

test("before the new declaration's refresh its gateway serves the old edition, and asks Athena for what that lacks", async () => {
  ({ edition: firstEdition } = await refresh(orderActivity, cloud.deps));
  expect(fromAthena(await expectTrue(oldGateway, orderActivity))).toEqual(onlyOld);
  expect(fromAthena(await expectTrue(newGateway, nextOrderActivity))).toEqual(ofNewInOld);
});

test("the old edition serves until the flip, and a refresh that the audit refuses changes nothing", async () => {
  const before = await storedManifest(cloud);
  const refused: Product = { ...nextOrderActivity, expectations: [promise.between("smallest", { min: 0 })] };
  await expect(refresh(refused, cloud.deps)).rejects.toThrow("smallest is -");
  expect(await storedManifest(cloud)).toEqual(before);
  expect(fromAthena(await expectTrue(newGateway, nextOrderActivity))).toEqual(ofNewInOld);
});

test("while the new shape is written nobody reads it; from the flip on everybody does", async () => {
  const { insights } = cloud.deps;
  let asked = 0;
  const watched: RefreshDeps["insights"] = {
    ...insights,
    writeSegments: async (segments) => {
      const written = await insights.writeSegments(segments);
      expect(fromAthena(await expectTrue(oldGateway, orderActivity))).toEqual(onlyOld);
      expect(fromAthena(await expectTrue(newGateway, nextOrderActivity))).toEqual(ofNewInOld);
      asked++;
      return written;
    },
  };
  const result = await refresh(nextOrderActivity, { ...cloud.deps, insights: watched });
  expect(result).toMatchObject({ published: true, version: 2, rows: 303 });
  expect(result.changed).toHaveLength(3);
  expect(asked).toBeGreaterThan(0);
  expect(fromAthena(await expectTrue(newGateway, nextOrderActivity))).toEqual([]);
  // a gateway that has not been deployed yet
  expect(fromAthena(await expectTrue(oldGateway, orderActivity))).toEqual([
    ...ofOldInNew.slice(0, 2),
    ...onlyOld,
  ]);
});

test("the new shape is kept up to date by partition like any other", async () => {
  await writeOrders(cloud.duck, orders, "2024-02-29", 20, 7);
  expect(await refresh(nextOrderActivity, cloud.deps)).toMatchObject({ version: 3, changed: ["2024-02-29"] });
  expect(fromAthena(await expectTrue(newGateway, nextOrderActivity))).toEqual([]);
});

test("both shapes' segments stay while their editions are kept, and the old one can be gone back to", async () => {
  const shapes = [...(await cloud.items(tables.insights)).keys()].map((key) => key.split("#")[1]);
  expect(new Set(shapes)).toEqual(new Set([orderActivity.shape, nextOrderActivity.shape]));
  expect(await rollback(nextOrderActivity, { to: firstEdition }, cloud.deps)).toMatchObject({ rows: 303 });
  const session = openSession(newGateway, { scope: analystScope, adHocWaitMs: 60_000 });
  const insight = await session.insight({ product: nextOrderActivity, where: [], range });
  expect(await insight.measure("orders", ["all", "orders"])).toBe(303);
});
