import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type LocalDynamoDb, localDynamoDb } from "./local-dynamodb.ts";

let local: LocalDynamoDb;
let store: ControlStore;

beforeAll(async () => {
  local = await localDynamoDb();
  store = dynamoControlStore({ client: local.client, table: tables.control, token: randomUUID });
});
afterAll(() => local.close());

test("a document is created, swapped by its revision, and refused to a writer who is late", async () => {
  const key = { pk: "a", sk: "1" };
  expect(await store.get(key)).toBeNull();
  expect(await store.put(key, { n: 1 }, 1)).toBeNull();
  expect(await store.put(key, { n: 1 }, null)).toBe(1);
  expect(await store.put(key, { n: 2 }, null)).toBeNull();
  expect(await store.put(key, { n: 2 }, 1)).toBe(2);
  expect(await store.put(key, { n: 3 }, 1)).toBeNull();
  expect(await store.get(key)).toEqual({ value: { n: 2 }, revision: 2 });
});

test("'any' writes whatever is there, and the revision rises", async () => {
  const key = { pk: "b", sk: "1" };
  expect(await store.put(key, { n: 1 }, "any")).toBe(1);
  expect(await store.put(key, { n: 2 }, "any")).toBe(2);
  expect(await store.put(key, { n: 3 }, 1)).toBeNull();
  expect(await store.get(key)).toEqual({ value: { n: 2 }, revision: 2 });
});

test("of many writers of one revision exactly one succeeds", async () => {
  const key = { pk: "c", sk: "1" };
  await store.put(key, {}, null);
  const puts = await Promise.all(Array.from({ length: 20 }, (_, n) => store.put(key, { n }, 1)));
  expect(puts.filter((revision) => revision !== null)).toEqual([2]);
});

test("a put whose answer was lost is known again when the SDK repeats it", async () => {
  let puts = 0;
  const client = local.through(async (operation, call) => {
    if (operation === "PutItemCommand") puts++;
    const answer = await call();
    if (puts === 1) throw Object.assign(new Error("socket hang up"), { name: "TimeoutError" });
    return answer;
  });
  const unlucky = dynamoControlStore({ client, table: tables.control, token: randomUUID });
  expect(await unlucky.put({ pk: "d", sk: "1" }, { n: 1 }, null)).toBe(1);
  expect(puts).toBe(2);
});

test("documents of a partition are listed in order of their sort keys, all pages of them", async () => {
  const text = "x".repeat(50_000);
  const sorts = Array.from({ length: 40 }, (_, i) => `2001-${String(i).padStart(2, "0")}`);
  await Promise.all(sorts.map((sk) => store.put({ pk: "e", sk }, { sk, text }, null)));
  expect((await store.list("e")).map(({ sk }) => sk)).toEqual(sorts);
  const newest = await store.list<{ sk: string }>("e", { descending: true, first: 3 });
  expect(newest.map(({ value, sk, revision }) => [value.sk, sk, revision])).toEqual(
    sorts
      .slice(-3)
      .toReversed()
      .map((sk) => [sk, sk, 1]),
  );
  expect(await store.list("nothing")).toEqual([]);
});
