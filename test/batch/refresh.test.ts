/** Every segment against plain DuckDB, through what may happen to a lake between two refreshes. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { expectedBuckets, type Numbers, removeDay, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedBuckets, storedManifest } from "./stored.ts";

let cloud: Cloud;
let orders: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of ["2023-12-31", "2024-02-28", "2024-02-29", "2024-03-01"].entries())
    await writeOrders(cloud.duck, orders, day, 400 + i, i);
});
afterAll(() => cloud.close());

/** Sums of doubles depend on their order in the last digits; everything else is exact. */
function expectEqual(actual: Numbers, expected: Numbers): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [bucket, values] of expected) {
    const [count, express, items, revenue, ...rest] = values;
    const [gotCount, gotExpress, gotItems, gotRevenue, ...gotRest] = actual.get(bucket)!;
    expect([bucket, gotCount, gotExpress, gotItems, ...gotRest]).toEqual([
      bucket,
      count,
      express,
      items,
      ...rest,
    ]);
    expect(Math.abs(gotRevenue! - revenue!)).toBeLessThanOrEqual(Math.abs(revenue!) * 1e-12 + 1e-9);
  }
}

async function expectServed(until: string): Promise<void> {
  expectEqual(await storedBuckets(cloud), await expectedBuckets(cloud.duck, [orders], until));
}

test("the first refresh stores every closed bucket of every rollup", async () => {
  const result = await refresh(orderActivity, cloud.deps);
  expect(result).toMatchObject({
    published: true,
    version: 1,
    rows: 400 + 401 + 402 + 403,
    changed: ["2023-12-31", "2024-02-28", "2024-02-29", "2024-03-01"],
    vanished: [],
    coveredUntil: Date.parse("2024-03-02T00:00:00Z"),
  });
  expect(result.items).toBe((await cloud.items(tables.insights)).size);
  expect(result.bytesScanned).toBeGreaterThan(0);
  expect(await storedManifest(cloud)).toMatchObject({
    version: 1,
    edition: result.edition,
    coverage: { from: Date.parse("2023-12-31T00:00:00Z"), until: Date.parse("2024-03-02T00:00:00Z") },
    newest: Date.parse("2024-03-01T23:00:00Z"),
  });
  await expectServed("2024-03-02");
  expect(cloud.statements.filter((sql) => sql.startsWith("UNLOAD"))).toHaveLength(1);
});

test("nothing changed: no statement, no write, and the result says so", async () => {
  const before = await cloud.items(tables.control);
  cloud.statements.length = 0;
  const result = await refresh(orderActivity, cloud.deps);
  expect(result).toMatchObject({ published: false, version: 1, rows: 1_606, items: 0, changed: [] });
  expect(cloud.statements).toEqual([]);
  expect(await cloud.items(tables.control)).toEqual(before);
});

test("a new partition costs one UNLOAD of that partition, and closes what it completes", async () => {
  await writeOrders(cloud.duck, orders, "2024-04-01", 300, 9);
  cloud.statements.length = 0;
  const result = await refresh(orderActivity, cloud.deps);
  expect(result).toMatchObject({ version: 2, changed: ["2024-04-01"], rows: 1_906 });
  const unloads = cloud.statements.filter((sql) => sql.startsWith("UNLOAD"));
  expect(unloads).toHaveLength(1);
  expect(unloads[0]).toContain(`"c1" IN ('2024-04-01')`);
  await expectServed("2024-04-02");
});

test("a changed partition is counted anew, a vanished one no more", async () => {
  await writeOrders(cloud.duck, orders, "2024-02-28", 50, 77); // a second file
  await removeDay(orders, "2024-02-29");
  const result = await refresh(orderActivity, cloud.deps);
  expect(result).toMatchObject({
    version: 3,
    changed: ["2024-02-28"],
    vanished: ["2024-02-29"],
    rows: 1_906 + 50 - 402,
  });
  expect(cloud.statements.at(-2)).toContain("DROP IF EXISTS PARTITION (`c1` = '2024-02-29')");
  await expectServed("2024-04-02");
});

