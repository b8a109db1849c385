/** The Lambda handler of the micro-batches: recorded events, what it loads, what it measures. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import type { KinesisStreamEvent } from "aws-lambda";
import { describe, expect, it, vi } from "vitest";
import { tables } from "../../cloud/resources.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import { openCloud } from "./embedded-cloud.ts";
import { emfMetrics } from "../../bin/live-metrics.emf.ts";
import { checkpointOf, coreHandler, hostHandler, kinesisRecord, openShard, streamOf } from "./lambda-host.ts";
import { eventOf, Mapping } from "./mapping-simulation.ts";
import { parcels, randomParcel, seeded } from "./parcels.ts";
import { archivedCosts, countedTotals, deadTexts, memoryStores, storedTotals, totalsOf } from "./recount.ts";

const recorded = JSON.parse(
  readFileSync(new URL("kinesis-event.json", import.meta.url), "utf8"),
) as KinesisStreamEvent;
const plenty = { getRemainingTimeInMillis: () => 60_000 };
const empty = streamOf([openShard("shardId-000000000006")], () => []);

describe("a recorded event", () => {
  it("is applied, archived and kept where it is bad, as if GetRecords had given its records", async () => {
    const stores = memoryStores();
    expect(await hostHandler(stores, empty)(recorded, plenty)).toEqual({ batchItemFailures: [] });
    expect(storedTotals(stores)).toEqual(
      new Map([
        ['["Köln"] 2018-12-17 22', [2, 30]],
        ['["Köln"] 2018-12-17 23', [1, 30]],
        ['["A"] 2018-12-15 23', [1, 40]],
      ]),
    );
    expect(await archivedCosts(stores)).toEqual([10, 20, 30, 40]);
    const letters = [...stores.deadLetters.letters.values()];
    expect(
      letters.map(({ reason, arrival, shard }) => [reason, new Date(arrival).toISOString(), shard]),
    ).toEqual([
      ["BAD_JSON", "2018-12-17T22:10:50.987Z", "shardId-000000000006"],
      ["BAD_JSON", "2018-12-17T22:11:51.166Z", "shardId-000000000006"],
      ["TOO_LATE", "2018-12-17T23:00:00.001Z", "shardId-000000000006"],
    ]);
    expect(deadTexts(stores).slice(0, 2)).toEqual(["Hello, this is a test.", "This is only a test."]);
    expect(await checkpointOf(stores, "shardId-000000000006")).toMatchObject({
      sequence: "056:49590338271490256608559692540925702759324208523137515622",
      arrival: 1_545_087_600_001,
      newest: Date.parse("2018-12-17T23:00:00Z"),
    });
  });

  it("writes nothing when it comes again, in whole or in parts", async () => {
    const stores = memoryStores();
    const handle = hostHandler(stores, empty);
    await handle(recorded, plenty);
    const { insights, control, lake, deadLetters } = stores;
    const writes = [
      vi.spyOn(insights, "writeLive"),
      vi.spyOn(control, "put"),
      vi.spyOn(lake, "write"),
      vi.spyOn(deadLetters, "put"),
    ];
    for (const Records of [recorded.Records, recorded.Records.slice(0, 3), recorded.Records.slice(4)])
      for (const each of [handle, hostHandler(stores, empty)])
        expect(await each({ Records }, plenty)).toEqual({ batchItemFailures: [] });
    expect(writes.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0]);
  });

  it("of a consumer with enhanced fan-out is the stream's", async () => {
    const stores = memoryStores();
    const Records = recorded.Records.map((record) => ({
      ...record,
      eventSourceARN: `${record.eventSourceARN}/consumer/live:1545084000`,
    }));
    expect(await hostHandler(stores, empty)({ Records }, plenty)).toEqual({ batchItemFailures: [] });
    expect(await archivedCosts(stores)).toHaveLength(4);
  });

  it("of another stream, or of several shards, is refused", async () => {
    const [first, second] = recorded.Records;
    const handle = hostHandler(memoryStores(), empty);
    const elsewhere = { ...first!, eventSourceARN: "arn:aws:kinesis:us-east-2:111122223333:stream/parcel" };
    await expect(handle({ Records: [elsewhere] }, plenty)).rejects.toThrow(/Did you mean "parcels"\?/);
    const mixed = [first!, { ...second!, eventID: second!.eventID.replace("06:", "07:") }];
    await expect(handle({ Records: mixed }, plenty)).rejects.toThrow("Got 2 records of 2 shards.");
  });

  it("arrives at the very millisecond", async () => {
    const random = seeded(3);
    const instants = Array.from({ length: 2_000 }, () => Math.floor(random() * 4_000_000_000_000));
    const records = instants.map((at, i) => kinesisRecord(i, "x", at));
    const stores = memoryStores();
    const event = JSON.parse(JSON.stringify(eventOf("parcels", "s", records))) as KinesisStreamEvent;
    await coreHandler(
      stores,
      streamOf([openShard("s")], () => []),
    )(event, new AbortController().signal);
    expect([...stores.deadLetters.letters.values()].map(({ arrival }) => arrival)).toEqual(instants);
  });
});

describe("the handler on the embedded cloud", () => {
  it("takes a stream from its mapping to live items, archive and dead letters, in several containers", async () => {
    const cloud = await openCloud();
    try {
      const stream = await cloud.newStream("parcels", 2);
      const random = seeded(8);
      const scanned = Date.now();
      const events = Array.from({ length: 120 }, (_, cost) => ({ ...randomParcel(random, cost), scanned }));
      const entries = events.map((event) => ({
        partitionKey: `${random()}`,
        data: encodeEvent(parcels, event),
      }));
      await stream.put([...entries, { partitionKey: "1", data: Buffer.from("poison") }]);
      const containers = [1, 2, 3].map(() => hostHandler(cloud, stream));
      const container = () => containers[Math.floor(random() * containers.length)]!;
      const mapping = new Mapping({
        kinesis: cloud.kinesis,
        stream: "parcels",
        random,
        batchSize: 20,
        twice: 0.3,
        givesUp: 0,
        invoke: (event) => container()(event, plenty),
      });
      await mapping.drain();
      const { Items = [] } = await cloud.dynamodb.send(new ScanCommand({ TableName: tables.live }));
      const items = Items.map(({ pk, sk, c }) => ({ pk: pk!.S!, sk: sk!.S!, packed: c!.S! }));
      expect(totalsOf(items)).toEqual(countedTotals(events));
      expect(await archivedCosts(cloud)).toEqual(events.map((_, cost) => cost));
      const letters = await cloud.dynamodb.send(new ScanCommand({ TableName: tables.deadLetters }));
      expect(letters.Items!.map(({ bytes }) => Buffer.from(bytes!.B!).toString())).toEqual(["poison"]);
    } finally {
      await cloud.close();
    }
  });
});

describe("the Lambda's bundle", () => {
  it("needs no native module, and neither the gateway nor the refresh", async () => {
    const lambda = await loadedModules("bin/live.lambda.ts");
    const refresh = await loadedModules("bin/backends.ts");
    expect(refresh.filter((file) => /duckdb/.test(file))).not.toEqual([]);
    expect(lambda.filter((file) => /\.node$|duckdb|dynalite|fastify|@apollo/.test(file))).toEqual([]);
    expect(lambda.filter((file) => /pino/.test(file))).not.toEqual([]);
  });
});

describe("metrics of a micro-batch", () => {
  it("are one line that CloudWatch reads, with service and stream as dimensions", () => {
    const lines: string[] = [];
    const write = vi
      .spyOn(process.stdout, "write")
      .mockImplementation((text) => lines.push(String(text)) > 0);
    const measures = {
      source: "Parcel",
      stream: "parcels",
      shard: "s",
      records: 1,
      bytes: 2,
      in: 4,
      applied: 3,
    };
    const costs = { dead: 1, items: 5, writeUnits: 6.5, conflicts: 0, ms: 7.25, iteratorAgeMs: 8 };
    try {
      emfMetrics().batch({ ...measures, ...costs });
    } finally {
      write.mockRestore();
    }
    expect(lines).toHaveLength(1);
    const line: unknown = JSON.parse(lines[0]!);
    expect(line).toMatchObject({
      _aws: { CloudWatchMetrics: [{ Namespace: "Sluice", Dimensions: [["service", "stream"]] }] },
    });
    expect(line).toMatchObject({
      service: "sluice",
      stream: "parcels",
      Records: 1,
      RecordBytes: 2,
      Events: 4,
    });
    expect(line).toMatchObject({ EventsApplied: 3, DeadLetters: 1, ItemsTouched: 5, WriteUnits: 6.5 });
    expect(line).toMatchObject({ ConditionalFailures: 0, BatchTime: 7.25, IteratorAge: 8 });
  });
});

/** The CommonJS and native modules, and files of ours, that a process has after it has imported one of them. */
async function loadedModules(file: string): Promise<readonly string[]> {
  const root = new URL("../../", import.meta.url);
  const script = `
    const { createRequire } = await import("node:module");
    await import(${JSON.stringify(new URL(file, root).href)});
    const { cache } = createRequire(${JSON.stringify(pathToFileURL(fileURLToPath(root)).href)});
    console.log(JSON.stringify([...Object.keys(cache), ...process.report.getReport().sharedObjects]));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    {
      cwd: fileURLToPath(root),
      env: {
        ...process.env,
        SLUICE_CLOUD: "aws",
        AWS_REGION: "us-east-1",
        TSX_TSCONFIG_PATH: "bin/products.tsconfig.json",
      },
    },
  );
  return JSON.parse(stdout) as string[];
}
