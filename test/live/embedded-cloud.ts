/** The real AWS clients on an embedded cloud in a folder of its own, with what one live source needs. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, KinesisClient, waitUntilStreamExists } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { createTable } from "../../bin/clients.ts";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import { startKinesis } from "../../cloud/local/kinesis.ts";
import { startS3 } from "../../cloud/local/s3.ts";
import { buckets, tables } from "../../cloud/resources.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import type { DeadLetters } from "../../src/backends/dead-letters.ts";
import { dynamoDeadLetters } from "../../src/backends/dead-letters.dynamodb.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { kinesisEventStream } from "../../src/backends/event-stream.kinesis.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import { dynamoInsightStore } from "../../src/backends/insight-store.dynamodb.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";

export interface EmbeddedCloud {
  readonly insights: InsightStore;
  readonly control: ControlStore;
  readonly deadLetters: DeadLetters;
  readonly lake: Lake;
  readonly dynamodb: DynamoDBClient;
  readonly kinesis: KinesisClient;
  newStream(name: string, shards: number): Promise<EventStream>;
  close(): Promise<void>;
}

export async function openCloud(): Promise<EmbeddedCloud> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-live-"));
  const [dynamo, kinesisServer, s3Server] = await Promise.all([
    startDynamoDb(),
    startKinesis(),
    startS3({ folder }),
  ]);
  const common = {
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  };
  const dynamodb = new DynamoDBClient({ ...common, endpoint: dynamo.endpoint });
  const kinesis = new KinesisClient({ ...common, endpoint: kinesisServer.endpoint });
  const s3 = new S3Client({ ...common, endpoint: s3Server.endpoint, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: buckets.lake }));
  await Promise.all(Object.values(tables).map((table) => createTable(dynamodb, table)));
  const { random } = Math;
  return {
    insights: dynamoInsightStore({ client: dynamodb, tables, random, wait }),
    control: dynamoControlStore({ client: dynamodb, table: tables.control, token: randomUUID }),
    deadLetters: dynamoDeadLetters({ client: dynamodb, table: tables.deadLetters, random, wait }),
    lake: s3Lake({ client: s3, bucket: buckets.lake }),
    dynamodb,
    kinesis,
    newStream: async (StreamName, ShardCount) => {
      await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount }));
      await waitUntilStreamExists({ client: kinesis, maxWaitTime: 10, minDelay: 1 }, { StreamName });
      return kinesisEventStream({ client: kinesis, stream: StreamName, random, wait });
    },
    close: async () => {
      for (const client of [dynamodb, kinesis, s3]) client.destroy();
      await Promise.all([dynamo.close(), kinesisServer.close(), s3Server.close()]);
      await rm(folder, { recursive: true });
    },
  };
}
