/** Dead letters in the embedded DynamoDB: what is put comes back, whatever its size, and stays settled. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { DeadLetter, DeadLetters, StoredLetter } from "../../src/backends/dead-letters.ts";
import { dynamoDeadLetters } from "../../src/backends/dead-letters.dynamodb.ts";
import { type LocalDynamoDb, localDynamoDb } from "./local-dynamodb.ts";

let local: LocalDynamoDb;
let letters: DeadLetters;

beforeEach(async () => {
  local = await localDynamoDb();
  const { client } = local;
  letters = dynamoDeadLetters({
    client,
    table: tables.deadLetters,
    random: () => 0,
    wait: () => Promise.resolve(),
  });
});
afterEach(() => local.close());

const letter = (sequence: string, index: number, bytes: Uint8Array | string = "{"): DeadLetter => ({
  stream: "orders",
  shard: "shard-1",
  sequence,
  index,
  reason: "BAD_JSON",
  detail: "An event is a JSON object.",
  arrival: 1_700_000_000_123,
  bytes: Buffer.from(bytes),
});

async function allOf(stream: string, shard: string): Promise<{ found: StoredLetter[]; pages: number }> {
  const found: StoredLetter[] = [];
  let pages = 0;
  for (let from: string | null = null; pages === 0 || from !== null; pages++) {
    const page = await letters.page(stream, shard, from);
    found.push(...page.letters);
    from = page.next;
  }
  return { found, pages };
}

const positions = (found: readonly StoredLetter[]): string[] =>
  found.map(({ sequence, index }) => `${sequence}#${index}`).sort();

test("a letter comes back as it was put, of its own stream and shard only", async () => {
  await letters.put([
    letter("001:5", 0, ""),
    { ...letter("001:6", 1), shard: "shard-10" },
    { ...letter("001:7", 2), stream: "order" },
  ]);
  expect((await allOf("orders", "shard-1")).found).toEqual([{ ...letter("001:5", 0, ""), settled: null }]);
  expect((await allOf("orders", "shard-2")).found).toEqual([]);
});

test("letters of many pages come back once each, also those that are larger than an item, or than a page", async () => {
  const large = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 7) % 251));
  const put = [
    ...Array.from({ length: 12 }, (_, i) => letter("001:5", i, large(150_000 + i))),
    letter("001:6", 0, large(700_001)),
    letter("001:6", 1, large(4_200_000)),
    letter("001:6", 10, large(10)),
    letter("002:10", 0, large(350_000)),
  ];
  await letters.put(put);
  await letters.settle([put[3]!, put[13]!], { outcome: "ADMITTED", at: 5 });
  const { found, pages } = await allOf("orders", "shard-1");
  expect(pages).toBeGreaterThan(2);
  expect(positions(found)).toEqual(put.map(({ sequence, index }) => `${sequence}#${index}`).sort());
  for (const { bytes, sequence, index, settled } of found) {
    const original = put.findIndex((each) => each.sequence === sequence && each.index === index);
    expect(Buffer.compare(bytes, put[original]!.bytes)).toBe(0);
    expect(settled).toEqual(original === 3 || original === 13 ? { outcome: "ADMITTED", at: 5 } : null);
  }
});

test("letters of some records say where they stand, each once, whatever its size and whatever became of it", async () => {
  const large = Buffer.alloc(800_000, "x");
  const put = [
    letter("001:5", 0),
    letter("001:6", 1, large),
    letter("001:6", 12, large),
    letter("002:10", 0),
  ];
  await letters.put([
    ...put,
    { ...letter("001:6", 3), shard: "shard-2" },
    { ...letter("001:6", 4), stream: "x" },
  ]);
  await letters.settle([put[1]!], { outcome: "REPLAYED", at: 1 });
  const between = (first: string, last: string) => letters.positions("orders", "shard-1", first, last);
  expect(await between("001:6", "001:6")).toEqual([
    ["001:6", 1],
    ["001:6", 12],
  ]);
  expect(await between("001:0", "002:10")).toHaveLength(4);
  expect(await between("001:7", "002:09")).toEqual([]);
});

test("a letter that a repeated batch puts again stays settled", async () => {
  await letters.put([letter("001:5", 0), letter("001:5", 1)]);
  await letters.settle([letter("001:5", 1)], { outcome: "REPLAYED", at: 7 });
  await letters.put([letter("001:5", 0), letter("001:5", 1)]);
  expect((await allOf("orders", "shard-1")).found.map(({ index, settled }) => [index, settled])).toEqual([
    [0, null],
    [1, { outcome: "REPLAYED", at: 7 }],
  ]);
});
