/** What the gateway relies on in DynamoDB, held against the embedded endpoint or, with SLUICE_CONFORMANCE=aws, AWS. */
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  GetItemCommand,
  PutItemCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  ScanCommand,
  UpdateItemCommand,
  UpdateTimeToLiveCommand,
  waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { key, openTarget, tableOf, type Target } from "./dynamodb.target.ts";
import { failure } from "./failure.ts";

let target: Target;
let client: DynamoDBClient;
let table: string;

beforeAll(async () => {
  target = await openTarget();
  ({ client, table } = target);
});

afterAll(() => target.close());

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
    await target.newTable(name);
    await client.send(new PutItemCommand({ TableName: name, Item: key("a") }));
    await client.send(new DeleteTableCommand({ TableName: name }));
    await waitUntilTableNotExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
    await target.newTable(name);
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
      await target.put({ ...key("any"), value });
      expect(await target.read("any")).toEqual({ ...key("any"), value });
    });
    await fc.assert(law, { numRuns: 60 });
  });

  it("returns nothing for a key that is not there", async () => {
    expect(await target.read("never")).toBeUndefined();
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
    expect((await target.read("counter"))?.["n"]).toEqual({ N: "50" });
  });

  it("refuses items over 400 KB, counted in UTF-8", async () => {
    const largest = { ...key("large"), v: { S: "é".repeat((409_600 - 9) / 2 - 1) } };
    await target.put(largest);
    const larger = { ...largest, v: { S: `${largest.v.S}éé` } };
    expect(await failure(target.put(larger))).toMatchObject({ name: "ValidationException" });
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
    expect(await target.read("large")).toEqual(largest);
  });
});

describe("conditions", () => {
  const stored = { ...key("held"), version: { N: "7" }, by: { S: "someone" } };
  const condition = () =>
    ({
      TableName: table,
      ConditionExpression: "version = :expected",
      ExpressionAttributeValues: { ":expected": { N: "6" } },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    }) as const;

  it.each([
    ["put", (): Promise<unknown> => client.send(new PutItemCommand({ ...condition(), Item: key("held") }))],
    [
      "update",
      (): Promise<unknown> =>
        client.send(
          new UpdateItemCommand({
            ...condition(),
            Key: key("held"),
            UpdateExpression: "REMOVE #by",
            ExpressionAttributeNames: { "#by": "by" },
          }),
        ),
    ],
    [
      "delete",
      (): Promise<unknown> => client.send(new DeleteItemCommand({ ...condition(), Key: key("held") })),
    ],
  ])("a failed %s changes nothing and carries the item that failed it", async (_name, write) => {
    await target.put(stored);
    const error = await failure(write());
    expect(error).toBeInstanceOf(ConditionalCheckFailedException);
    expect(error).toMatchObject({ Item: stored });
    expect(await target.read("held")).toEqual(stored);
  });

  it("a failed condition carries no item when there is none, or when it was not asked for", async () => {
    const absent = await failure(client.send(new DeleteItemCommand({ ...condition(), Key: key("absent") })));
    expect(absent).toBeInstanceOf(ConditionalCheckFailedException);
    expect(absent).toMatchObject({ Item: undefined });
    await target.put(stored);
    const { ReturnValuesOnConditionCheckFailure: _unasked, ...silent } = condition();
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
    const winner = await target.read("race");
    const losers = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason as unknown] : [],
    );
    expect(losers).toHaveLength(19);
    for (const loser of losers) expect(loser).toMatchObject({ Item: winner });
  });
});
