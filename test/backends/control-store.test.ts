import { randomUUID } from "node:crypto";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { dynamoControlStore, expiryAttribute } from "../../src/backends/control-store.dynamodb.ts";
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

test("a document that expires says when, until it is written without", async () => {
  const expires = Date.UTC(2024, 0, 1, 0, 0, 0, 1);
  const key = { pk: "x", sk: "1" };
  const expiry = async () => {
    const get = new GetItemCommand({ TableName: tables.control, Key: { pk: { S: "x" }, sk: { S: "1" } } });
    return (await local.client.send(get)).Item?.[expiryAttribute]?.N;
  };
  const inSeconds = String(Date.UTC(2024, 0, 1) / 1_000 + 1);
  await store.put(key, { n: 1 }, null, expires);
  expect(await expiry()).toBe(inSeconds);
  await store.put(key, { n: 2 }, 1);
  expect(await expiry()).toBeUndefined();
  await store.put(key, { n: 3 }, "any", expires);
  expect(await expiry()).toBe(inSeconds);
  await store.put(key, { n: 4 }, "any");
  expect(await expiry()).toBeUndefined();
  expect(await store.get(key)).toEqual({ value: { n: 4 }, revision: 4 });
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
