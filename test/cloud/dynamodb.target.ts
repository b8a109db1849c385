/** Where the suites of DynamoDB run: the embedded one, or AWS where SLUICE_CONFORMANCE=aws says so. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AttributeValue,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";

const onAws = process.env["SLUICE_CONFORMANCE"] === "aws";

export type Item = Record<string, AttributeValue>;

/** A DynamoDB with a table of the test's own, embedded or real. */
export interface Target {
  readonly client: DynamoDBClient;
  /** The name of a table that `close` deletes. */
  readonly table: string;
  /** Makes a table and waits until it is there. */
  newTable(name: string): Promise<void>;
  put(item: Item): Promise<unknown>;
  /** Reads consistently. */
  read(pk: string, sk?: string): Promise<Item | undefined>;
  close(): Promise<void>;
}

/** The real DynamoDB where SLUICE_CONFORMANCE=aws, else an embedded one in a folder of its own. */
export async function openTarget(): Promise<Target> {
  if (onAws) return targetOf(new DynamoDBClient({}), () => Promise.resolve());
  const folder = await mkdtemp(join(tmpdir(), "sluice-dynamodb-"));
  const embedded = await startDynamoDb({ folder });
  return targetOf(clientOf(embedded.endpoint), async () => {
    await embedded.close();
    await rm(folder, { recursive: true });
  });
}

async function targetOf(client: DynamoDBClient, shutDown: () => Promise<void>): Promise<Target> {
  const table = `sluice-conformance-${randomUUID()}`;
  const target: Target = {
    client,
    table,
    async newTable(name) {
      await client.send(new CreateTableCommand(tableOf(name)));
      await waitUntilTableExists({ client, maxWaitTime: 120, minDelay: 1 }, { TableName: name });
    },
    put: (item) => client.send(new PutItemCommand({ TableName: table, Item: item })),
    async read(pk, sk) {
      const request = { TableName: table, Key: key(pk, sk), ConsistentRead: true };
      return (await client.send(new GetItemCommand(request))).Item;
    },
    async close() {
      await client.send(new DeleteTableCommand({ TableName: table }));
      client.destroy();
      await shutDown();
    },
  };
  await target.newTable(table);
  return target;
}

/** An unmodified client of an embedded DynamoDB. */
export function clientOf(endpoint: string, options: DynamoDBClientConfig = {}): DynamoDBClient {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  return new DynamoDBClient({ endpoint, region: "us-east-1", credentials, ...options });
}

/** A client that sends a request once, whatever comes of it. */
export function onceClientOf(endpoint: string): DynamoDBClient {
  return clientOf(endpoint, { maxAttempts: 1 });
}

/** A table whose keys are strings, the partition's first. */
export function tableOf(TableName: string, keys: readonly string[] = ["pk", "sk"]): CreateTableCommandInput {
  return {
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: keys.map((AttributeName, nth) => ({ AttributeName, KeyType: nth === 0 ? "HASH" : "RANGE" })),
    AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
  };
}

export function key(pk: string, sk = "0"): { pk: { S: string }; sk: { S: string } } {
  return { pk: { S: pk }, sk: { S: sk } };
}
