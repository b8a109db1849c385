/** What the embedded DynamoDB keeps in its folder when its process is killed, and who may open it. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeTimeToLiveCommand,
  GetItemCommand,
  ListTablesCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import { onceClientOf, tableOf } from "./dynamodb.target.ts";
import { endpointProcess } from "./endpoint-process.ts";

describe("a process that is killed", () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "sluice-dynamodb-killed-"));
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true });
  });

  async function startProcess(): Promise<{ client: DynamoDBClient; kill: () => Promise<unknown> }> {
    const { child, endpoint } = endpointProcess("dynamodb", folder);
    children.push(child);
    const client = onceClientOf(await endpoint);
    const exited = once(child, "exit");
    return { client, kill: () => (child.kill("SIGKILL"), exited) };
  }

  it("reopens with every answered write, its tables and their time to live", async () => {
    const first = await startProcess();
    await first.client.send(new CreateTableCommand(tableOf("kept", ["pk"])));
    const specification = { AttributeName: "expires", Enabled: true };
    await first.client.send(
      new UpdateTimeToLiveCommand({ TableName: "kept", TimeToLiveSpecification: specification }),
    );
    const answered: string[] = [];
    const writing = (async () => {
      for (let batch = 0; ; batch++) {
        const keys = Array.from({ length: 25 }, (_, n) => `${batch}-${n}`);
        const puts = keys.map((pk) => ({ PutRequest: { Item: { pk: { S: pk } } } }));
        await first.client.send(new BatchWriteItemCommand({ RequestItems: { kept: puts } }));
        answered.push(...keys);
      }
    })().catch(() => undefined);
    await expect.poll(() => answered.length, { timeout: 20_000 }).toBeGreaterThan(500);
    await first.kill();
    await writing;

    const second = await startProcess();
    const found = await Promise.all(
      answered.map((pk) =>
        second.client.send(new GetItemCommand({ TableName: "kept", Key: { pk: { S: pk } } })),
      ),
    );
    expect(found.filter(({ Item }) => Item === undefined)).toEqual([]);
    const { TimeToLiveDescription } = await second.client.send(
      new DescribeTimeToLiveCommand({ TableName: "kept" }),
    );
    expect(TimeToLiveDescription).toEqual({ TimeToLiveStatus: "ENABLED", AttributeName: "expires" });
    await second.kill();
  });

  it("leaves no table half created or half deleted", async () => {
    const { openStore } = await import("../../cloud/local/dynamodb.dynalite.ts");
    const store = await openStore(folder);
    await store.db.put("table~creating", { TableName: "creating", TableStatus: "CREATING" });
    await store.db.put("table~deleting", { TableName: "deleting", TableStatus: "DELETING" });
    await store.db.close();
    const endpoint = await startDynamoDb({ folder });
    const { TableNames } = await onceClientOf(endpoint.endpoint).send(new ListTablesCommand({}));
    expect(TableNames).toContain("creating");
    expect(TableNames).not.toContain("deleting");
    await endpoint.close();
  });

  it("says so when another one has the folder open", async () => {
    const endpoint = await startDynamoDb({ folder });
    await expect(startDynamoDb({ folder })).rejects.toThrow(/one process at a time/);
    await endpoint.close();
    await (await startDynamoDb({ folder })).close();
  });
});