test("a vanished partition that comes back counts again", async () => {
  await writeOrders(cloud.duck, orders, "2024-02-29", 20, 5);
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ changed: ["2024-02-29"], vanished: [] });
  await expectServed("2024-04-02");
});

test("of two refreshes at once one publishes and the other is refused", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-01", 10, 31);
  const before = await storedManifest(cloud);
  const both = await Promise.allSettled([
    refresh(orderActivity, cloud.deps),
    refresh(orderActivity, cloud.deps),
  ]);
  expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const refused = both.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  expect(refused.reason).toMatchObject({ code: "CONFLICT" });
  expect((await storedManifest(cloud)).version).toBe(before.version + 1);
  await expectServed("2024-04-02");
});

test("a refresh that dies before publishing leaves readers where they were, and the next one does the work", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-01", 10, 32);
  const before = await storedManifest(cloud);
  const dying = { ...cloud.deps.insights, writeSegments: () => Promise.reject(new Error("gone")) };
  await expect(refresh(orderActivity, { ...cloud.deps, insights: dying })).rejects.toThrow("gone");
  expect(await storedManifest(cloud)).toEqual(before);
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({
    version: before.version + 1,
    changed: ["2024-03-01"],
  });
  await expectServed("2024-04-02");
});

test("a full refresh builds everything anew under the next version", async () => {
  const before = await storedManifest(cloud);
  const result = await refresh(orderActivity, cloud.deps, { full: true });
  expect(result.changed).toHaveLength(5);
  expect(result.version).toBe(before.version + 1);
  await expectServed("2024-04-02");
});

test("gold that lost a partition fails the audit and publishes nothing", async () => {
  await writeOrders(cloud.duck, orders, "2024-04-01", 10, 33);
  const before = await storedManifest(cloud);
  const forgetful = withoutGold(cloud.deps.lake);
  await expect(refresh(orderActivity, { ...cloud.deps, lake: forgetful })).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining(
      "partition 2024-04-01 holds 310 events and the UNLOAD wrote none",
    ) as string,
  });
  expect(await storedManifest(cloud)).toEqual(before);
});

function withoutGold(lake: Lake): Lake {
  return {
    ...lake,
    list: async function* (prefix) {
      if (!prefix.startsWith("gold/")) yield* lake.list(prefix);
    },
  };
}

test("an event in another day's partition fails the audit, naming both", async () => {
  const file = await writeOrders(cloud.duck, orders, "2024-04-02", 5, 1);
  await cloud.duck.run(
    `COPY (SELECT * REPLACE ("Ordered At" - INTERVAL 3 DAY AS "Ordered At") FROM '${file}') TO '${file}' (FORMAT parquet)`,
  );
  await expect(refresh(orderActivity, cloud.deps)).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringMatching(/c1=2024-04-02 holds events of 2024-03-30T/) as string,
  });
  await removeDay(orders, "2024-04-02");
});

test("a folder that is no partition of the declared grain is refused with the rule", async () => {
  await writeOrders(cloud.duck, orders, "2024-05", 5, 1).catch(() => {});
  await cloud.deps.lake.write("shop/orders/c1=2024-05/x.parquet", new Uint8Array(1));
  await expect(refresh(orderActivity, cloud.deps)).rejects.toThrow(
    'like "shop/orders/c1=2001-06-27/". Got "shop/orders/c1=2024-05"',
  );
  await removeDay(orders, "2024-05");
});

test("a lake that lost all its files does not replace an edition", async () => {
  const days = ["2023-12-31", "2024-02-28", "2024-02-29", "2024-03-01", "2024-04-01"];
  for (const day of days) await removeDay(orders, day);
  await expect(refresh(orderActivity, cloud.deps)).rejects.toThrow("is not replaced by an empty one");
});
