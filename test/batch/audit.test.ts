/** Gold that the warehouse wrote wrongly is refused, with the numbers; expected ones are plain DuckDB's over the lake. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { refresh, type RefreshResult } from "../../etl/batch/run.ts";
import type { Product } from "../../src/model/product.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { removeDay, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedManifest } from "./stored.ts";

const days = ["2024-01-31", "2024-02-27", "2024-02-28"];
let cloud: Cloud;
let orders: string;
let first: RefreshResult;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of days.entries()) await writeOrders(cloud.duck, orders, day, 200 + i, i);
  first = await refresh(orderActivity, cloud.deps);
});
afterAll(() => cloud.close());

/** The refusal's message, after making sure that readers have what they had. */
async function refusal(product: Product, deps: RefreshDeps, full = true): Promise<string> {
  const before = await cloud.items(tables.insights);
  const error: unknown = await refresh(product, deps, { full }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "REFRESH" });
  expect(await storedManifest(cloud)).toMatchObject({ edition: first.edition, version: 1 });
  expect(await cloud.items(tables.insights)).toEqual(before);
  return (error as Error).message;
}

/** What a refresh works with when its UNLOAD writes the gold of 2024-02-28 as this SELECT over what it should be. */
function writing(select: string): RefreshDeps {
  const { warehouse } = cloud.deps;
  const run: typeof warehouse.run = async (statement, options) => {
    const result = await warehouse.run(statement, options);
    if (statement.sql.startsWith("UNLOAD")) await rewriteGold(select);
    return result;
  };
  return { ...cloud.deps, warehouse: { run } };
}

async function rewriteGold(select: string): Promise<void> {
  const editions = path.join(cloud.lakeFolder, "gold/OrderActivity");
  const newest = (await readdir(editions)).sort().at(-1)!;
  const folder = path.join(editions, newest, "0", "c1=2024-02-28");
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const written = select.replace("gold", `read_parquet('${file}', hive_partitioning = false)`);
    await cloud.duck.run(`COPY (${written}) TO '${file}' (FORMAT parquet)`);
  }
}

const replacing = (column: string, value: string, where: string): string =>
  `SELECT * REPLACE (CASE WHEN ${where} THEN ${value} ELSE ${column} END AS ${column}) FROM gold`;

/** Of the events of 2024-02-28. */
async function truth(aggregate: string): Promise<number> {
  const result = await cloud.duck.runAndReadAll(
    `SELECT ${aggregate} FROM read_parquet('${orders}/c1=2024-02-28/*.parquet', hive_partitioning = false)`,
  );
  return Number(result.getRows()[0]![0]);
}

test.each([
  ["a number of events", "events", 1, "count(*)"],
  ["a sum of integers", "sum_quantity", -1, "sum(quantity)"],
  ["a number of values", "count_quantity", 3, "count(quantity)"],
  ["a sum of doubles", "sum_price", 0.5, `sum("Cost Total $")`],
])("%s that one bucket has wrong is told with both totals", async (_, column, more, aggregate) => {
  const bucket = "rollup = 'country+express' AND country = 'DE' AND express";
  const message = await refusal(orderActivity, writing(replacing(column, `${column} + ${more}`, bucket)));
  const source = await truth(aggregate);
  const [, counted, held] = new RegExp(
    `partition 2024-02-28, rollup "country\\+express": ${column} is (\\S+), and (\\S+) in the source`,
  ).exec(message)!;
  expect(Number(counted)).toBeCloseTo(source + more, 6);
  expect(Number(held)).toBeCloseTo(source, 6);
  expect(message.match(/partition /g)).toHaveLength(1);
  expect(message).toContain(
    `The audit of "OrderActivity" failed. Nothing was published; edition ${first.edition} goes on serving.`,
  );
});

