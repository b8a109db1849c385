/** What only the embedded DynamoDB can show: clients that leave, requests no SDK would send, how it closes. */
import { once } from "node:events";
import { connect } from "node:net";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  CreateTableCommand,
  DeleteTableCommand,
  GetItemCommand,
  ListTablesCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import type { DynamoDbEndpoint } from "../../cloud/local/dynamodb.ts";
import { onceClientOf, tableOf } from "./dynamodb.target.ts";

describe("requests no SDK would send", () => {
  let endpoint: DynamoDbEndpoint;
  let client: DynamoDBClient;

  beforeAll(async () => {
    endpoint = await startDynamoDb();
    client = onceClientOf(endpoint.endpoint);
    await client.send(new CreateTableCommand(tableOf("alive", ["pk"])));
  });
  afterAll(async () => {
    client.destroy();
    await endpoint.close();
  });

  const headers = {
    authorization: "AWS4-HMAC-SHA256 Credential=a",
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.PutItem",
  };
  const send = (init: RequestInit): Promise<Response> =>
    fetch(endpoint.endpoint, { method: "POST", headers, ...init });
  const tables = async (): Promise<string[] | undefined> =>
    (await client.send(new ListTablesCommand({}))).TableNames;

  it("survives clients that leave before, during and after the body", async () => {
    const head = [
      "POST / HTTP/1.1",
      "host: x",
      ...Object.entries(headers).map((pair) => pair.join(": ")),
    ].join("\r\n");
    const body = JSON.stringify({ TableName: "alive", Item: { pk: { S: "left" } } });
    const sent = [
      "",
      head,
      `${head}\r\ncontent-length: ${body.length}\r\n\r\n`,
      body.slice(0, 9),
      body.slice(9),
    ];
    for (let parts = 0; parts <= sent.length; parts++) {
      if (parts === 2) continue; // `head` is the beginning of the next part
      const socket = connect(Number(new URL(endpoint.endpoint).port), "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => undefined);
      const text = sent.slice(parts >= 3 ? 2 : 0, parts).join("");
      await new Promise((resolve) => socket.write(text, resolve));
      socket.resetAndDestroy();
      expect(await tables()).toEqual(["alive"]);
    }
  });

  it("leaves an item alone when the request to change it was cut off", async () => {
    const unfinished = JSON.stringify({ TableName: "alive", Item: { pk: { S: "cut off" } } });
    const socket = connect(Number(new URL(endpoint.endpoint).port), "127.0.0.1");
    const lines = Object.entries({ ...headers, host: "x", "content-length": unfinished.length + 1 });
    socket.write(
      `POST / HTTP/1.1\r\n${lines.map((pair) => pair.join(": ")).join("\r\n")}\r\n\r\n${unfinished}`,
    );
    await once(socket, "connect");
    socket.end();
    await once(socket.resume(), "close");
    const { Item } = await client.send(
      new GetItemCommand({ TableName: "alive", Key: { pk: { S: "cut off" } } }),
    );
    expect(Item).toBeUndefined();
  });

  it("answers garbage with an error and goes on", async () => {
    const operations = fc.constantFrom(
      "PutItem",
      "UpdateItem",
      "Query",
      "BatchGetItem",
      "BatchWriteItem",
      "CreateTable",
      "UpdateTimeToLive",
      "constructor",
      "X.Y",
    );
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          TableName: fc.oneof(fc.constant("alive"), fc.jsonValue()),
          Item: fc.jsonValue(),
          Key: fc.jsonValue(),
          RequestItems: fc.record({ alive: fc.jsonValue() }),
          UpdateExpression: fc.string(),
          KeyConditionExpression: fc.string(),
          TimeToLiveSpecification: fc.jsonValue(),
        })
        .map((body) => JSON.stringify(body)),
    );
    const law = fc.asyncProperty(operations, bodies, async (operation, body) => {
      const response = await send({
        body,
        headers: { ...headers, "x-amz-target": `DynamoDB_20120810.${operation}` },
      });
      const { __type: type } = (await response.json()) as { __type?: string };
      expect([200, 400, 500]).toContain(response.status);
      expect(type !== undefined).toBe(response.status !== 200);
    });
    await fc.assert(law, { numRuns: 200 });
    expect(await tables()).toEqual(["alive"]);
  });

  it("refuses wrong methods, unsigned requests and other services", async () => {
    expect((await fetch(endpoint.endpoint)).status).toBe(400);
    expect((await send({ method: "PUT", body: "{}" })).status).toBe(400);
    const { authorization: _none, ...unsigned } = headers;
    expect(await (await send({ headers: unsigned, body: "{}" })).text()).toContain(
      "MissingAuthenticationToken",
    );
    const other = { ...headers, "x-amz-target": "Kinesis_20131202.PutRecord" };
    expect(await (await send({ headers: other, body: "{}" })).text()).toContain("UnknownOperationException");
  });

  it("refuses a body over 16 MiB, after reading it", async () => {
    const response = await send({ body: " ".repeat(16 * 1024 * 1024 + 1) });
    expect(response.status).toBe(413);
    expect(await response.text()).toContain("send fewer items at a time");
    expect(await tables()).toEqual(["alive"]);
  });

  it("says what it does not implement", async () => {
    const transaction = new TransactWriteItemsCommand({ TransactItems: [] });
    await expect(client.send(transaction)).rejects.toMatchObject({
      name: "UnknownOperationException",
      message: expect.stringContaining('does not implement "TransactWriteItems"') as string,
    });
  });
});

describe("tables", () => {
  it("can be used as soon as they are created, and created as soon as they are deleted", async () => {
    const endpoint = await startDynamoDb();
    const client = onceClientOf(endpoint.endpoint);
    for (let round = 0; round < 20; round++) {
      await client.send(new CreateTableCommand(tableOf("quick", ["pk"])));
      const absent = await client.send(new GetItemCommand({ TableName: "quick", Key: { pk: { S: "a" } } }));
      expect(absent.Item).toBeUndefined();
      await client.send(new DeleteTableCommand({ TableName: "quick" }));
    }
    await endpoint.close();
  });
});

describe("closing", () => {
  it("can be done twice and frees the port for the next", async () => {
    const first = await startDynamoDb();
    const port = Number(new URL(first.endpoint).port);
    await Promise.all([first.close(), first.close()]);
    const second = await startDynamoDb({ port });
    expect(second.endpoint).toBe(first.endpoint);
    await second.close();
  });

  it("holds no iterator after a query, finished or cut short", async () => {
    const { openStore, runOperation } = await import("../../cloud/local/dynamodb.dynalite.ts");
    const store = await openStore(undefined);
    let open = 0;
    const values = store.db.values.bind(store.db);
    store.db.values = (options) => {
      const iterator = values(options);
      const close = iterator.close.bind(iterator);
      open++;
      iterator.close = () => (open--, close());
      return iterator;
    };
    await runOperation(store, "CreateTable", { ...tableOf("few", ["pk"]) });
    await expect.poll(async () => (await store.db.get("table~few"))?.["TableStatus"]).toBe("ACTIVE");
    const request = {
      TableName: "few",
      KeyConditionExpression: "pk = :p",
      ExpressionAttributeValues: { ":p": { S: "a" } },
    };
    await runOperation(store, "PutItem", { TableName: "few", Item: { pk: { S: "a" } } });
    await runOperation(store, "Query", { ...request });
    await runOperation(store, "Query", { ...request, Limit: 1 });
    await expect.poll(() => open).toBe(0);
    await store.db.close();
  });
});
