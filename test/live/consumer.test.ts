/** The live path on the embedded cloud, through the real AWS SDK: stream to items, lake, dead letters and broadcast. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MergeShardsCommand, waitUntilStreamExists } from "@aws-sdk/client-kinesis";
import { QueryCommand } from "@aws-sdk/client-dynamodb";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeEvent, encodePacked } from "../../etl/live/wire.ts";
import { tables } from "../../cloud/resources.ts";
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { type Checkpoint, checkpointKey, type LiveStart, liveStartKey } from "../../src/model/control.ts";
import { itemId, livePartition, unpackBuckets } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { hourMs, periodOf } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { type EmbeddedCloud, openCloud } from "./embedded-cloud.ts";
import { caughtUp, startConsumer, until } from "./live-run.ts";
import { allParcels, depotParcels, parcels, randomParcel, seeded } from "./parcels.ts";

const products = [depotParcels, allParcels];
const now = Date.now();
let cloud: EmbeddedCloud;

async function itemsOf(product: Product, rollup: string, times: readonly number[]): Promise<LiveItem[]> {
  const { rollups } = product;
  const found = rollups.find(({ name }) => name === rollup)!;
  const periods = new Set(times.map((at) => periodOf(at, found.finest)));
  const items: LiveItem[] = [];
  for (const period of periods)
    for await (const item of cloud.insights.listLive(livePartition(product, found, period))) items.push(item);
  return items;
}

async function checkpointOf(shard: string): Promise<Checkpoint | null> {
  const key = checkpointKey(parcels.stream!, shard);
  return (await cloud.control.get<Checkpoint>(key))?.value ?? null;
}

/** An event of the last day, whose cost is its number. */
function recentParcel(random: () => number, cost: number): Event {
  return { ...randomParcel(random, cost), scanned: now - Math.floor(random() * 24 * hourMs) };
}

