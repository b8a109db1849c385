/** What the gateway relies on in DynamoDB, held against the embedded endpoint or, with SLUICE_CONFORMANCE=aws, AWS. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  ScanCommand,
  UpdateItemCommand,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
  waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";
import type {
  AttributeValue,
  BatchWriteItemCommandOutput,
  CreateTableCommandInput,
} from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import type { DynamoDbEndpoint } from "../../cloud/local/dynamodb.ts";

const onAws = process.env["SLUICE_CONFORMANCE"] === "aws";
const table = `sluice-conformance-${randomUUID()}`;
let embedded: DynamoDbEndpoint | undefined;
let folder: string | undefined;
let client: DynamoDBClient;

const tableOf = (name: string): CreateTableCommandInput => ({
  TableName: name,
  BillingMode: "PAY_PER_REQUEST",
  KeySchema: [
    { AttributeName: "pk", KeyType: "HASH" },
    { AttributeName: "sk", KeyType: "RANGE" },
  ],
  AttributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "sk", AttributeType: "S" },
  ],
});

beforeAll(async () => {
  if (onAws) {
    client = new DynamoDBClient({});
  } else {
    folder = await mkdtemp(path.join(tmpdir(), "sluice-dynamodb-"));
    embedded = await startDynamoDb({ folder });
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    client = new DynamoDBClient({ endpoint: embedded.endpoint, region: "us-east-1", credentials });
  }
  await client.send(new CreateTableCommand(tableOf(table)));
  await waitUntilTableExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: table });
});

afterAll(async () => {
  await client.send(new DeleteTableCommand({ TableName: table }));
  client.destroy();
  await embedded?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const key = (pk: string, sk = "0"): { pk: { S: string }; sk: { S: string } } => ({
  pk: { S: pk },
  sk: { S: sk },
});
const put = (item: Record<string, AttributeValue>): Promise<unknown> =>
  client.send(new PutItemCommand({ TableName: table, Item: item }));
const read = async (pk: string, sk = "0"): Promise<Record<string, AttributeValue> | undefined> =>
  (await client.send(new GetItemCommand({ TableName: table, Key: key(pk, sk), ConsistentRead: true }))).Item;
const failure = (sent: Promise<unknown>): Promise<unknown> =>
  sent.then(
    () => expect.fail("must be refused"),
    (error: unknown) => error,
  );

describe("tables", () => {
  it("describes an active table with its key schema", async () => {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    expect(Table).toMatchObject({ TableStatus: "ACTIVE", KeySchema: tableOf(table).KeySchema });
  });

  it("refuses to create a table twice, and to use one that does not exist", async () => {
    expect(await failure(client.send(new CreateTableCommand(tableOf(table))))).toBeInstanceOf(
      ResourceInUseException,
    );
    const missing = { TableName: `${table}-missing`, Key: key("a") };
    expect(await failure(client.send(new GetItemCommand(missing)))).toBeInstanceOf(ResourceNotFoundException);
  });

  it("deletes a table with its items", async () => {
    const name = `${table}-short-lived`;
    await client.send(new CreateTableCommand(tableOf(name)));
    await waitUntilTableExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
    await client.send(new PutItemCommand({ TableName: name, Item: key("a") }));
    await client.send(new DeleteTableCommand({ TableName: name }));
    await waitUntilTableNotExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
    await client.send(new CreateTableCommand(tableOf(name)));
    await waitUntilTableExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
    expect((await client.send(new ScanCommand({ TableName: name }))).Count).toBe(0);
    await client.send(new DeleteTableCommand({ TableName: name }));
  });

  it("keeps which attribute says when an item expires", async () => {
    const specification = { AttributeName: "expires", Enabled: true };
    const enable = new UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification: specification });
    expect((await client.send(enable)).TimeToLiveSpecification).toEqual(specification);
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName: table }));
    expect(TimeToLiveDescription?.AttributeName).toBe("expires");
    expect(TimeToLiveDescription?.TimeToLiveStatus).toMatch(/^ENABL(ED|ING)$/);
    expect(await failure(client.send(enable))).toMatchObject({ name: "ValidationException" });
  });
});

const attribute = fc.letrec<{ value: AttributeValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary" }).map((S) => ({ S })),
    fc.integer().map((n) => ({ N: String(n) })),
    fc.uint8Array({ maxLength: 40 }).map((B) => ({ B })),
    fc.boolean().map((BOOL) => ({ BOOL })),
    fc.constant({ NULL: true as const }),
    fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 }).map((SS) => ({ SS })),
    fc.array(tie("value"), { maxLength: 4 }).map((L) => ({ L })),
    fc
      .dictionary(
        fc.string({ minLength: 1 }).filter((name) => name !== "__proto__"),
        tie("value"),
        { maxKeys: 4 },
      )
      .map((M) => ({ M })),
  ),
})).value;

describe("items", () => {
  it("returns what was put, whatever its type", async () => {
    const law = fc.asyncProperty(attribute, async (value) => {
      await put({ ...key("any"), value });
      expect(await read("any")).toEqual({ ...key("any"), value });
    });
    await fc.assert(law, { numRuns: 60 });
  });

  it("returns nothing for a key that is not there", async () => {
    expect(await read("never")).toBeUndefined();
  });

  it("updates counters, maps and sets in place, and returns what they became", async () => {
    const update = (
      names: string,
      values: Record<string, AttributeValue>,
    ): Promise<{ Attributes?: unknown }> =>
      client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: key("update"),
          UpdateExpression: names,
          ExpressionAttributeValues: values,
          ReturnValues: "ALL_NEW",
        }),
      );
    await update("SET m = :m, n = if_not_exists(n, :zero) + :one", {
      ":m": { M: {} },
      ":zero": { N: "0" },
      ":one": { N: "1" },
    });
    await update("SET m.a = :a ADD n :two, s :s", {
      ":a": { S: "x" },
      ":two": { N: "2" },
      ":s": { SS: ["p"] },
    });
    const { Attributes } = await update("SET l = list_append(:l, :l) ADD s :s", {
      ":l": { L: [{ N: "1" }] },
      ":s": { SS: ["q"] },
    });
    const expected = {
      m: { M: { a: { S: "x" } } },
      n: { N: "3" },
      s: { SS: ["p", "q"] },
      l: { L: [{ N: "1" }, { N: "1" }] },
    };
    expect(Attributes).toEqual({ ...key("update"), ...expected });
  });

  it("counts each of many concurrent increments once", async () => {
    const increment = new UpdateItemCommand({
      TableName: table,
      Key: key("counter"),
      UpdateExpression: "ADD n :one",
      ExpressionAttributeValues: { ":one": { N: "1" } },
    });
    await Promise.all(Array.from({ length: 50 }, () => client.send(increment)));
    expect((await read("counter"))?.["n"]).toEqual({ N: "50" });
  });

  it("refuses items over 400 KB, counted in UTF-8", async () => {
    const largest = { ...key("large"), v: { S: "é".repeat((409_600 - 9) / 2 - 1) } };
    await put(largest);
    const larger = { ...largest, v: { S: `${largest.v.S}éé` } };
    expect(await failure(put(larger))).toMatchObject({ name: "ValidationException" });
    const batch = new BatchWriteItemCommand({
      RequestItems: { [table]: [{ PutRequest: { Item: larger } }] },
    });
    expect(await failure(client.send(batch))).toMatchObject({ name: "ValidationException" });
    const growing = new UpdateItemCommand({
      TableName: table,
      Key: key("large"),
      UpdateExpression: "SET w = :w",
      ExpressionAttributeValues: { ":w": { S: "éé" } },
    });
    expect(await failure(client.send(growing))).toMatchObject({ name: "ValidationException" });
    expect(await read("large")).toEqual(largest);
  });
});

describe("conditions", () => {
  const stored = { ...key("held"), version: { N: "7" }, by: { S: "someone" } };
  const condition = {
    TableName: table,
    ConditionExpression: "version = :expected",
    ExpressionAttributeValues: { ":expected": { N: "6" } },
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  } as const;

  it.each([
    ["put", (): Promise<unknown> => client.send(new PutItemCommand({ ...condition, Item: key("held") }))],
    [
      "update",
      (): Promise<unknown> =>
        client.send(
          new UpdateItemCommand({
            ...condition,
            Key: key("held"),
            UpdateExpression: "REMOVE #by",
            ExpressionAttributeNames: { "#by": "by" },
          }),
        ),
    ],
    [
      "delete",
      (): Promise<unknown> => client.send(new DeleteItemCommand({ ...condition, Key: key("held") })),
    ],
  ])("a failed %s changes nothing and carries the item that failed it", async (_name, write) => {
    await put(stored);
    const error = await failure(write());
    expect(error).toBeInstanceOf(ConditionalCheckFailedException);
    expect(error).toMatchObject({ Item: stored });
    expect(await read("held")).toEqual(stored);
  });

  it("a failed condition carries no item when there is none, or when it was not asked for", async () => {
    const absent = await failure(client.send(new DeleteItemCommand({ ...condition, Key: key("absent") })));
    expect(absent).toBeInstanceOf(ConditionalCheckFailedException);
    expect(absent).toMatchObject({ Item: undefined });
    await put(stored);
    const { ReturnValuesOnConditionCheckFailure: _unasked, ...silent } = condition;
    expect(await failure(client.send(new DeleteItemCommand({ ...silent, Key: key("held") })))).toMatchObject({
      Item: undefined,
    });
  });

  it("lets exactly one of many concurrent creators win, and shows the others its item", async () => {
    const create = (n: number): Promise<unknown> =>
      client.send(
        new PutItemCommand({
          TableName: table,
          Item: { ...key("race"), n: { N: String(n) } },
          ConditionExpression: "attribute_not_exists(pk)",
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => create(n)));
    const winner = await read("race");
    const losers = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason as unknown] : [],
    );
    expect(losers).toHaveLength(19);
    for (const loser of losers) expect(loser).toMatchObject({ Item: winner });
  });
});

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
    await Promise.all(large.map(put));
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

describe("queries", () => {
  const query = async (
    condition: string,
    values: Record<string, string>,
    more: object = {},
  ): Promise<string[]> => {
    const found: string[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await client.send(
        new QueryCommand({
          TableName: table,
          KeyConditionExpression: condition,
          ExpressionAttributeValues: Object.fromEntries(
            Object.entries(values).map(([name, S]) => [name, { S }]),
          ),
          ConsistentRead: true,
          ExclusiveStartKey: start,
          ...more,
        }),
      );
      found.push(...(page.Items ?? []).map((item) => item["sk"]?.S ?? ""));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return found;
  };
  const binary = (keys: readonly string[]): string[] =>
    keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  it("returns a partition in binary order of its sort keys, in pages, from either end", async () => {
    const keys = ["", "a", "a/", "a0", "aa", "b", "é", "\u{1f600}", "\uffee", "zz", "Z"].filter(
      (sk) => sk !== "",
    );
    await Promise.all(keys.map((sk) => put(key("order", sk))));
    await put(key("orders", "other partition"));
    expect(await query("pk = :p", { ":p": "order" })).toEqual(binary(keys));
    expect(await query("pk = :p", { ":p": "order" }, { Limit: 3 })).toEqual(binary(keys));
    const backwards = { Limit: 4, ScanIndexForward: false };
    expect(await query("pk = :p", { ":p": "order" }, backwards)).toEqual(binary(keys).toReversed());
  });

  it("selects ranges of sort keys as comparing them does", async () => {
    const keys = ["2024", "2024-01", "2024-01-31", "2024-02", "2024-12", "2025-01"];
    await Promise.all(keys.map((sk) => put(key("range", sk))));
    const range = (condition: string, from: string, to = from): Promise<string[]> =>
      query(
        `pk = :p AND ${condition}`,
        { ":p": "range", ":a": from, ...(condition.includes(":b") && { ":b": to }) },
        { Limit: 2 },
      );
    expect(await range("begins_with(sk, :a)", "2024-01")).toEqual(keys.slice(1, 3));
    expect(await range("sk BETWEEN :a AND :b", "2024-01", "2024-02")).toEqual(keys.slice(1, 4));
    expect(await range("sk > :a", "2024-02")).toEqual(keys.slice(4));
    expect(await range("sk >= :a", "2024-02")).toEqual(keys.slice(3));
    expect(await range("sk < :a", "2024-02")).toEqual(keys.slice(0, 3));
    expect(await range("sk <= :a", "2024-02")).toEqual(keys.slice(0, 4));
    expect(await range("sk = :a", "2024-01")).toEqual(keys.slice(1, 2));
  });

  it("ends a page after 1 MB", async () => {
    const large = Array.from({ length: 5 }, (_, n) => ({
      ...key("paged", String(n)),
      v: { S: "v".repeat(300_000) },
    }));
    await Promise.all(large.map(put));
    const request = {
      TableName: table,
      KeyConditionExpression: "pk = :p",
      ExpressionAttributeValues: { ":p": { S: "paged" } },
    };
    const first = await client.send(new QueryCommand(request));
    expect(first.Count).toBeLessThan(5);
    expect(first.LastEvaluatedKey).toBeDefined();
    expect(await query("pk = :p", { ":p": "paged" })).toEqual(["0", "1", "2", "3", "4"]);
  });
});
