/** The backends of the micro-batches: no native module is among them, so that a Lambda of them stays small. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { buckets, tables } from "../cloud/resources.ts";
import type { ControlStore } from "../src/backends/control-store.ts";
import { dynamoControlStore } from "../src/backends/control-store.dynamodb.ts";
import type { DeadLetters } from "../src/backends/dead-letters.ts";
import { dynamoDeadLetters } from "../src/backends/dead-letters.dynamodb.ts";
import type { EventStream } from "../src/backends/event-stream.ts";
import { kinesisEventStream } from "../src/backends/event-stream.kinesis.ts";
import type { InsightStore } from "../src/backends/insight-store.ts";
import { dynamoInsightStore } from "../src/backends/insight-store.dynamodb.ts";
import type { Lake } from "../src/backends/lake.ts";
import { s3Lake } from "../src/backends/lake.s3.ts";
import type { Source } from "../src/model/source.ts";
import type { Clients } from "./clients.ts";

export interface LiveBackends {
  readonly insights: InsightStore;
  readonly control: ControlStore;
  readonly deadLetters: DeadLetters;
  readonly lake: Lake;
  /** The stream of a source, or null where it declares none. */
  readonly streamOf: (source: Source) => EventStream | null;
}

export function liveBackends(clients: Pick<Clients, "dynamodb" | "kinesis" | "s3">): LiveBackends {
  const { dynamodb: client, kinesis, s3 } = clients;
  const { random } = Math;
  return {
    insights: dynamoInsightStore({ client, tables, random, wait }),
    control: dynamoControlStore({ client, table: tables.control, token: randomUUID }),
    deadLetters: dynamoDeadLetters({ client, table: tables.deadLetters, random, wait }),
    lake: s3Lake({ client: s3, bucket: buckets.lake }),
    streamOf: ({ stream }) =>
      stream === null ? null : kinesisEventStream({ client: kinesis, stream: stream.name, random, wait }),
  };
}