describe("a consumer of two shards", () => {
  const random = seeded(11);
  const events = Array.from({ length: 300 }, (_, i) => recentParcel(random, i));
  let stream: EventStream;
  const updates: LiveUpdate[] = [];
  const counts: { in: number; applied: number; dead: number }[] = [];

  beforeAll(async () => {
    cloud = await openCloud();
    stream = await cloud.newStream("parcels", 2);
    // records of one to three events, some of them with a poisoned line
    const lines = events.map((event) => Buffer.from(encodeEvent(parcels, event)).toString());
    const records: string[] = [];
    for (let i = 0; i < lines.length; ) {
      const some = lines.slice(i, i + 1 + Math.floor(random() * 3));
      i += some.length;
      records.push([...some, ...(records.length % 10 === 5 ? ['{"poison":'] : [])].join("\n"));
    }
    // every third one in gzip
    const entries = records.map((text, i) => ({
      partitionKey: `${i}`,
      data: encodePacked(
        text.split("\n").map((line) => Buffer.from(line)),
        { gzip: i % 3 === 2 },
      ),
    }));
    const half = Math.floor(entries.length / 2);
    await stream.put(entries.slice(0, half));
    const first = startConsumer(cloud, stream, products);
    // stopped in the middle: some windows are applied, others not
    await until(() => first.updates.length >= 3);
    await first.stop();
    const second = startConsumer(cloud, stream, products);
    await stream.put(entries.slice(half));
    await caughtUp(cloud, stream, depotParcels);
    await until(async () => {
      const checkpoints = await cloud.control.list<Checkpoint>("checkpoint#parcels");
      return checkpoints.length === 2 && second.updates.length > 0;
    });
    await second.stop();
    updates.push(...first.updates, ...second.updates);
    counts.push(first.counts, second.counts);
    poisoned = records.filter((record) => record.includes("poison")).length;
  });
  let poisoned = 0;
  afterAll(() => cloud.close());

  const times = events.map((event) => Number(event["scanned"]));

  it("counts every event once, in every live rollup", async () => {
    const expected = new Map<string, [number, number]>();
    for (const event of events) {
      const key = JSON.stringify([event["depot"]]);
      const [count, cost] = expected.get(key) ?? [0, 0];
      expected.set(key, [count + 1, cost + Number(event["cost"])]);
    }
    const stored = new Map<string, [number, number]>();
    for (const { sk, packed } of await itemsOf(depotParcels, "depot", times))
      for (const [count, cost] of unpackBuckets(packed).values()) {
        const [counted, summed] = stored.get(sk) ?? [0, 0];
        stored.set(sk, [counted + count!, summed + cost!]);
      }
    expect(stored).toEqual(expected);
    const totals = await itemsOf(allParcels, "total", times);
    const total = totals.flatMap(({ packed }) => [...unpackBuckets(packed).values()].map(([n]) => n!));
    expect(total.reduce((sum, n) => sum + n, 0)).toBe(events.length);
  });

  it("keeps what it could not apply, with the reason and the bytes; in = applied + dead", async () => {
    expect(poisoned).toBeGreaterThan(5);
    const letters: unknown[] = [];
    for (const { id } of await stream.shards()) {
      const answer = await cloud.dynamodb.send(
        new QueryCommand({
          TableName: tables.deadLetters,
          KeyConditionExpression: "pk = :pk",
          ExpressionAttributeValues: { ":pk": { S: `parcels#${id}` } },
        }),
      );
      letters.push(
        ...(answer.Items ?? []).map(({ reason, bytes }) => [reason?.S, String(Buffer.from(bytes!.B!))]),
      );
    }
    expect(letters).toEqual(Array.from({ length: poisoned }, () => ["BAD_JSON", '{"poison":']));
    const sum = (of: "in" | "applied" | "dead") => counts.reduce((all, each) => all + each[of], 0);
    expect(sum("in")).toBe(events.length + poisoned);
    expect(sum("applied")).toBe(events.length);
    expect(sum("dead")).toBe(poisoned);
  });

  it("archives every event once", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-archived-"));
    let files = 0;
    for await (const { key } of cloud.lake.list("archive/depot.parcels/"))
      await writeFile(join(folder, `${files++}.parquet`), await cloud.lake.read(key));
    const duck = await (await DuckDBInstance.create()).connect();
    const rows = await duck.runAndReadAll(
      `SELECT "Cost Total $"::INT, weight, depot, "is?damaged", epoch_ms("Scan Time")::DOUBLE, epoch_ms(due)::DOUBLE
       FROM '${folder}/*.parquet' ORDER BY 1`,
    );
    duck.closeSync();
    await rm(folder, { recursive: true });
    const columns = ["cost", "weight", "depot", "damaged", "scanned", "due"];
    expect(rows.getRowsJson()).toEqual(events.map((event) => columns.map((column) => event[column] ?? null)));
    for await (const { key } of cloud.lake.list("staged/")) expect.fail(`${key} was left behind`);
  });

  it("broadcasts the final version of every item, and every event in its place", async () => {
    const newest = new Map<string, number>();
    for (const { items } of updates)
      for (const { key, version } of items)
        newest.set(itemId(key), Math.max(version, newest.get(itemId(key)) ?? 0));
    const stored = [
      ...(await itemsOf(depotParcels, "depot", times)),
      ...(await itemsOf(depotParcels, "damaged+depot", times)),
      ...(await itemsOf(allParcels, "total", times)),
    ];
    expect(newest).toEqual(new Map(stored.map((item) => [itemId(item), item.version])));
    const feed = new Map(
      updates.flatMap(({ shard, events: fed }) =>
        fed.map(({ sequence, index, event }) => [`${shard} ${sequence} ${index}`, event] as const),
      ),
    );
    expect([...feed.values()].map((event) => event["cost"]).sort((a, b) => Number(a) - Number(b))).toEqual(
      events.map((event) => event["cost"]),
    );
  });

  it("keeps checkpoints with the newest event applied", async () => {
    const checkpoints = await cloud.control.list<Checkpoint>("checkpoint#parcels");
    expect(Math.max(...checkpoints.map(({ value }) => value.newest ?? 0))).toBe(Math.max(...times));
  });

  it("is live from its first record on; a shape that appears later, from the newest checkpoint on", async () => {
    const start = await cloud.control.get<LiveStart>(liveStartKey(depotParcels));
    const arrivals = updates.map(({ arrival }) => arrival);
    expect(start!.value.from).toBeLessThanOrEqual(Math.min(...arrivals));
    expect(start!.value.from).toBeGreaterThanOrEqual(now - hourMs);
    const reshaped = { ...depotParcels, shape: "another" };
    const checkpoints = await cloud.control.list<Checkpoint>("checkpoint#parcels");
    const run = startConsumer(cloud, stream, [reshaped]);
    await caughtUp(cloud, stream, reshaped);
    await run.stop();
    const from = (await cloud.control.get<LiveStart>(liveStartKey(reshaped)))!.value.from;
    expect(from).toBe(Math.max(...checkpoints.map(({ value }) => value.arrival)));
  });

  it("says of a shape that was deployed again that it missed what came in between", async () => {
    const status = () => new LiveStatus({ control: cloud.control, clock: Date.now }).view(depotParcels);
    const before = await cloud.control.list<Checkpoint>("checkpoint#parcels");
    const missed = Math.max(...before.map(({ value }) => value.arrival));
    expect((await status())!.live.from).toBe(missed);
    const run = startConsumer(cloud, stream, [depotParcels]);
    await caughtUp(cloud, stream, depotParcels);
    await run.stop();
    const from = (await cloud.control.get<LiveStart>(liveStartKey(depotParcels)))!.value.from;
    expect(from).toBe(missed);
    expect((await status())!.live.from).toBe(missed);
  });
});

