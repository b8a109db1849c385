/** The embedded cloud with a lake of orders, and what a refresh works with. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { AthenaClient, CreateWorkGroupCommand } from "@aws-sdk/client-athena";
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { createTable } from "../../bin/clients.ts";
import { buckets, tables, workgroup } from "../../cloud/resources.ts";
import { startAthena } from "../../cloud/local/athena.ts";
import { startDynamoDb } from "../../cloud/local/dynamodb.ts";
import { startS3 } from "../../cloud/local/s3.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import type { Progress } from "../../etl/batch/progress.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import { duckdbGoldReader } from "../../src/backends/gold.duckdb.ts";
import { dynamoInsightStore } from "../../src/backends/insight-store.dynamodb.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";
import type { Executions, Warehouse } from "../../src/backends/warehouse.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { SegmentCache } from "../../src/loaders/segments.ts";
import type { Shared } from "../../src/loaders/session.ts";
import type { AdHocDeps } from "../../src/loaders/ad-hoc/deps.ts";
import { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import { adHocLimits } from "../../src/loaders/ad-hoc/limits.ts";

const region = "eu-central-1";
const credentials = { accessKeyId: "local", secretAccessKey: "local" };

export interface Cloud {
  readonly deps: RefreshDeps;
  /** Where other processes find it. */
  readonly endpoints: Readonly<Record<"dynamo" | "s3" | "athena", string>>;
  /** Every statement that the warehouse was asked to run. */
  readonly statements: string[];
  readonly progress: Progress[];
  /** The ad-hoc fallback of another process. */
  adHoc(different?: Partial<AdHocDeps>): AdHocJobs;
  /** Plain DuckDB, to write the lake and to know what is right. */
  readonly duck: DuckDBConnection;
  /** Where the lake's objects are files. */
  readonly lakeFolder: string;
  /** All items of a table by "pk sk". */
  items(table: string): Promise<Map<string, Record<string, string>>>;
  close(): Promise<void>;
}

export async function startCloud(): Promise<Cloud> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-batch-"));
  const s3Folder = path.join(folder, "s3");
  const lakeFolder = path.join(s3Folder, buckets.lake);
  await mkdir(lakeFolder, { recursive: true });
  await mkdir(path.join(s3Folder, buckets.results), { recursive: true });
  const [dynamo, s3, athena] = await Promise.all([
    startDynamoDb(),
    startS3({ folder: s3Folder }),
    startAthena({ folder: path.join(folder, "athena"), s3Folder }),
  ]);
  const client = new DynamoDBClient({ endpoint: dynamo.endpoint, region, credentials });
  for (const TableName of Object.values(tables)) await createTable(client, TableName);
  const lake = s3Lake({
    client: new S3Client({ endpoint: s3.endpoint, region, credentials, forcePathStyle: true }),
    bucket: buckets.lake,
  });
  const athenaClient = new AthenaClient({ endpoint: athena.endpoint, region, credentials });
  await athenaClient.send(new CreateWorkGroupCommand({ Name: workgroup }));
  const statements: string[] = [];
  const warehouse = counting(
    athenaWarehouse({
      client: athenaClient,
      workgroup,
      output: `s3://${buckets.results}/`,
      clock: Date.now,
      wait,
      token: randomUUID,
    }),
    statements,
  );
  const progress: Progress[] = [];
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  const control = dynamoControlStore({ client, table: tables.control, token: randomUUID });
  const jobs = dynamoControlStore({ client, table: tables.jobs, token: randomUUID });
  return {
    deps: {
      warehouse,
      lake,
      control,
      insights: dynamoInsightStore({ client, tables, random: Math.random, wait }),
      gold: duckdbGoldReader({ lake, tempFolder: folder }),
      clock: Date.now,
      wait,
      token: randomUUID,
      progress: (event) => progress.push(event),
      barrierWaitMs: 5_000,
      retention: { editions: 10, ms: 0 },
    },
    endpoints: { dynamo: dynamo.endpoint, s3: s3.endpoint, athena: athena.endpoint },
    adHoc: (different) =>
      new AdHocJobs({
        jobs,
        control,
        executions: warehouse,
        limits: adHocLimits,
        clock: Date.now,
        wait: (ms, signal) => wait(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
        token: randomUUID,
        random: Math.random,
        ...different,
      }),
    statements,
    progress,
    duck,
    lakeFolder,
    items: (table) => scan(client, table),
    close: async () => {
      duck.closeSync();
      await Promise.all([dynamo.close(), s3.close(), athena.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function counting<W extends Warehouse & Executions>(warehouse: W, statements: string[]): W {
  return {
    ...warehouse,
    run: (statement, options) => {
      statements.push(statement.sql);
      return warehouse.run(statement, options);
    },
    start: (statement, token) => {
      statements.push(statement.sql);
      return warehouse.start(statement, token);
    },
  };
}

async function scan(client: DynamoDBClient, TableName: string): Promise<Map<string, Record<string, string>>> {
  const items = new Map<string, Record<string, string>>();
  for await (const page of paginateScan({ client }, { TableName }))
    for (const item of page.Items ?? []) {
      const plain = Object.entries(item).map(([name, value]) => [name, value.S ?? value.N ?? ""] as const);
      items.set(`${item["pk"]?.S} ${item["sk"]?.S}`, Object.fromEntries(plain));
    }
  return items;
}

/** A gateway that looks for a manifest with every request. */
export function gateway(cloud: Cloud): Shared {
  const { control, insights } = cloud.deps;
  const reading = { control, clock: () => performance.now(), maxAgeMs: 0 };
  return {
    control,
    insights,
    adHoc: cloud.adHoc(),
    manifests: new Manifests(reading),
    liveStatus: new LiveStatus(reading),
    segments: new SegmentCache(),
    leaderboards: new LeaderboardCache(),
  };
}
