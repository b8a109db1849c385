import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { dynamoInsightStore } from "../../src/backends/insight-store.dynamodb.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import { itemId } from "../../src/model/layout.ts";
import { type LocalDynamoDb, localDynamoDb } from "./local-dynamodb.ts";

let local: LocalDynamoDb;
let store: InsightStore;
const options = { tables, random: () => 0, wait: () => Promise.resolve() };

beforeAll(async () => {
  local = await localDynamoDb();
  store = dynamoInsightStore({ ...options, client: local.client });
});
afterAll(() => local.close());

const segment = (i: number) => ({ pk: `p#${i}`, sk: "2001#e", packed: `[[0],[${i}]]` });
const live = (i: number): LiveItem => ({
  pk: "live",
  sk: String(i).padStart(3, "0"),
  version: 1_700_000_000_000_000 + i,
  watermarks: { "shard-0": "056:49600000000000000000000000000000000000000000000000000001", b: "001:7" },
  packed: `[[0],[${i}]]`,
});

const applied = (writeUnits: number) => ({ applied: true, writeUnits });
const refused = (writeUnits: number, current: LiveItem | null) => ({ applied: false, writeUnits, current });

test("segments are written in batches and read back, with live items, a hundred keys of both tables a call", async () => {
  const progress: number[] = [];
  const segments = Array.from({ length: 180 }, (_, i) => segment(i));
  expect(await store.writeSegments([segments], (written) => progress.push(written))).toBe(180);
  expect(progress.at(-1)).toBe(180);
  for (let i = 0; i < 15; i++) expect(await store.writeLive(live(i), null)).toEqual(applied(1));

  let calls = 0;
  const client = local.through((operation, call) => {
    if (operation === "BatchGetItemCommand") calls++;
    return call();
  });
  const wanted = [...segments, segment(999), segment(3)];
  const read = await dynamoInsightStore({ ...options, client }).read(wanted, [live(0), live(14), live(77)]);
  expect(calls).toBe(2);
  expect(read.segments).toEqual(new Map(segments.map((item) => [itemId(item), item.packed])));
  expect(read.live).toEqual(new Map([live(0), live(14)].map((item) => [itemId(item), item])));
});

test("what DynamoDB leaves unprocessed is read and written again", async () => {
  const large = "x".repeat(390_000); // 100 of them are more than the 16 MB of one answer
  const items = Array.from({ length: 60 }, (_, i) => ({ pk: `large#${i}`, sk: "1", packed: large }));
  await store.writeSegments([items]);
  expect((await store.read(items, [])).segments.size).toBe(60);

  let answers = 0;
  const client = local.through(async (operation, call) => {
    const answer = (await call()) as { output: Record<string, unknown> };
    if (operation === "BatchWriteItemCommand" && answers++ < 3)
      answer.output["UnprocessedItems"] = {
        [tables.insights]: [{ PutRequest: { Item: { pk: { S: "late" }, sk: { S: "1" }, c: { S: "[]" } } } }],
      };
    return answer;
  });
  await dynamoInsightStore({ ...options, client }).writeSegments([[segment(1), segment(2)]]);
  expect(answers).toBe(4);
  expect((await store.read([{ pk: "late", sk: "1" }], [])).segments.size).toBe(1);
});

test("a live item is written over the version it was computed from, and otherwise the stored one comes back", async () => {
  const first = { ...live(0), pk: "swap", version: 10 };
  const second = { ...first, version: 20, watermarks: {}, packed: "[]" };
  expect(await store.writeLive(first, 5)).toEqual(refused(1, null));
  expect(await store.writeLive(first, null)).toEqual(applied(1));
  expect(await store.writeLive(second, null)).toEqual(refused(1, first));
  expect(await store.writeLive(second, 10)).toEqual(applied(1));
  expect(await store.writeLive(first, 10)).toEqual(refused(1, second));
});

test("a write of a live item tells the write units that it cost, also one that was refused", async () => {
  const small = { ...live(1), pk: "units" };
  const large = { ...small, version: small.version + 1, packed: "z".repeat(2_500) };
  expect(await store.writeLive(large, null)).toEqual(applied(3));
  expect(await store.writeLive(small, null)).toEqual(refused(3, large));
  expect(await store.writeLive(small, large.version)).toEqual(applied(3));
  expect(await store.writeLive(large, null)).toEqual(refused(3, small));
});

test("the live items of a partition are listed, all pages of them", async () => {
  const items = Array.from({ length: 30 }, (_, i) => ({
    ...live(i),
    pk: "many",
    packed: "y".repeat(60_000),
  }));
  await Promise.all(items.map((item) => store.writeLive(item, null)));
  const listed: LiveItem[] = [];
  for await (const item of store.listLive("many")) listed.push(item);
  expect(listed).toEqual(items);
});

test("live items are removed, whatever their version, and what is gone stays gone", async () => {
  const items = Array.from({ length: 60 }, (_, i) => ({ ...live(i), pk: "ended" }));
  const other = { ...live(0), pk: "goes on" };
  await Promise.all([...items, other].map((item) => store.writeLive(item, null)));
  expect(await store.removeLive(store.listLive("ended"))).toBe(60);
  expect(await store.removeLive([items[0]!])).toBe(1);
  expect((await store.read([], [...items, other])).live).toEqual(new Map([[itemId(other), other]]));
});

test("a store that does not answer is BACKEND_UNAVAILABLE", async () => {
  const client = local.through(() => Promise.reject(new Error("no route")));
  const unreachable = dynamoInsightStore({ ...options, client });
  await expect(unreachable.read([segment(1)], [])).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  await expect(unreachable.writeSegments([[segment(1)]])).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
  });
  await expect(unreachable.writeLive(live(1), null)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test("a store that leaves everything unprocessed is BACKEND_UNAVAILABLE after bounded attempts", async () => {
  const client = local.through(async (_, call) => {
    const answer = (await call()) as { output: Record<string, unknown> };
    answer.output["UnprocessedKeys"] = { [tables.insights]: { Keys: [{ pk: "p#1", sk: "1" }] } };
    return answer;
  });
  await expect(dynamoInsightStore({ ...options, client }).read([segment(1)], [])).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: expect.stringContaining("throttled") as string,
  });
});
