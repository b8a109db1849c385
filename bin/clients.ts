/** The AWS clients: of the embedded cloud, or of the account that the SDK is configured for. */
import { AthenaClient, CreateWorkGroupCommand } from "@aws-sdk/client-athena";
import {
  CreateTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, KinesisClient } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { buckets, tableKey, tables, workgroup } from "../cloud/resources.ts";
import { expiryAttribute } from "../src/backends/control-store.dynamodb.ts";
import type { Product } from "../src/model/product.ts";
import { type Endpoints, type Environment, readEndpoints } from "./environment.ts";

export interface Clients {
  readonly dynamodb: DynamoDBClient;
  /** Of the ad-hoc fallback: however many questions come at once, they queue behind each other and before nothing else. */
  readonly jobs: DynamoDBClient;
  readonly kinesis: KinesisClient;
  /** Sends a request once: a replay must know which puts were answered. */
  readonly kinesisOnce: KinesisClient;
  readonly athena: AthenaClient;
  readonly s3: S3Client;
}

export function connect(environment: Environment): Clients {
  return environment.cloud === "aws" ? accountClients() : localClients(readEndpoints(environment.data));
}

/**
 * The SDK prepares a description of every request and answer for its logger, also for its own, which drops it: a tenth
 * of what a BatchWriteItem costs. Without `info` it does not.
 */
const logger = { warn: () => {}, error: () => {} } as unknown as NonNullable<DynamoDBClientConfig["logger"]>;

const jobSockets = 16;

function handler(maxSockets = 128): NodeHttpHandler {
  const agent = { maxSockets, keepAlive: true };
  return new NodeHttpHandler({ httpAgent: agent, httpsAgent: agent });
}

function accountClients(): Clients {
  return {
    dynamodb: new DynamoDBClient({ logger }),
    jobs: new DynamoDBClient({ logger, requestHandler: handler(jobSockets) }),
    kinesis: new KinesisClient({ logger }),
    kinesisOnce: new KinesisClient({ logger, maxAttempts: 1 }),
    athena: new AthenaClient({ logger }),
    s3: new S3Client({ logger }),
  };
}

/** The embedded cloud checks no credentials; the SDK wants some to sign with. */
export function localClients(endpoints: Endpoints): Clients {
  const common = {
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 5,
    logger,
  };
  return {
    dynamodb: new DynamoDBClient({ ...common, endpoint: endpoints.dynamodb, requestHandler: handler() }),
    jobs: new DynamoDBClient({
      ...common,
      endpoint: endpoints.dynamodb,
      requestHandler: handler(jobSockets),
    }),
    kinesis: new KinesisClient({ ...common, endpoint: endpoints.kinesis }),
    kinesisOnce: new KinesisClient({ ...common, endpoint: endpoints.kinesis, maxAttempts: 1 }),
    athena: new AthenaClient({ ...common, endpoint: endpoints.athena, requestHandler: handler() }),
    s3: new S3Client({ ...common, endpoint: endpoints.s3, forcePathStyle: true, requestHandler: handler() }),
  };
}

export function closeClients(clients: Clients): void {
  for (const client of Object.values(clients)) client.destroy();
}

/** Shards of a stream in the embedded cloud. */
const localShards = 2;

/** Creates what an account gets from the CDK app: tables, buckets, the workgroup, the products' streams. Repeatable. */
export async function provision(clients: Clients, products: readonly Product[]): Promise<void> {
  const streams = new Set(
    products.flatMap(({ source }) => (source.stream === null ? [] : [source.stream.name])),
  );
  await Promise.all([
    ...Object.values(tables).map((name) => unlessThere(createTable(clients.dynamodb, name))),
    ...Object.values(buckets).map((name) =>
      unlessThere(clients.s3.send(new CreateBucketCommand({ Bucket: name }))),
    ),
    unlessThere(clients.athena.send(new CreateWorkGroupCommand({ Name: workgroup }))),
    ...[...streams].map((name) =>
      unlessThere(
        clients.kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: localShards })),
      ),
    ),
  ]);
  await unlessThere(expireItems(clients.dynamodb, tables.jobs));
}

function expireItems(dynamodb: DynamoDBClient, name: string): Promise<unknown> {
  return dynamodb.send(
    new UpdateTimeToLiveCommand({
      TableName: name,
      TimeToLiveSpecification: { AttributeName: expiryAttribute, Enabled: true },
    }),
  );
}

/** A table as all of ours are: string keys `pk` and `sk`, on demand. */
export function createTable(dynamodb: DynamoDBClient, name: string): Promise<unknown> {
  const { partition, sort } = tableKey;
  return dynamodb.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: partition, KeyType: "HASH" },
        { AttributeName: sort, KeyType: "RANGE" },
      ],
      AttributeDefinitions: [partition, sort].map((attribute) => ({
        AttributeName: attribute,
        AttributeType: "S",
      })),
    }),
  );
}

const alreadyThere = ["ResourceInUseException", "BucketAlreadyOwnedByYou", "BucketAlreadyExists"];

async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    const { name, message } = error as Error;
    if (
      error instanceof ResourceInUseException ||
      alreadyThere.includes(name) ||
      /already (created|exists|enabled)/i.test(message)
    )
      return;
    throw error;
  }
}