test.each([
  ["smallest", "min_price", `min("Cost Total $")`],
  ["largest", "max_quantity", `max(quantity)`],
])("the %s value is the source's in every rollup", async (_, column, aggregate) => {
  const message = await refusal(orderActivity, writing(replacing(column, "7", "rollup = 'total'")));
  expect(message).toContain(
    `partition 2024-02-28, rollup "total": ${column} is 7, and ${await truth(aggregate)} in the source`,
  );
});

test("a rollup that was lost is missed in each of its components; five are shown, and how many there are", async () => {
  const message = await refusal(orderActivity, writing("SELECT * FROM gold WHERE rollup <> 'bucket'"));
  expect(message).toContain(`rollup "bucket": events is 0, and 202 in the source`);
  expect(message.match(/partition 2024-02-28/g)).toHaveLength(5);
  expect(message).toContain("… 7 totals in all");
});

test.each([
  ["not a number", "sum_price", "'nan'::DOUBLE", "sum_price is NaN"],
  ["infinite", "min_price", "'-inf'::DOUBLE", "min_price is -Infinity"],
  ["an integer beyond 2^53", "max_quantity", "9007199254740992", "max_quantity is 9007199254740992"],
  ["a sum that is null", "sum_quantity", "NULL", "sum_quantity is null"],
])("a value that is %s is refused with its bucket", async (_, column, value, shown) => {
  const bucket = `rollup = 'country' AND country = 'FR' AND "bucket" = '2024-02-28 07:00'`;
  const message = await refusal(orderActivity, writing(replacing(column, value, bucket)));
  expect(message).toContain(`rollup "country", country "FR", 2024-02-28T07:00:00.000Z: ${shown}`);
});

test("rows of a rollup that the product does not have are refused", async () => {
  const extra = `FROM gold UNION ALL BY NAME SELECT 'region' AS rollup, TIMESTAMP '2024-02-28' AS "bucket", 1 AS events`;
  expect(await refusal(orderActivity, writing(`SELECT * ${extra}`))).toContain(
    `partition 2024-02-28 has rows of "region"`,
  );
});

test("gold without a column, or with one of another type, is refused by the column's name", async () => {
  const others = days.slice(0, 2);
  for (const day of others) await removeDay(orders, day);
  const without = await refusal(orderActivity, writing("SELECT * EXCLUDE max_quantity FROM gold"));
  expect(without).toContain(`"OrderActivity" has no column "max_quantity"`);
  const typed = await refusal(orderActivity, writing("SELECT * REPLACE ('much' AS max_quantity) FROM gold"));
  expect(typed).toContain(`has "max_quantity" as VARCHAR, not as int`);
  for (const [i, day] of others.entries()) await writeOrders(cloud.duck, orders, day, 200 + i, i);
});

test("nothing empty replaces an edition, be it built in full or under another shape", async () => {
  for (const day of days) await removeDay(orders, day);
  const problem = `the lake of "shop.orders" holds no events`;
  expect(await refusal(orderActivity, cloud.deps)).toContain(problem);
  expect(await refusal({ ...orderActivity, shape: "01234567" }, cloud.deps, false)).toContain(problem);
  for (const [i, day] of days.entries()) await writeOrders(cloud.duck, orders, day, 200 + i, i);
});

test("a product whose lake holds files without events does not begin with an empty edition", async () => {
  const other: Product = { ...orderActivity, name: "OtherActivity" };
  for (const day of days) await writeOrders(cloud.duck, orders, day, 0, days.indexOf(day));
  await expect(refresh(other, cloud.deps)).rejects.toThrow("An empty edition never goes live");
  for (const [i, day] of days.entries()) await writeOrders(cloud.duck, orders, day, 200 + i, i);
});

test("doubles that were added up in another order pass", async () => {
  const noisy = writing(replacing("sum_price", "sum_price * (1 + 1e-13)", "rollup = 'country'"));
  expect(await refresh(orderActivity, noisy, { full: true })).toMatchObject({ published: true, version: 2 });
});
