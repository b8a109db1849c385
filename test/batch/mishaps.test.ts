/** What an operator may meet: keys that cannot be stored, an empty range, a refresh that is stopped, a store that is gone. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { explained } from "../../bin/failure.ts";
import { tables } from "../../cloud/resources.ts";
import { refresh } from "../../etl/batch/run.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";
import { inParallel } from "../../src/backends/batches.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedManifest } from "./stored.ts";

let cloud: Cloud;
let orders: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const day of ["2024-02-28", "2024-02-29"]) await writeOrders(cloud.duck, orders, day, 50, 1);
  await refresh(orderActivity, cloud.deps);
});
afterAll(() => cloud.close());

test("a key beyond 2^53 fails the audit with its rollup and bucket, and once mended nothing is left of it", async () => {
  const file = await writeOrders(cloud.duck, orders, "2024-03-01", 40, 2);
  await cloud.duck.run(
    `COPY (SELECT * REPLACE (CASE WHEN bucket = 1 THEN 9007199254740993 ELSE bucket END AS bucket) FROM '${file}') TO '${file}' (FORMAT parquet)`,
  );
  // the month that the key is in is still open
  await expect(refresh(orderActivity, cloud.deps)).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringMatching(
      /in keys too, are finite, integers at most 2\^53[^\n]*\n +rollup "bucket", bucket "9007199254740993", 2024-03-01T00/,
    ) as string,
  });
  expect((await storedManifest(cloud)).version).toBe(1);
  await rm(file);
  await writeOrders(cloud.duck, orders, "2024-03-01", 40, 2);
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ published: true, version: 2 });
});

test("a range that holds no partition is refused, with what there is", async () => {
  const range = { from: Date.parse("2023-01-01"), to: Date.parse("2023-02-01") };
  await expect(refresh(orderActivity, cloud.deps, { range })).rejects.toMatchObject({
    code: "BAD_USER_INPUT",
    message: expect.stringContaining("it goes from 2024-02-28 to 2024-03-01") as string,
  });
});

test("a refresh that is asked to stop while it loads says so and publishes nothing", async () => {
  const stopping = new AbortController();
  const before = await storedManifest(cloud);
  const progress: typeof cloud.deps.progress = ({ stage }) => stage === "load" && stopping.abort();
  const { signal } = stopping;
  await expect(
    refresh(orderActivity, { ...cloud.deps, progress }, { full: true, signal }),
  ).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining('"OrderActivity" was stopped. Nothing was published') as string,
  });
  expect(await storedManifest(cloud)).toEqual(before);
});

test("what follows a publication may fail: it is said that the edition is served, and done by the next run", async () => {
  await writeOrders(cloud.duck, orders, "2024-03-02", 10, 3);
  const { warehouse } = cloud.deps;
  const failing: typeof warehouse = {
    run: (statement, options) =>
      statement.sql.includes("_gold`")
        ? Promise.reject(new Error("no route"))
        : warehouse.run(statement, options),
  };
  await expect(refresh(orderActivity, { ...cloud.deps, warehouse: failing })).rejects.toThrow(
    /^Edition \S+ of "OrderActivity" is published and served\. .* is done by the next refresh: .*no route/s,
  );
  expect(await storedManifest(cloud)).toMatchObject({ version: 3 });
  cloud.statements.length = 0;
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ published: false, version: 3 });
  expect(cloud.statements.every((sql) => sql.includes("_gold`"))).toBe(true);
  expect(cloud.statements).not.toEqual([]);
  expect((await cloud.items(tables.control)).size).toBeGreaterThan(0);
});

test("a lake that does not answer is BACKEND_UNAVAILABLE, and an operator is told why", async () => {
  const client = new S3Client({
    endpoint: "http://127.0.0.1:1",
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  const gone = refresh(orderActivity, { ...cloud.deps, lake: s3Lake({ client, bucket: "sluice-lake" }) });
  const error: unknown = await gone.catch((each: unknown) => each);
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(explained(error)).toMatch(
    /refused to list "shop\/orders\/"[^\n]*\n {2}because: \S+: .*ECONNREFUSED/,
  );
});

test("work that has begun is waited for when what it comes from fails", async () => {
  const ended: number[] = [];
  const failing = async function* () {
    yield* [1, 2];
    throw new Error("no more");
  };
  const work = async (item: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended.push(item);
  };
  await expect(inParallel(failing(), 4, work)).rejects.toThrow("no more");
  expect(ended).toEqual([1, 2]);
});
