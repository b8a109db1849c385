/** Going back to earlier editions, and staying there: numbers from plain DuckDB over the lake as it was then. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { expectedBuckets, type Numbers, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedBuckets, storedManifest } from "./stored.ts";

let cloud: Cloud;
let orders: string;
/** What the first, second, … refresh published: its id, and the lake's numbers at that time. */
const editions: { readonly id: string; readonly truth: Numbers }[] = [];

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of ["2024-02-28", "2024-02-29", "2024-03-01"].entries()) {
    await writeOrders(cloud.duck, orders, day, 100 + i, i);
    await publish();
  }
});
afterAll(() => cloud.close());

async function publish(deps: RefreshDeps = cloud.deps): Promise<void> {
  const { edition, coveredUntil } = await refresh(orderActivity, deps);
  const until = new Date(coveredUntil).toISOString().slice(0, 10);
  editions.push({ id: edition, truth: rounded(await expectedBuckets(cloud.duck, [orders], until)) });
}

/** Sums of doubles depend on their order in the last digits. */
function rounded(numbers: Numbers): Numbers {
  return new Map(
    [...numbers].map(([bucket, values]) => [
      bucket,
      values.map((value) => value && Number(value.toPrecision(9))),
    ]),
  );
}

/** Readers get the numbers of the nth refresh. */
async function expectServed(n: number): Promise<void> {
  expect(rounded(await storedBuckets(cloud))).toEqual(editions[n - 1]!.truth);
}

test("a rollback serves the edition before under a new version, and holds it", async () => {
  await expectServed(3);
  expect(await rollback(orderActivity, {}, cloud.deps)).toMatchObject({
    version: 4,
    restores: editions[1]!.id,
    previous: editions[2]!.id,
    rows: 201,
  });
  await expectServed(2);
  expect(await storedManifest(cloud)).toMatchObject({
    version: 4,
    coverage: { until: Date.parse("2024-03-01T00:00:00Z") },
  });
});

test("no refresh publishes over it, changed lake or not, in full or not", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-02", 10, 8);
  const before = await cloud.items(tables.control);
  cloud.statements.length = 0;
  for (const full of [false, true])
    expect(await refresh(orderActivity, cloud.deps, { full })).toMatchObject({
      published: false,
      held: { edition: editions[2]!.id },
      version: 4,
      rows: 201,
    });
  expect(cloud.statements).toEqual([]);
  expect(await cloud.items(tables.control)).toEqual(before);
});

test("a second rollback goes one further back, a third finds nothing before", async () => {
  await rollback(orderActivity, {}, cloud.deps);
  await expectServed(1);
  const { id, version } = { ...(await storedManifest(cloud)), id: editions[0]!.id };
  expect(version).toBe(5);
  await expect(rollback(orderActivity, {}, cloud.deps)).rejects.toMatchObject({
    code: "BAD_USER_INPUT",
    message: expect.stringMatching(
      new RegExp(`There is none before the current one. Those are ${editions[2]!.id}, ${editions[1]!.id};`),
    ) as string,
  });
  await expect(rollback(orderActivity, { to: id }, cloud.deps)).rejects.toMatchObject({
    code: "BAD_USER_INPUT",
  });
  await expect(rollback(orderActivity, { to: "2001" }, cloud.deps)).rejects.toThrow(`Got "2001"`);
  await expectServed(1);
});

test("--to goes to any edition that is kept, forward too", async () => {
  expect(await rollback(orderActivity, { to: editions[2]!.id }, cloud.deps)).toMatchObject({ version: 6 });
  await expectServed(3);
});

test("after a release the next refresh publishes what has changed since", async () => {
  await release(orderActivity, cloud.deps);
  await expectServed(3);
  await expect(release(orderActivity, cloud.deps)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  await publish();
  expect(await storedManifest(cloud)).toMatchObject({ version: 8, edition: editions[3]!.id });
  await expectServed(4);
});

test("a rollback steps over rollbacks: before the fourth refresh's content is the third's", async () => {
  expect(await rollback(orderActivity, {}, cloud.deps)).toMatchObject({ restores: editions[2]!.id });
  await expectServed(3);
  await release(orderActivity, cloud.deps);
});

test("a refresh that was under way when a product was rolled back is refused", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-03", 10, 9);
  const { insights } = cloud.deps;
  const interrupted: RefreshDeps["insights"] = {
    ...insights,
    writeSegments: async (segments) => {
      const written = await insights.writeSegments(segments);
      await rollback(orderActivity, { to: editions[0]!.id }, cloud.deps);
      return written;
    },
  };
  await expect(refresh(orderActivity, { ...cloud.deps, insights: interrupted })).rejects.toMatchObject({
    code: "CONFLICT",
  });
  await expectServed(1);
});

test("a rollback that dies before the gold table knows is made good by a refresh, though it is held", async () => {
  await release(orderActivity, cloud.deps);
  const { warehouse } = cloud.deps;
  const dying = { ...cloud.deps, warehouse: { run: () => Promise.reject(new Error("gone")) } };
  await expect(rollback(orderActivity, { to: editions[3]!.id }, dying)).rejects.toThrow("gone");
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ published: false });
  const sql = "SELECT count(DISTINCT c1) FROM order_activity_gold";
  expect((await warehouse.run({ sql, parameters: [], database: "shop" })).rows).toEqual([["4"]]);
});

test("a rolled back edition that is still kept can be gone back to when the one it restored is not", async () => {
  await release(orderActivity, cloud.deps);
  await publish({ ...cloud.deps, retention: { editions: 2, ms: 0 } });
  await expectServed(5);
  expect(await rollback(orderActivity, {}, cloud.deps)).toMatchObject({ rows: 313 });
  await expectServed(4);
  await expect(rollback(orderActivity, {}, cloud.deps)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
});
