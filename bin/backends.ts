/** The backends over the AWS clients, and what they need of the world: clock, randomness, waiting. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { buckets, tables, workgroup } from "../cloud/resources.ts";
import type { ArchiveReader } from "../src/backends/archive-reader.ts";
import { duckdbArchiveReader } from "../src/backends/archive-reader.duckdb.ts";
import type { ControlStore } from "../src/backends/control-store.ts";
import { dynamoControlStore } from "../src/backends/control-store.dynamodb.ts";
import type { DeadLetters } from "../src/backends/dead-letters.ts";
import { dynamoDeadLetters } from "../src/backends/dead-letters.dynamodb.ts";
import type { EventStream } from "../src/backends/event-stream.ts";
import { kinesisEventStream } from "../src/backends/event-stream.kinesis.ts";
import type { GoldReader } from "../src/backends/gold.ts";
import { duckdbGoldReader } from "../src/backends/gold.duckdb.ts";
import type { InsightStore } from "../src/backends/insight-store.ts";
import { dynamoInsightStore } from "../src/backends/insight-store.dynamodb.ts";
import type { Lake } from "../src/backends/lake.ts";
import { s3Lake } from "../src/backends/lake.s3.ts";
import type { Executions, Warehouse } from "../src/backends/warehouse.ts";
import { athenaWarehouse } from "../src/backends/warehouse.athena.ts";
import type { Source, Stream } from "../src/model/source.ts";
import type { Clients } from "./clients.ts";

export interface Backends {
  readonly insights: InsightStore;
  readonly control: ControlStore;
  /** The documents of the ad-hoc fallback. */
  readonly jobs: ControlStore;
  readonly deadLetters: DeadLetters;
  readonly warehouse: Warehouse & Executions;
  readonly lake: Lake;
  readonly gold: GoldReader;
  /** What micro-batches have archived; it is closed by whoever reads it. */
  readonly archive: ArchiveReader & { close(): Promise<void> };
  /** The stream of a source, or null where it declares none. */
  readonly streamOf: (source: Source) => EventStream | null;
  /** The stream of a replay, whose client makes one attempt per call. */
  readonly replayStreamOf: (stream: Stream) => EventStream;
}

export function backends(clients: Clients): Backends {
  const { dynamodb: client, kinesis, kinesisOnce, athena, s3 } = clients;
  const { random } = Math;
  const token = randomUUID;
  const lake = s3Lake({ client: s3, bucket: buckets.lake });
  return {
    insights: dynamoInsightStore({ client, tables, random, wait }),
    control: dynamoControlStore({ client, table: tables.control, token }),
    jobs: dynamoControlStore({ client: clients.jobs, table: tables.jobs, token }),
    deadLetters: dynamoDeadLetters({ client, table: tables.deadLetters, random, wait }),
    warehouse: athenaWarehouse({
      client: athena,
      workgroup,
      output: `s3://${buckets.results}/statements/`,
      clock: Date.now,
      wait,
      token,
    }),
    lake,
    gold: duckdbGoldReader({ lake, tempFolder: tmpdir() }),
    archive: duckdbArchiveReader({ lake, tempFolder: tmpdir() }),
    streamOf: ({ stream }) =>
      stream === null ? null : kinesisEventStream({ client: kinesis, stream: stream.name, random, wait }),
    replayStreamOf: ({ name }) => kinesisEventStream({ client: kinesisOnce, stream: name, random, wait }),
  };
}
