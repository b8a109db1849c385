/** The backends over the AWS clients, and what they need of the world: clock, randomness, waiting. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { buckets, tables, workgroup } from "../cloud/resources.ts";
import type { ArchiveReader } from "../src/backends/archive-reader.ts";
import { duckdbArchiveReader } from "../src/backends/archive-reader.duckdb.ts";
import type { ControlStore } from "../src/backends/control-store.ts";
import { dynamoControlStore } from "../src/backends/control-store.dynamodb.ts";
import type { EventStream } from "../src/backends/event-stream.ts";
import { kinesisEventStream } from "../src/backends/event-stream.kinesis.ts";
import type { GoldReader } from "../src/backends/gold.ts";
import { duckdbGoldReader } from "../src/backends/gold.duckdb.ts";
import type { Executions, Warehouse } from "../src/backends/warehouse.ts";
import { athenaWarehouse } from "../src/backends/warehouse.athena.ts";
import type { Stream } from "../src/model/source.ts";
import type { Clients } from "./clients.ts";
import { type LiveBackends, liveBackends } from "./live-backends.ts";

export interface Backends extends LiveBackends {
  /** The documents of the ad-hoc fallback. */
  readonly jobs: ControlStore;
  readonly warehouse: Warehouse & Executions;
  readonly gold: GoldReader;
  /** What micro-batches have archived; it is closed by whoever reads it. */
  readonly archive: ArchiveReader & { close(): Promise<void> };
  /** The stream of a replay, whose client makes one attempt per call. */
  readonly replayStreamOf: (stream: Stream) => EventStream;
}

export function backends(clients: Clients): Backends {
  const { kinesisOnce, athena } = clients;
  const { random } = Math;
  const token = randomUUID;
  const live = liveBackends(clients);
  return {
    ...live,
    jobs: dynamoControlStore({ client: clients.jobs, table: tables.jobs, token }),
    warehouse: athenaWarehouse({
      client: athena,
      workgroup,
      output: `s3://${buckets.results}/statements/`,
      clock: Date.now,
      wait,
      token,
    }),
    gold: duckdbGoldReader({ lake: live.lake, tempFolder: tmpdir() }),
    archive: duckdbArchiveReader({ lake: live.lake, tempFolder: tmpdir() }),
    replayStreamOf: ({ name }) => kinesisEventStream({ client: kinesisOnce, stream: name, random, wait }),
  };
}
