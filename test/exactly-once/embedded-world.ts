/** The world of a history behind the real AWS SDK and adapters, on the embedded cloud: one cloud, of which each has a part. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { AthenaClient, CreateWorkGroupCommand } from "@aws-sdk/client-athena";
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import {
  CreateStreamCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { createTable } from "../../bin/clients.ts";
import { startAthena } from "../../cloud/local/athena.ts";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import { startKinesis } from "../../cloud/local/kinesis.ts";
import { startS3 } from "../../cloud/local/s3.ts";
import { workgroup } from "../../cloud/resources.ts";
import { encodeEvents } from "../../etl/live/parquet.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import type { DeadLetter } from "../../src/backends/dead-letters.ts";
import { dynamoDeadLetters } from "../../src/backends/dead-letters.dynamodb.ts";
import { kinesisEventStream } from "../../src/backends/event-stream.kinesis.ts";
import type { Gold, GoldReader } from "../../src/backends/gold.ts";
import { duckdbGoldReader } from "../../src/backends/gold.duckdb.ts";
import { dynamoInsightStore } from "../../src/backends/insight-store.dynamodb.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";
import { dayMs, type LiveItemText, type Visit } from "./oracle.ts";
import type { Scheduler } from "./scheduler.ts";
import { visits } from "./visits.ts";
import { decoded } from "./warehouse.ts";
import type { TimeLapse, World } from "./world.ts";

export interface EmbeddedCloud {
  /** A part of the cloud that nothing has been put into. */
  newWorld(): Promise<(clock: TimeLapse, random: () => number) => World>;
  close(): Promise<void>;
}

const settings = {
  region: "us-east-1",
  // one with info would be told of every call
  logger: { warn: () => {}, error: () => {} } as unknown as NonNullable<S3ClientConfig["logger"]>,
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
};
const results = "results";

export async function openEmbeddedCloud(): Promise<EmbeddedCloud> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-exactly-once-"));
  const s3Folder = path.join(folder, "s3");
  let now = Date.now;
  const [dynamo, kinesisServer, s3Server] = await Promise.all([
    startDynamoDb(),
    startKinesis({ now: () => now() }),
    startS3({ folder: s3Folder }),
  ]);
  const athenaServer = await startAthena({ folder: path.join(folder, "athena"), s3Folder });
  const clients = {
    dynamodb: new DynamoDBClient({ ...settings, endpoint: dynamo.endpoint }),
    kinesis: new KinesisClient({ ...settings, endpoint: kinesisServer.endpoint }),
    s3: new S3Client({ ...settings, endpoint: s3Server.endpoint, forcePathStyle: true }),
    athena: new AthenaClient({ ...settings, endpoint: athenaServer.endpoint }),
  };
  await clients.s3.send(new CreateBucketCommand({ Bucket: results }));
  await clients.athena.send(new CreateWorkGroupCommand({ Name: workgroup }));
  let worlds = 0;
  return {
    newWorld: async () => {
      const part = await newPart(clients, `history${++worlds}`, folder);
      return (clock, random) => {
        now = clock.now;
        return embeddedWorld(clients, part, clock, random);
      };
    },
    close: async () => {
      for (const client of Object.values(clients)) client.destroy();
      await Promise.all([dynamo.close(), kinesisServer.close(), s3Server.close(), athenaServer.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Clients {
  readonly dynamodb: DynamoDBClient;
  readonly kinesis: KinesisClient;
  readonly s3: S3Client;
  readonly athena: AthenaClient;
}

interface Part {
  /** Of everything in it. */
  readonly name: string;
  readonly tables: Readonly<Record<"insights" | "live" | "control" | "deadLetters", string>>;
  readonly tempFolder: string;
}

async function newPart({ dynamodb, kinesis, s3 }: Clients, name: string, tempFolder: string): Promise<Part> {
  const tables = {
    insights: `${name}-insights`,
    live: `${name}-live`,
    control: `${name}-control`,
    deadLetters: `${name}-letters`,
  };
  await Promise.all([
    ...Object.values(tables).map((table) => createTable(dynamodb, table)),
    s3.send(new CreateBucketCommand({ Bucket: name })),
    kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: 2 })),
  ]);
  return { name, tables, tempFolder };
}

function embeddedWorld(clients: Clients, part: Part, clock: TimeLapse, random: () => number): World {
  const { name, tables } = part;
  const { dynamodb, kinesis } = clients;
  const { scheduler } = clock;
  const lake = s3Lake({ client: clients.s3, bucket: name });
  const stream = kinesisEventStream({ client: kinesis, stream: name, random: Math.random, wait });
  const warehouse = inDatabase(
    name,
    athenaWarehouse({
      client: clients.athena,
      workgroup,
      output: `s3://${results}/`,
      clock: Date.now,
      wait: (ms) => wait(Math.min(ms, 3)),
      token: randomUUID,
    }),
  );
  const yesterday = new Date(clock.start - dayMs).toISOString().slice(0, 10);
  return {
    stores: {
      control: dynamoControlStore({ client: dynamodb, table: tables.control, token: randomUUID }),
      insights: dynamoInsightStore({ client: dynamodb, tables, random: Math.random, wait }),
      lake,
      deadLetters: dynamoDeadLetters({
        client: dynamodb,
        table: tables.deadLetters,
        random: Math.random,
        wait,
      }),
      warehouse,
      stream,
    },
    broadcast: memoryBroadcast({ retainMs: 100 * dayMs, retainMax: 100_000, clock: clock.now, epoch: "e" }),
    clock,
    // what a reader sees of the lake it is told by the process
    gold: () => standingStill(scheduler, duckdbGoldReader({ lake, tempFolder: part.tempFolder })),
    place: (partitionKey, data) =>
      scheduler.work(async () => {
        const arrival = clock.now();
        const [placed] = await stream.put([{ partitionKey, data: data(arrival) }]);
        return { ...placed!, arrival };
      }),
    reshard: () => scheduler.work(() => reshard(kinesis, name, random)),
    writeLake: (rows) =>
      scheduler.work(() =>
        lake.write(
          `mall/visits/day=${yesterday}/f.parquet`,
          encodeEvents(
            visits,
            rows.map((row) => ({ ...row })),
          ),
        ),
      ),
    liveItems: () => scheduler.work(() => liveItems(dynamodb, tables.live)),
    letters: () => scheduler.work(() => letters(dynamodb, tables.deadLetters)),
    archived: () => scheduler.work(() => archived(lake)),
    queried: (day) => scheduler.work(() => queried(warehouse, day)),
  };
}

/** Athena has one catalogue: the database of the declaration is another one for each history. */
function inDatabase(name: string, warehouse: Warehouse): Warehouse {
  const placed = (sql: string): string =>
    sql.replaceAll('"mall".', `"${name}".`).replaceAll("`mall`", `\`${name}\``);
  return {
    run: (statement, options) =>
      warehouse.run({ ...statement, sql: placed(statement.sql), database: name }, options),
  };
}

/** DuckDB takes real time, which is none of the history's. */
function standingStill(scheduler: Scheduler, reader: GoldReader): Pick<GoldReader, "open"> {
  const still = (gold: Gold): Gold => ({
    totals: () => scheduler.work(() => gold.totals()),
    violations: (...args) => scheduler.work(() => gold.violations(...args)),
    assemble: (...args) => listed(scheduler, () => gold.assemble(...args)),
    keys: (...args) => listed(scheduler, () => gold.keys(...args)),
    close: () => scheduler.work(() => gold.close()),
  });
  return {
    open: (product, folders) => scheduler.work(async () => still(await reader.open(product, folders))),
  };
}

async function* listed<T>(scheduler: Scheduler, list: () => AsyncIterable<T>): AsyncIterable<T> {
  yield* await scheduler.work(async () => {
    const all: T[] = [];
    for await (const each of list()) all.push(each);
    return all;
  });
}

/** Splits an open shard or merges two neighbours. */
async function reshard(kinesis: KinesisClient, StreamName: string, random: () => number): Promise<void> {
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName }));
  const open = Shards.filter((shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined)
    .map(({ ShardId = "", HashKeyRange }) => ({
      id: ShardId,
      from: BigInt(HashKeyRange!.StartingHashKey!),
      to: BigInt(HashKeyRange!.EndingHashKey!),
    }))
    .sort((a, b) => (a.from < b.from ? -1 : 1));
  const at = Math.floor(random() * open.length);
  const [shard, neighbour] = [open[at]!, open[at + 1]];
  const change =
    neighbour !== undefined && (open.length > 2 || random() < 0.4)
      ? new MergeShardsCommand({ StreamName, ShardToMerge: shard.id, AdjacentShardToMerge: neighbour.id })
      : new SplitShardCommand({
          StreamName,
          ShardToSplit: shard.id,
          NewStartingHashKey: String((shard.from + shard.to) / 2n),
        });
  await kinesis.send(change as SplitShardCommand);
}

