/**
 * kill -9 over the real clients, the embedded cloud and Parquet: a sample of what `kill.test.ts` proves for every call.
 * Each command that a client sends is numbered; at a random one the process dies, before it is sent or after it was
 * answered. Readers are the loaders over the real stores.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { AthenaClient } from "@aws-sdk/client-athena";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buckets, tables, workgroup } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { refresh } from "../../etl/batch/run.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import { duckdbGoldReader } from "../../src/backends/gold.duckdb.ts";
import { dynamoInsightStore } from "../../src/backends/insight-store.dynamodb.ts";
import { s3Lake } from "../../src/backends/lake.s3.ts";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";
import { LeaderboardCache } from "../../src/loaders/leaderboards.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import { SegmentCache } from "../../src/loaders/segments.ts";
import { openSession, type Shared } from "../../src/loaders/session.ts";
import { analystScope } from "../../src/model/scope.ts";
import { seeded } from "../live/parcels.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { Killed, newWorld, type World } from "./memory-world.ts";
import { present, reached } from "./reached.ts";
import { ask, day, days, salesActivity, truth } from "./sales.ts";
import type { Sale } from "./memory-warehouse.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? 1);
const random = seeded(seed);
const deaths = 6;
const retention = { editions: 3, ms: 0 };

let cloud: Cloud;
/** What has passed since the test began, if the clocks were right. */
let later = 0;

beforeAll(async () => {
  cloud = await startCloud();
});
afterAll(() => cloud.close());

class Process {
  calls = 0;
  dead = false;
  readonly deps: RefreshDeps;

  constructor(death: { readonly call: number; readonly side: "before" | "after" } | null) {
    const mortal = <T extends object>(client: T): T => {
      const { middlewareStack } = client as { middlewareStack: DynamoDBClient["middlewareStack"] };
      middlewareStack.add(
        (next) => async (args) => {
          const isLast = ++this.calls === death?.call;
          if (this.dead || (isLast && death?.side === "before")) this.#die();
          const output = await next(args);
          if (this.dead || isLast) this.#die();
          return output;
        },
        { step: "initialize" },
      );
      return client;
    };
    const settings = {
      region: "eu-central-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    };
    const { dynamo, s3, athena } = cloud.endpoints;
    const dynamodb = mortal(new DynamoDBClient({ ...settings, endpoint: dynamo }));
    const lake = s3Lake({
      client: mortal(new S3Client({ ...settings, endpoint: s3, forcePathStyle: true })),
      bucket: buckets.lake,
    });
    const { wait } = cloud.deps;
    const clock = () => Date.now() + later;
    this.deps = {
      ...cloud.deps,
      lake,
      clock,
      retention,
      control: dynamoControlStore({ client: dynamodb, table: tables.control, token: randomUUID }),
      insights: dynamoInsightStore({ client: dynamodb, tables, random: Math.random, wait }),
      gold: duckdbGoldReader({ lake, tempFolder: path.dirname(path.dirname(cloud.lakeFolder)) }),
      warehouse: athenaWarehouse({
        client: mortal(new AthenaClient({ ...settings, endpoint: athena })),
        workgroup,
        output: `s3://${buckets.results}/`,
        clock,
        wait,
        token: randomUUID,
      }),
    };
  }

  #die(): never {
    this.dead = true;
    throw new Killed();
  }
}

async function writeLake(lake: Readonly<Record<string, readonly Sale[]>>): Promise<void> {
  const folder = path.join(cloud.lakeFolder, "shop/sales");
  await rm(folder, { recursive: true, force: true });
  for (const [date, sales] of Object.entries(lake)) {
    await mkdir(path.join(folder, `day=${date}`), { recursive: true });
    const rows = sales.map(([at, shop, events, amount]) => `(${at}, '${shop}', ${events}, ${amount})`);
    await cloud.duck.run(
      `COPY (SELECT make_timestamp_ms(ms) AS "at", shop, amount FROM
        (SELECT *, unnest(range(n)) FROM (VALUES ${rows.join(", ")}) AS v(ms, shop, n, amount)))
      TO '${folder}/day=${date}/f.parquet' (FORMAT parquet)`,
    );
  }
}

function gateway(): Shared {
  const { control, insights } = cloud.deps;
  const options = { control, clock: Date.now, maxAgeMs: 0 };
  return {
    control,
    insights,
    adHoc: cloud.adHoc(),
    manifests: new Manifests(options),
    liveStatus: new LiveStatus(options),
    segments: new SegmentCache(),
    leaderboards: new LeaderboardCache(),
  };
}

async function answer(shared: Shared): Promise<{ text: string; version: number }> {
  const session = openSession(shared, { scope: analystScope, adHocWaitMs: 0 });
  const text = await ask(session, salesActivity);
  return { text, version: session.extensions().manifest["SalesActivity"]! };
}

test(`killed ${deaths} times, readers see whole editions and nothing is left behind (SLUICE_SEED=${seed})`, async () => {
  const dates = ["2024-01-31", "2024-03-01", "2024-03-02", "2024-03-06"];
  let lake: Record<string, Sale[]> = days(dates, 1);
  await writeLake(lake);
  const first = new Process(null);
  await refresh(salesActivity, first.deps);
  const patient = gateway();
  let served = { text: truth({ lake }), version: 1 };
  expect(await answer(patient)).toEqual(served);
  let died = 0;
  for (let k = 2; k < 2 + deaths; k++) {
    lake = k % 2 === 0 ? days(dates, k) : { ...lake, "2024-03-02": day("2024-03-02", k) };
    await writeLake(lake);
    const next = { text: truth({ lake }), version: served.version + 1 };
    const death = {
      call: 1 + Math.floor(random() * first.calls),
      side: random() < 0.5 ? ("before" as const) : ("after" as const),
    };
    const dying = new Process(death);
    const state = { running: true };
    const reading = (async () => {
      while (state.running) expect([served, next]).toContainEqual(await answer(patient));
    })();
    const outcome = await Promise.allSettled([refresh(salesActivity, dying.deps)]);
    state.running = false;
    await reading;
    if (!dying.dead && outcome[0].status === "rejected") throw outcome[0].reason;
    if (dying.dead) died++;
    expect([served, next]).toContainEqual(await answer(gateway()));
    await refresh(salesActivity, new Process(null).deps);
    expect(await answer(patient)).toEqual(next);
    expect(await answer(gateway())).toEqual(next);
    served = next;
  }
  expect(died).toBeGreaterThan(deaths / 2);
  later = 2 * 86_400_000;
  await refresh(salesActivity, new Process(null).deps);
  const world = await asWorld();
  const { goldTable: _, ...there } = present(world, "SalesActivity");
  const { goldTable: __, ...kept } = reached(world, "SalesActivity");
  expect(there).toEqual(kept);
});

/** What lies in the cloud, as `reached.ts` reads it. */
async function asWorld(): Promise<World> {
  const world = newWorld();
  for (const { pk, sk, d } of (await cloud.items(tables.control)).values())
    world.control.set(`${pk}\n${sk}`, { revision: 1, json: d! });
  for (const { pk, sk, c } of (await cloud.items(tables.insights)).values())
    world.insights.set(`${pk}\n${sk}`, c!);
  for await (const { key } of cloud.deps.lake.list("")) world.lake.set(key, "");
  return world;
}