describe("a consumer of shards that are merged", () => {
  beforeAll(async () => {
    cloud = await openCloud();
  });
  afterAll(() => cloud.close());

  it("ends the parents before it begins their child, so that a key's events stay in order", async () => {
    const random = seeded(12);
    const stream = await cloud.newStream("parcels", 2);
    const put = (from: number) =>
      stream.put(
        Array.from({ length: 40 }, (_, i) => ({
          partitionKey: `${i % 5}`,
          data: encodeEvent(parcels, { ...recentParcel(random, from + i), depot: `${i % 5}` }),
        })),
      );
    await put(0);
    const [a, b] = await stream.shards();
    const merge = { StreamName: "parcels", ShardToMerge: a!.id, AdjacentShardToMerge: b!.id };
    await cloud.kinesis.send(new MergeShardsCommand(merge));
    await waitUntilStreamExists(
      { client: cloud.kinesis, maxWaitTime: 10, minDelay: 1 },
      { StreamName: "parcels" },
    );
    await put(40);
    let fetches = 0;
    // iterators expire now and then
    const fetch: EventStream["fetch"] = async (iterator, limit) =>
      ++fetches % 3 === 0 ? "expired" : stream.fetch(iterator, limit);
    const run = startConsumer(cloud, { ...stream, fetch }, products);
    await caughtUp(cloud, stream, depotParcels);
    await until(async () => (await checkpointOf(b!.id))?.ended === true);
    await run.stop();
    const child = (await stream.shards()).find(({ closed }) => !closed)!;
    expect(await checkpointOf(a!.id)).toMatchObject({ ended: true });
    expect((await checkpointOf(child.id))!.ended).toBeUndefined();
    const feed = run.updates.flatMap(({ events }) => events.map(({ event }) => event));
    for (const depot of ["0", "1", "2", "3", "4"]) {
      const costs = feed.filter((event) => event["depot"] === depot).map((event) => Number(event["cost"]));
      expect(costs).toEqual([...costs].sort((x, y) => x - y));
      expect(costs).toHaveLength(16);
    }
    // what has ended is not read again by the next life
    const opened: string[] = [];
    const iterator: EventStream["iterator"] = (shard, after) => {
      opened.push(shard);
      return stream.iterator(shard, after);
    };
    const again = startConsumer(cloud, { ...stream, iterator }, products);
    await caughtUp(cloud, stream, depotParcels);
    await again.stop();
    expect(opened).toEqual([child.id]);
  });
});
