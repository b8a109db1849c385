/** Batches of DynamoDB as the gateway relies on them, embedded or, with SLUICE_CONFORMANCE=aws, in AWS. */
import type { BatchWriteItemCommandOutput, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchGetItemCommand, BatchWriteItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { key, openTarget, type Target } from "./dynamodb.target.ts";
import { failure } from "./failure.ts";

let target: Target;
let client: DynamoDBClient;
let table: string;

beforeAll(async () => {
  target = await openTarget();
  ({ client, table } = target);
});

afterAll(() => target.close());

describe("batches", () => {
  const items = Array.from({ length: 100 }, (_, n) => ({
    ...key("batch", String(n).padStart(3, "0")),
    n: { N: String(n) },
    rest: { S: "x" },
  }));
  const write = (some: typeof items): Promise<BatchWriteItemCommandOutput> =>
    client.send(
      new BatchWriteItemCommand({
        RequestItems: { [table]: some.map((Item) => ({ PutRequest: { Item } })) },
      }),
    );

  it("writes 25 and reads 100 items at a time, projected", async () => {
    for (let from = 0; from < 100; from += 25) {
      expect((await write(items.slice(from, from + 25))).UnprocessedItems).toEqual({});
    }
    const Keys = [...items.map(({ sk }) => key("batch", sk.S)).slice(0, 99), key("batch", "missing")];
    const request = {
      Keys,
      ProjectionExpression: "#n",
      ExpressionAttributeNames: { "#n": "n" },
      ConsistentRead: true,
    };
    const output = await client.send(new BatchGetItemCommand({ RequestItems: { [table]: request } }));
    expect(output.UnprocessedKeys).toEqual({});
    const numbers = output.Responses?.[table]?.map((item) => Number(item["n"]?.N)).sort((a, b) => a - b);
    expect(numbers).toEqual(items.slice(0, 99).map((_, n) => n));
    expect(output.Responses?.[table]?.every((item) => Object.keys(item).length === 1)).toBe(true);
  });

  it("refuses more than 25 writes, more than 100 reads and repeated keys", async () => {
    expect(await failure(write(items.slice(0, 26)))).toMatchObject({ name: "ValidationException" });
    expect(await failure(write([...items.slice(0, 1), ...items.slice(0, 1)]))).toMatchObject({
      name: "ValidationException",
    });
    const Keys = Array.from({ length: 101 }, (_, n) => key("batch", String(n)));
    const read101 = new BatchGetItemCommand({ RequestItems: { [table]: { Keys } } });
    expect(await failure(client.send(read101))).toMatchObject({ name: "ValidationException" });
  });

  it("reads up to 16 MB at a time and leaves the other keys, with their projection, for the next call", async () => {
    const large = Array.from({ length: 45 }, (_, n) => ({
      ...key("wide", String(n)),
      v: { S: "v".repeat(390_000) },
    }));
    await Promise.all(large.map((item) => target.put(item)));
    const request = { Keys: large.map(({ sk }) => key("wide", sk.S)), ProjectionExpression: "sk, v" };
    const first = await client.send(new BatchGetItemCommand({ RequestItems: { [table]: request } }));
    const rest = first.UnprocessedKeys?.[table];
    expect(first.Responses?.[table]?.length).toBeGreaterThan(38);
    expect(rest?.ProjectionExpression).toBe("sk, v");
    const second = await client.send(new BatchGetItemCommand({ RequestItems: first.UnprocessedKeys }));
    const both = [...(first.Responses?.[table] ?? []), ...(second.Responses?.[table] ?? [])];
    expect(new Set(both.map((item) => item["sk"]?.S)).size).toBe(45);
    expect(both.every((item) => item["pk"] === undefined)).toBe(true);
  });
});
