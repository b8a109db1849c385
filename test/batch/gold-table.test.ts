/** Gold as BI tools query it through Athena, and what plain DuckDB counts over the lake, through all that editions go through. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { removeDay, writeOrders } from "./order-lake.ts";
import { nextOrderActivity } from "./next-orders.ts";
import { orderActivity } from "./orders.ts";

let cloud: Cloud;
let orders: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of ["2023-12-31", "2024-02-28", "2024-02-29"].entries())
    await writeOrders(cloud.duck, orders, day, 100 + i, i);
});
afterAll(() => cloud.close());

const ask = async (sql: string): Promise<readonly (readonly (string | null)[])[]> =>
  (await cloud.deps.warehouse.run({ sql, parameters: [], database: "shop" })).rows;

async function truth(sql: string): Promise<(string | null)[][]> {
  const lake = `(SELECT *, c1 FROM read_parquet('${orders}/*/*.parquet', hive_partitioning = true, hive_types_autocast = false))`;
  const { duck } = cloud;
  const result = await duck.runAndReadAll(sql.replace("lake", lake));
  return result.getRows().map((row) => row.map((cell) => (cell === null ? null : String(cell as unknown))));
}

/** Per day and country, and per day in total, as the table has them; `extra` are pairs of a gold column and its truth. */
async function expectQueryable(extra: readonly (readonly [string, string])[] = []): Promise<void> {
  const [gold, source] = [0, 1].map((side) => extra.map((pair) => `, ${pair[side]}`).join(""));
  expect(
    await ask(
      `SELECT c1, sum(events), sum(sum_quantity)${gold} FROM order_activity_gold WHERE "rollup" = 'total' GROUP BY c1 ORDER BY c1`,
    ),
  ).toEqual(await truth(`SELECT c1, count(*), sum(quantity)${source} FROM lake GROUP BY c1 ORDER BY c1`));
  expect(
    await ask(
      `SELECT c1, country, hour(bucket), events FROM order_activity_gold WHERE "rollup" = 'country' AND country <> '' ORDER BY c1, country, bucket`,
    ),
  ).toEqual(
    await truth(
      `SELECT c1, "Country ""$""" AS country, hour("Ordered At") AS h, count(*) FROM lake WHERE country <> '' GROUP BY ALL ORDER BY c1, country, h`,
    ),
  );
}

test("after the first refresh", async () => {
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ version: 1 });
  await expectQueryable([
    ["max(max_quantity)", "max(quantity)"],
    ["sum(events_where_express_eq_true)", "count(*) FILTER (WHERE express)"],
  ]);
});

test("after a changed, a new and a vanished partition: what does not change is not touched", async () => {
  await writeOrders(cloud.duck, orders, "2024-02-28", 30, 7);
  await writeOrders(cloud.duck, orders, "2025-01-01", 20, 8);
  await removeDay(orders, "2023-12-31");
  cloud.statements.length = 0;
  await refresh(orderActivity, cloud.deps);
  const alters = cloud.statements.filter((sql) => /ALTER TABLE .*_gold`/.test(sql));
  expect(alters).toHaveLength(3);
  expect(alters.filter((sql) => sql.includes("2024-02-29"))).toEqual([]);
  await expectQueryable();
});

test("nothing changed: the table is not touched", async () => {
  cloud.statements.length = 0;
  await refresh(orderActivity, cloud.deps);
  expect(cloud.statements).toEqual([]);
});

test("a refresh that dies between publishing and the table is made good by the next one", async () => {
  await writeOrders(cloud.duck, orders, "2024-02-29", 25, 9);
  const { warehouse } = cloud.deps;
  const run: typeof warehouse.run = (statement, options) =>
    /ALTER TABLE .*_gold`/.test(statement.sql)
      ? Promise.reject(new Error("gone"))
      : warehouse.run(statement, options);
  await expect(refresh(orderActivity, { ...cloud.deps, warehouse: { run } })).rejects.toThrow("gone");
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ published: false });
  await expectQueryable();
});

test("after a rollback the table shows what the earlier edition served, and after a release what is", async () => {
  const served = `SELECT c1, events, sum_quantity FROM order_activity_gold WHERE "rollup" = 'total' ORDER BY c1, bucket`;
  const before = await ask(served);
  await writeOrders(cloud.duck, orders, "2024-02-29", 60, 10);
  await writeOrders(cloud.duck, orders, "2026-01-01", 5, 11);
  await refresh(orderActivity, cloud.deps);
  await expectQueryable();
  expect(await ask(served)).not.toEqual(before);
  await rollback(orderActivity, {}, cloud.deps);
  expect(await ask(served)).toEqual(before);
  await release(orderActivity, cloud.deps);
  await refresh(orderActivity, cloud.deps);
  await expectQueryable();
});

test("after another declaration the table has its columns, and the old ones are gone", async () => {
  await refresh(nextOrderActivity, cloud.deps);
  await expectQueryable([["min(min_quantity)", "min(quantity)"]]);
  expect(
    await ask(
      `SELECT express, sum(events) FROM order_activity_gold WHERE "rollup" = 'express' GROUP BY 1 ORDER BY 1`,
    ),
  ).toEqual(await truth("SELECT express, count(*) FROM lake GROUP BY 1 ORDER BY 1"));
  await expect(ask("SELECT max_quantity FROM order_activity_gold")).rejects.toMatchObject({
    code: "AD_HOC_FAILED",
  });
});

test("after a rollback to the old declaration's edition the table is queryable, new columns null", async () => {
  const { restores } = await rollback(nextOrderActivity, {}, cloud.deps);
  expect(restores).not.toBeNull();
  await expectQueryable([["max(min_quantity)", "NULL"]]);
});
