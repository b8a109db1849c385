/** What a changed day costs: bytes of its own partition and columns, items of its own keys; months that are whole when they close. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { refresh } from "../../etl/batch/run.ts";
import { segmentParts } from "../../src/loaders/segment-parts.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { expectedBuckets, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedBuckets, storedManifest } from "./stored.ts";

let cloud: Cloud;
let orders: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (let day = 1; day <= 9; day++) await writeOrders(cloud.duck, orders, `2024-03-0${day}`, 300, day);
});
afterAll(() => cloud.close());

/** Of the columns that a product reads, as the files' footers tell. */
async function bytesOf(...days: string[]): Promise<number> {
  const files = days.map((day) => `'${orders}/c1=${day}/*.parquet'`);
  const result = await cloud.duck.runAndReadAll(
    `SELECT sum(total_compressed_size) FROM parquet_metadata([${files.join(", ")}]) WHERE path_in_schema <> 'unused'`,
  );
  return Number(result.getRows()[0]![0]);
}

/** The pages that say which edition holds what, of days and months. */
async function dayPage(rollup: string): Promise<Record<string, string>> {
  const { pages } = await storedManifest(cloud);
  const name = `segments/${rollup}/2024`;
  const document = (await cloud.items(tables.control)).get(`page#OrderActivity#${name} ${pages[name]}`)!;
  return (JSON.parse(document["d"]!) as { DAY: Record<string, string> }).DAY;
}

async function periodsWritten(edition: string): Promise<Set<string>> {
  const found = [...(await cloud.items(tables.insights)).values()].filter(({ sk }) =>
    sk!.endsWith(`#${edition}`),
  );
  return new Set(found.map(({ pk, sk }) => `${pk!.split("#")[3]} ${sk!.split("#")[0]}`));
}

async function expectServed(until: string): Promise<void> {
  const expected = await expectedBuckets(cloud.duck, [orders], until);
  const stored = await storedBuckets(cloud);
  expect([...stored.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [id, [count]] of expected) expect([id, stored.get(id)?.[0]]).toEqual([id, count]);
}

test("a first refresh scans the columns of the product and no others, and stores an open month as far as it has come", async () => {
  const days = Array.from({ length: 9 }, (_, i) => `2024-03-0${i + 1}`);
  const { bytesScanned } = await refresh(orderActivity, cloud.deps);
  expect(bytesScanned).toBe(await bytesOf(...days));
  expect(Object.keys(await dayPage("country"))).toEqual(["2024-03"]);
  await expectServed("2024-03-10");
});

test("a new and a changed day of an open month are scanned and stored by themselves", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-10", 200, 10);
  await writeOrders(cloud.duck, orders, "2024-03-04", 100, 11);
  const { bytesScanned, edition } = await refresh(orderActivity, cloud.deps);
  expect(bytesScanned).toBe(await bytesOf("2024-03-04", "2024-03-10"));
  const days = ["2024-03-04", "2024-03-10"];
  const written = await periodsWritten(edition);
  expect(written).toEqual(new Set([...days.map((day) => `HOUR ${day}`), ...days.map((day) => `DAY ${day}`)]));
  expect(Object.keys(await dayPage("country")).sort()).toEqual(["2024-03", "2024-03-04", "2024-03-10"]);
  await expectServed("2024-03-11");
});

test("a day of an open month that lost its files is empty, whatever its month's segment holds of it", async () => {
  await rm(path.join(orders, "c1=2024-03-05"), { recursive: true });
  const { edition } = await refresh(orderActivity, cloud.deps);
  const page = await dayPage("total");
  expect(Object.keys(page).sort()).toEqual(["2024-03", "2024-03-04", "2024-03-05", "2024-03-10"]);
  const [part] = segmentParts({ DAY: page }, { grain: "DAY", period: "2024-03", first: 4, end: 5 });
  expect(part).toMatchObject({ period: "2024-03-05", edition });
  const items = [...(await cloud.items(tables.insights)).values()];
  expect(items.filter(({ sk }) => sk === `2024-03-05#${edition}`)).toEqual([]);
});

test("a month that closes becomes one segment a key again, its days scanned no more", async () => {
  await writeOrders(cloud.duck, orders, "2024-04-01", 50, 12);
  const { bytesScanned, edition } = await refresh(orderActivity, cloud.deps);
  expect(bytesScanned).toBe(await bytesOf("2024-04-01"));
  expect(await dayPage("country")).toEqual({ "2024-03": edition, "2024-04-01": edition });
  await expectServed("2024-04-02");
});
