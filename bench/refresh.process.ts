/**
 * One refresh, measured. Arguments: the data folder, then `refresh` (whole, then with nothing and with one day
 * changed) or `floor` (the same items, ready packed, through the low-level client). Segments go to the stub store.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { BatchWriteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { tables } from "../cloud/resources.ts";
import { backends } from "../bin/backends.ts";
import { closeClients, localClients, provision } from "../bin/clients.ts";
import type { Endpoints } from "../bin/environment.ts";
import { refreshDeps } from "../bin/system.ts";
import { refresh } from "../etl/batch/run.ts";
import type { RefreshDeps } from "../etl/batch/deps.ts";
import type { InsightStore, SegmentItem } from "../src/backends/insight-store.ts";
import { dynamoInsightStore } from "../src/backends/insight-store.dynamodb.ts";
import type { Warehouse } from "../src/backends/warehouse.ts";
import { identifier, stringLiteral } from "../src/sql/fragments.ts";
import { cpuOf, messageOf, ownCpu, start, stop } from "./processes.ts";
import { withDuckDb } from "../bin/sample-lake.ts";
import { lakeFiles, subject } from "./subject.ts";

/** CPU and wall in seconds. */
export interface Measured {
  readonly rows: number;
  readonly items: number;
  readonly transformCpu: number;
  readonly loadCpu: number;
  readonly wall: number;
  readonly peakMiB: number;
  readonly noChange: number;
  readonly oneDay: number;
}

const [data, mode] = process.argv.slice(2) as [string, "refresh" | "floor"];
const { product } = await subject();
const cloud = start("./cloud.process.ts", [data]);
const endpoints = await messageOf<Endpoints>(cloud);
const stub = start("./stub-store.process.ts");
const stubEndpoint = await messageOf<string>(stub);
const clients = localClients(endpoints);
await provision(clients, [product]);
const stores = backends(clients);
const writer = localClients({ ...endpoints, dynamodb: stubEndpoint });
const bare = new DynamoDBClient({
  endpoint: stubEndpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});
const cpu = { transform: 0, load: 0 };
const bareCalls = 8; // as many at once as a refresh begins with
const perCall = 25;

async function whole(): Promise<Measured> {
  const started = performance.now();
  const insights = dynamoInsightStore({
    client: writer.dynamodb,
    tables,
    random: Math.random,
    wait: async () => {},
  });
  const deps = depsWith(insights);
  const { rows, items } = await refresh(product, deps, { full: true });
  const wall = seconds(started);
  const peakMiB = process.resourceUsage().maxRSS / 1_024;
  const full = { rows, items, transformCpu: cpu.transform, loadCpu: cpu.load, wall, peakMiB };
  const noChange = await timed(() => refresh(product, deps));
  await touchOneDay();
  return { ...full, noChange, oneDay: await timed(() => refresh(product, deps)) };
}

/** What a refresh loads is collected and then written bare: only the writing counts. */
async function floor(): Promise<Measured> {
  const insights = { ...stores.insights, writeSegments: writeBare };
  const { rows, items } = await refresh(product, depsWith(insights), { full: true });
  return {
    rows,
    items,
    transformCpu: cpu.transform,
    loadCpu: cpu.load,
    wall: 0,
    peakMiB: 0,
    noChange: 0,
    oneDay: 0,
  };
}

/** The warehouse's statements that write gold are the transform, in both processes. */
function depsWith(insights: InsightStore): RefreshDeps {
  const warehouse: Warehouse = {
    run: async (statement, options) => {
      if (!statement.sql.startsWith("UNLOAD")) return stores.warehouse.run(statement, options);
      const before = ownCpu() + (await cpuOf(cloud));
      const result = await stores.warehouse.run(statement, options);
      cpu.transform += ownCpu() + (await cpuOf(cloud)) - before;
      return result;
    },
  };
  let loading = 0;
  const settings: Parameters<typeof refreshDeps>[2] = {
    retention: { editions: 100, ms: 0 },
    progress: ({ stage }) => {
      if (stage === "load" && loading === 0) loading = ownCpu();
      if (stage === "publish" && mode === "refresh") cpu.load += ownCpu() - loading;
    },
  };
  return { ...refreshDeps(product, { ...stores, insights }, settings), warehouse };
}

async function writeBare(
  batches: AsyncIterable<readonly SegmentItem[]> | Iterable<readonly SegmentItem[]>,
): Promise<number> {
  const items: SegmentItem[] = [];
  for await (const batch of batches) items.push(...batch);
  const before = ownCpu();
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < items.length) {
      const some = items.slice(next, (next += perCall));
      await bare.send(new BatchWriteItemCommand({ RequestItems: { [tables.insights]: some.map(put) } }));
    }
  };
  await Promise.all(Array.from({ length: bareCalls }, call));
  cpu.load += ownCpu() - before;
  return items.length;
}

const put = ({ pk, sk, packed }: SegmentItem) => ({
  PutRequest: { Item: { pk: { S: pk }, sk: { S: sk }, c: { S: packed } } },
});

/** The last partition loses an event. */
async function touchOneDay(): Promise<void> {
  const table = dirname(dirname(lakeFiles(data, product)));
  const partition = readdirSync(table)
    .filter((name) => name.includes("="))
    .sort()
    .at(-1)!;
  const file = join(table, partition, readdirSync(join(table, partition))[0]!);
  const time = identifier(product.source.time.name);
  await withDuckDb(async (duck) => {
    await duck.run(
      `CREATE TABLE day AS SELECT * FROM read_parquet(${stringLiteral(file)}, hive_partitioning = false) ORDER BY ${time} OFFSET 1`,
    );
    await duck.run(`COPY day TO ${stringLiteral(file)} (FORMAT parquet, COMPRESSION snappy)`);
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return seconds(started);
}

const seconds = (since: number): number => (performance.now() - since) / 1_000;

const measured = mode === "floor" ? await floor() : await whole();
process.send?.(measured);
await stores.gold.close();
closeClients(clients);
closeClients(writer);
bare.destroy();
await Promise.all([stop(cloud), stop(stub)]);
process.disconnect?.();
