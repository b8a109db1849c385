/** A deployment as processes: the embedded cloud, one Redis, micro-batches, two gateways; and a producer that knows what it puts. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
} from "@aws-sdk/client-kinesis";
import { type Backends, backends } from "../../bin/backends.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder } from "../../bin/cloud.ts";
import { withDuckDb } from "../../bin/sample-lake.ts";
import { refreshDeps } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { testRedis } from "../broadcast/redis-server.ts";
import { caughtUp } from "../live/live-run.ts";
import { type Running, startCloud, startServe, startStream } from "../soak/processes.ts";
import "../soak/products/readings.ts";

export interface ProducedReading {
  readonly at: string;
  readonly plant: string;
  readonly machine: string;
  readonly energy: number;
  /** Counts all readings. */
  readonly record: number;
}

/** What the stream holds: shard -> readings in their order, with the ids that the feed gives them. */
export type StreamTruth = ReadonlyMap<string, readonly (ProducedReading & { readonly id: string })[]>;

export interface World {
  readonly urls: readonly string[];
  /** Readings that the lake holds. */
  readonly inLake: number;
  /** The readings that were made so far: what is made from now on has this number or a higher one. */
  readonly made: () => number;
  /** kill -9. Resolves to what starts another one on the same port. */
  killGateway(index: number): Promise<() => Promise<void>>;
  /** Puts no more. Resolves to what the stream holds, when all of it is applied. */
  stopProducing(): Promise<StreamTruth>;
  close(): Promise<void>;
}

export const plants = 6;
const machinesPerPlant = 3;
const readingsPerRecord = 8;
const recordsPerPut = 2;
const pauseMs = 60;
const inLake = 50;
const halfHourMs = 1_800_000;

const product = declaredProducts().find(({ name }) => name === "MachineLoad")!;
const streamName = product.source.stream!.name;

export async function startWorld(): Promise<World> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).toReversed()) await each();
  };
  try {
    return { ...(await deployed(closing)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function deployed(closing: (() => Promise<unknown>)[]): Promise<Omit<World, "close">> {
  const data = mkdtempSync(join(tmpdir(), "sluice-reconnects-"));
  closing.push(async () => rmSync(data, { recursive: true, force: true }));
  const redis = await testRedis();
  closing.push(() => redis.remove());
  const cloud = await startCloud(data);
  closing.push(() => cloud.stop());
  const clients = localClients(cloud.endpoints);
  const stores = backends(clients);
  closing.push(async () => {
    closeClients(clients);
    await stores.gold.close();
  });
  await provision(clients, [product]);
  await writeLake(lakeFolder(data));
  const settings = { SLUICE_REDIS: redis.url, SLUICE_CURSOR_SECRET: "of the test", SLUICE_LOG: "warn" };
  const streaming = await startStream(data, ["--window", "150"], { ...settings, SLUICE_LOG: "info" });
  closing.push(() => streaming.kill());
  const retention = { editions: 10, ms: 0 };
  await refresh(product, refreshDeps(product, stores, { progress: () => {}, retention }));
  const ports = await freePorts(2);
  const serve = (port: number) => startServe(data, { ...settings, PORT: String(port) });
  const gateways: Running[] = [];
  closing.push(() => Promise.all(gateways.map((gateway) => gateway.kill())));
  for (const port of ports) gateways.push(await serve(port));
  const production = produce(stores);
  closing.push(() => production.stop());
  return {
    urls: ports.map((port) => `http://127.0.0.1:${port}/graphql`),
    inLake,
    made: production.made,
    killGateway: async (index) => {
      await gateways[index]!.kill();
      return async () => void (gateways[index] = await serve(ports[index]!));
    },
    stopProducing: async () => {
      await production.stop();
      await caughtUp(stores, stores.streamOf(product.source)!, product);
      return truthOf(clients.kinesis);
    },
  };
}

/** One partition of ten days ago. */
async function writeLake(lake: string): Promise<void> {
  const day = new Date(Date.now() - 10 * 86_400_000).toISOString().slice(0, 10);
  mkdirSync(join(lake, "works"), { recursive: true });
  await withDuckDb(async (duck) => {
    await duck.run(`COPY (
      SELECT TIMESTAMP_MS '${day}' + INTERVAL (i) MINUTE AS at, 'plant 0' AS plant, 'plant 0, machine 0' AS machine,
        i::BIGINT AS energy, -1::BIGINT AS record, '${day}' AS day
      FROM range(${inLake}) numbers(i)
    ) TO '${join(lake, "works", "readings")}' (FORMAT parquet, PARTITION_BY (day))`);
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}

/** Packed records, steadily, of readings in the half hour before the start. */
function produce(stores: Backends) {
  const stream = stores.streamOf(product.source)!;
  const stopping = new AbortController();
  const startedAt = Date.now();
  let made = 0;
  const recordOf = () => {
    const plant = `plant ${below(plants)}`;
    const readings = Array.from(
      { length: 1 + below(readingsPerRecord) },
      (): ProducedReading => ({
        at: new Date(startedAt - below(halfHourMs)).toISOString(),
        plant,
        machine: `${plant}, machine ${below(machinesPerPlant)}`,
        energy: below(2_000) - 1_000,
        record: made++,
      }),
    );
    return {
      partitionKey: plant,
      data: Buffer.from(readings.map((each) => JSON.stringify(each)).join("\n")),
    };
  };
  const producing = (async () => {
    while (!stopping.signal.aborted) {
      await stream.put(Array.from({ length: recordsPerPut }, recordOf));
      await wait(pauseMs);
    }
  })();
  producing.catch(() => {});
  return {
    made: () => made,
    stop: async () => {
      stopping.abort();
      await producing;
    },
  };
}

const below = (bound: number): number => Math.floor(Math.random() * bound);

async function truthOf(kinesis: KinesisClient): Promise<StreamTruth> {
  const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: streamName }));
  const truth = new Map<string, (ProducedReading & { id: string })[]>();
  for (const { ShardId } of Shards) truth.set(ShardId!, await readingsOf(kinesis, ShardId!));
  return truth;
}

async function readingsOf(kinesis: KinesisClient, shard: string) {
  const readings: (ProducedReading & { id: string })[] = [];
  const from = { StreamName: streamName, ShardId: shard, ShardIteratorType: "TRIM_HORIZON" as const };
  let { ShardIterator: iterator } = await kinesis.send(new GetShardIteratorCommand(from));
  for (let behind = 1; behind > 0 && iterator !== undefined; ) {
    const got = await kinesis.send(new GetRecordsCommand({ ShardIterator: iterator }));
    // barriers are in the stream, too
    for (const { SequenceNumber, Data } of got.Records ?? [])
      for (const [index, line] of Buffer.from(Data!).toString().split("\n").entries())
        if (line.includes(`"plant"`))
          readings.push({
            ...(JSON.parse(line) as ProducedReading),
            id: `${shard}:${SequenceNumber}:${index}`,
          });
    iterator = got.NextShardIterator;
    behind = got.MillisBehindLatest ?? 0;
  }
  return readings;
}
