/**
 * Live items on the embedded cloud, from stream to answers: days are replayed and refreshed, and after each of them the
 * oldest edition that is kept is rolled back to. Every number is what the events that were put say, whichever edition and
 * items it is read from; and the table of live items does not grow.
 */
import { setTimeout as wait } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  CreateStreamCommand,
  KinesisClient,
  SplitShardCommand,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startKinesis } from "../../cloud/local/kinesis.ts";
import { tables } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { encodeReplayed } from "../../etl/live/wire.ts";
import { dynamoDeadLetters } from "../../src/backends/dead-letters.dynamodb.ts";
import { kinesisEventStream } from "../../src/backends/event-stream.kinesis.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { openSession } from "../../src/loaders/session.ts";
import { clockKey } from "../../src/model/control.ts";
import { analystScope } from "../../src/model/scope.ts";
import { type LiveRun, startConsumer } from "../live/live-run.ts";
import { history, pastParcels, seeded } from "../live/parcels.ts";
import { type Cloud, gateway, startCloud } from "./cloud.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const firstDay = Date.parse("2001-06-29T00:00:00Z");
const dates = 5;
const whole = { from: firstDay, to: firstDay + dates * dayMs };
const depots = ["A", "Köln", '"q"'];
const random = seeded(5);
const settings = { region: "us-east-1", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

interface Put {
  readonly at: number;
  readonly depot: string;
  readonly cost: number;
}

let cloud: Cloud;
let kinesisServer: Awaited<ReturnType<typeof startKinesis>>;
let kinesis: KinesisClient;
let dynamodb: DynamoDBClient;
let stream: EventStream;
let deps: RefreshDeps;
let consumer: LiveRun;
const put: Put[] = [];

beforeAll(async () => {
  cloud = await startCloud();
  kinesisServer = await startKinesis();
  kinesis = new KinesisClient({ ...settings, endpoint: kinesisServer.endpoint });
  dynamodb = new DynamoDBClient({ ...settings, endpoint: cloud.endpoints.dynamo });
  await kinesis.send(new CreateStreamCommand({ StreamName: "history", ShardCount: 2 }));
  await shardsAreReady();
  stream = kinesisEventStream({ client: kinesis, stream: "history", random: Math.random, wait });
  deps = { ...cloud.deps, stream, retention: { editions: 3, ms: 0 }, barrierWaitMs: 60_000 };
  await moveClock(firstDay + hourMs);
  const deadLetters = dynamoDeadLetters({
    client: dynamodb,
    table: tables.deadLetters,
    random: Math.random,
    wait,
  });
  consumer = startConsumer({ ...cloud.deps, deadLetters }, stream, [pastParcels]);
});
afterAll(async () => {
  await consumer.stop();
  kinesis.destroy();
  dynamodb.destroy();
  await kinesisServer.close();
  await cloud.close();
});

async function shardsAreReady(): Promise<void> {
  await waitUntilStreamExists({ client: kinesis, maxWaitTime: 10, minDelay: 1 }, { StreamName: "history" });
}

async function moveClock(at: number): Promise<void> {
  await cloud.deps.control.put(clockKey(history.stream!), { at, from: firstDay + hourMs }, "any");
}

/** Events of a day, which the clock then leaves behind but for its last hours. */
async function replayDay(day: number): Promise<void> {
  const from = firstDay + day * dayMs;
  const times = Array.from({ length: 40 }, () => from + Math.floor(random() * dayMs)).sort((a, b) => a - b);
  const events = times.map((at): Put => {
    return { at, depot: depots[Math.floor(random() * depots.length)]!, cost: Math.floor(random() * 1_000) };
  });
  await stream.put(
    events.map(({ at: scanned, depot, cost }, i) => ({
      partitionKey: `${i}`,
      data: encodeReplayed(history, {
        row: put.length + i + 1,
        arrival: scanned + hourMs,
        event: { scanned, depot, cost },
      }),
    })),
  );
  put.push(...events);
  await moveClock(from + 22 * hourMs);
}

function expectedCost(from: number, to: number, depot: string | null): number {
  const inside = put.filter(
    (event) => event.at >= from && event.at < to && (depot === null || event.depot === depot),
  );
  return inside.reduce((sum, { cost }) => sum + cost, 0);
}

const bucketsOf = (widthMs: number) =>
  Array.from({ length: (dates * dayMs) / widthMs }, (_, i) => whole.from + i * widthMs);

/** Every hour of the total and every day of every depot, in one request. */
async function expectServed(): Promise<void> {
  const session = openSession(gateway(cloud), { scope: analystScope, adHocWaitMs: 0 });
  const costs = async (depot: string | null, grain: "HOUR" | "DAY") => {
    const where = depot === null ? [] : [{ column: "depot", op: "in" as const, values: [depot] }];
    const insight = await session.insight({ product: pastParcels, where, range: whole });
    return Promise.all((await insight.series(grain)).map((bucket) => bucket.measure("cost", ["q", "cost"])));
  };
  const served = await Promise.all([costs(null, "HOUR"), ...depots.map((depot) => costs(depot, "DAY"))]);
  expect(served).toEqual([
    bucketsOf(hourMs).map((at) => expectedCost(at, at + hourMs, null)),
    ...depots.map((depot) => bucketsOf(dayMs).map((at) => expectedCost(at, at + dayMs, depot))),
  ]);
  expect(JSON.stringify(session.extensions().provenance)).not.toContain("partial");
}

interface Edition {
  readonly id: string;
  readonly version: number;
  readonly coveredUntil: number;
}

/** The editions that are kept, by the documents; the current one is the last. */
async function keptEditions(): Promise<Edition[]> {
  const documents = await cloud.items(tables.control);
  const manifest = JSON.parse(documents.get("manifest#PastParcels current")!["d"]!) as { keeps: number };
  return [...documents]
    .filter(([key]) => key.startsWith("editions#PastParcels "))
    .map(([, item]) => JSON.parse(item["d"]!) as Edition)
    .filter(({ version }) => version >= manifest.keeps)
    .sort((a, b) => a.version - b.version);
}

async function livePeriods(): Promise<string[]> {
  const partitions = [...(await cloud.items(tables.live)).values()].map(({ pk }) => pk!.split("#"));
  return [...new Set(partitions.map((parts) => parts.at(-1)!))].sort();
}

/** The days and months that have not ended where the coverage of some kept edition does. */
async function neededPeriods(): Promise<string[]> {
  const covered = Math.min(...(await keptEditions()).map(({ coveredUntil }) => coveredUntil));
  const days = [...new Set(put.map(({ at }) => Math.floor(at / dayMs) * dayMs))];
  const needed = days.flatMap((day) => {
    const date = new Date(day);
    const monthEnd = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
    const name = date.toISOString();
    return [
      ...(day + dayMs > covered ? [name.slice(0, 10)] : []),
      ...(monthEnd > covered ? [name.slice(0, 7)] : []),
    ];
  });
  return [...new Set(needed)].sort();
}

async function rollBackToOldest(): Promise<void> {
  const [oldest, ...later] = await keptEditions();
  if (later.length === 0) return;
  await rollback(pastParcels, { to: oldest!.id }, deps);
  // a held refresh sweeps, too
  await refresh(pastParcels, deps);
  await expectServed();
  await release(pastParcels, deps);
}

test("items go when every kept edition covers them, and each of those can be rolled back to", async () => {
  const counts: number[] = [];
  for (let day = 0; day < dates; day++) {
    await replayDay(day);
    if (day === 1) {
      const [shard] = await stream.shards();
      const half = {
        StreamName: "history",
        ShardToSplit: shard!.id,
        NewStartingHashKey: (2n ** 126n).toString(),
      };
      await kinesis.send(new SplitShardCommand(half));
      await shardsAreReady();
    }
    expect(await refresh(pastParcels, deps)).toMatchObject({ published: true });
    await expectServed();
    await rollBackToOldest();
    expect(await livePeriods()).toEqual(await neededPeriods());
    counts.push((await cloud.items(tables.live)).size);
  }
  expect(await livePeriods()).toContain("2001-07");
  expect(await livePeriods()).not.toContain("2001-06");
  expect(counts.at(-1)).toBeLessThan(Math.max(...counts));
});