async function liveItems(client: DynamoDBClient, TableName: string): Promise<LiveItemText[]> {
  const items: LiveItemText[] = [];
  for await (const page of paginateScan({ client }, { TableName }))
    for (const { pk, sk, v, wm, c } of page.Items ?? [])
      items.push({
        pk: pk!.S!,
        sk: sk!.S!,
        version: Number(v!.N),
        watermarks: Object.fromEntries(Object.entries(wm!.M!).map(([shard, at]) => [shard, at.S!])),
        packed: c!.S!,
      });
  return items;
}

async function letters(client: DynamoDBClient, TableName: string): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  for await (const page of paginateScan({ client }, { TableName }))
    for (const { pk, sk, reason, detail, arrival, bytes } of page.Items ?? []) {
      const [stream = "", shard = ""] = pk!.S!.split("#");
      const [sequence = "", index] = sk!.S!.split("#");
      found.push({
        stream,
        shard,
        sequence,
        index: Number(index),
        reason: reason!.S!,
        detail: detail!.S!,
        arrival: Number(arrival!.N),
        bytes: bytes!.B!,
      });
    }
  return found;
}

async function archived(lake: Lake): Promise<Visit[]> {
  const rows: Visit[] = [];
  for await (const { key } of lake.list("archive/")) rows.push(...(await decoded(await lake.read(key))));
  return rows;
}

async function queried(warehouse: Warehouse, day: string): Promise<Visit[]> {
  const columns = ["id", "at", "shop", "amount", "member"].map((name) => `"${name}"`);
  const sql = `SELECT ${columns.join(", ")} FROM "mall"."visits" WHERE "day" = '${day}'`;
  const { rows } = await warehouse.run({ sql, parameters: [], database: "mall" });
  return rows.map(([id, at, shop = null, amount, member]) => ({
    id: Number(id),
    at: Date.parse(`${at?.replace(" ", "T")}Z`),
    shop,
    amount: amount == null ? null : Number(amount),
    member: member === "true",
  }));
}
