import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { writeInBatches } from "../../src/backends/batch-write.dynamodb.ts";
import { regrouped } from "../../src/backends/batches.ts";
import { type LocalDynamoDb, localDynamoDb } from "./local-dynamodb.ts";

let local: LocalDynamoDb;
const options = { table: tables.insights, random: () => 0, wait: () => Promise.resolve() };

beforeAll(async () => {
  local = await localDynamoDb();
});
afterAll(() => local.close());

const put = (pk: string) => ({ PutRequest: { Item: { pk: { S: pk }, sk: { S: "1" }, c: { S: "[]" } } } });
/** Calls. */
const throttled = 24;
const puts = (count: number) => Array.from({ length: count }, (_, i) => put(`item#${i}`));

test("batches of any size go out in full calls, the rest at the end", async () => {
  const sizes: number[] = [];
  const seen: number[] = [];
  const numbers = Array.from({ length: 123 }, (_, i) => i);
  const batches = [numbers.slice(0, 3), [], numbers.slice(3, 80), numbers.slice(80, 105), numbers.slice(105)];
  for await (const batch of regrouped(batches, 25)) {
    sizes.push(batch.length);
    seen.push(...batch);
  }
  expect(sizes).toEqual([25, 25, 25, 25, 23]);
  expect(seen).toEqual(numbers);
});

test("a table that throttles gets fewer calls at once, one that takes them more, and nothing is lost", async () => {
  let running = 0;
  let calls = 0;
  const widths: number[] = [];
  const client = local.through(
    async (_, call) => {
      widths.push(++running);
      const number = ++calls;
      try {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (number > throttled) return await call();
        throw Object.assign(new Error("slow down"), { name: "ThrottlingException" });
      } finally {
        running--;
      }
    },
    { maxAttempts: 1 },
  );
  expect(await writeInBatches({ ...options, client }, [puts(2_500)])).toBe(2_500);
  expect(Math.max(...widths.slice(0, throttled))).toBe(8);
  const next = widths.slice(throttled + 8, throttled + 24);
  expect(Math.max(...next)).toBeLessThan(8);
  expect(Math.max(...widths.slice(throttled + 24))).toBeGreaterThan(Math.max(...next));
  const { Count } = await local.client.send(new ScanCommand({ TableName: tables.insights, Select: "COUNT" }));
  expect(Count).toBe(2_500);
});
