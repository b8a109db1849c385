// What the embedded Kinesis keeps: after kill -9, torn files and restarts, over many segments, up to retention.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { KinesisClient } from "@aws-sdk/client-kinesis";
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  GetRecordsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ShardLog } from "../../cloud/local/kinesis-log.ts";
import type { Segment, SegmentStore } from "../../cloud/local/kinesis-segment.ts";
import { fileSegments } from "../../cloud/local/kinesis-segment.ts";
import { clientOf, EmbeddedKinesis, firstShard, StreamName } from "./kinesis.target.ts";

const embedded = new EmbeddedKinesis();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-kinesis-"));
});

afterEach(async () => {
  await embedded.stop();
  await rm(folder, { recursive: true });
});

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, nth) => `record ${from + nth}`);

async function logFiles(): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names
    .filter((name) => name.endsWith(".log"))
    .map((name) => join(folder, name))
    .sort();
}

describe("kill -9", () => {
  test("loses nothing that was acknowledged, doubles nothing, and keeps the order", async () => {
    const acknowledged = new Map<string, string>(); // sequence number to text
    for (let round = 0; round < 3; round += 1) {
      const { child, endpoint } = await startProcess(folder);
      const client = clientOf(endpoint);
      if (round === 0) await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
      const writers = [0, 1, 2].map((writer) => putUntilKilled(client, `${round}/${writer}`, acknowledged));
      await untilMoreThan(acknowledged, acknowledged.size + 400);
      child.kill("SIGKILL");
      await Promise.all([once(child, "exit"), ...writers]);
      client.destroy();
    }
    const { target } = await embedded.start({ folder });
    const records = await target.readShard(StreamName, firstShard, Number.POSITIVE_INFINITY);
    const numbers = records.map((record) => record.SequenceNumber ?? "");
    const texts = records.map((record) => Buffer.from(record.Data ?? []).toString());
    expect([...numbers].sort()).toEqual(numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(new Set(texts).size).toBe(texts.length);
    const read = new Map(numbers.map((number, nth) => [number, texts[nth]]));
    for (const [number, text] of acknowledged) expect(read.get(number)).toBe(text);
    expect(acknowledged.size).toBeGreaterThan(1_200);
  });
});

/** The server in a process of its own, as `sluice start` has it. */
async function startProcess(data: string): Promise<{ child: ChildProcess; endpoint: string }> {
  const module = pathToFileURL("cloud/local/kinesis.ts").href;
  const script = `const { startKinesis } = await import(${JSON.stringify(module)});
    console.log((await startKinesis({ folder: ${JSON.stringify(data)} })).endpoint);`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  embedded.undo(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, endpoint: line.toString().trim() };
}

async function putUntilKilled(client: KinesisClient, writer: string, acknowledged: Map<string, string>) {
  for (let nth = 0; ; nth += 1) {
    const texts = numbered(nth % 20, nth * 20).map((text) => `${writer}: ${text}`);
    try {
      await putOnce(client, [`${writer}: single ${nth}`, ...texts], acknowledged);
    } catch {
      return; // the server is gone, which is what ends this writer
    }
  }
}

async function putOnce(client: KinesisClient, texts: readonly string[], acknowledged: Map<string, string>) {
  const Records = texts.map((text) => ({ PartitionKey: text, Data: Buffer.from(text) }));
  const [first] = Records;
  if (Records.length === 1 && first !== undefined) {
    const { SequenceNumber } = await client.send(new PutRecordCommand({ StreamName, ...first }));
    acknowledged.set(SequenceNumber ?? "", texts[0] ?? "");
    return;
  }
  const answer = await client.send(new PutRecordsCommand({ StreamName, Records }));
  answer.Records?.forEach((record, nth) => acknowledged.set(record.SequenceNumber ?? "", texts[nth] ?? ""));
}

async function untilMoreThan(map: ReadonlyMap<string, string>, size: number): Promise<void> {
  while (map.size <= size) await new Promise(setImmediate);
}

describe("the data folder", () => {
  test("streams, records, splits and iterators outlive a restart", async () => {
    const first = await embedded.startWithStream({ folder });
    const [low] = await first.target.put(StreamName, ["low"], { ExplicitHashKey: "0" });
    const split = { StreamName, ShardToSplit: firstShard, NewStartingHashKey: (2n ** 126n).toString() };
    await first.target.client.send(new SplitShardCommand(split));
    const shards = await first.target.shardsOf(StreamName);
    const horizon = await first.target.iterator(StreamName, firstShard, {
      ShardIteratorType: "TRIM_HORIZON",
    });
    await first.server.close();

    const second = await embedded.start({ folder });
    expect(await second.target.shardsOf(StreamName)).toEqual(shards);
    const [record] = await second.target.read(horizon, 1);
    expect(record).toMatchObject({ SequenceNumber: low?.number, PartitionKey: "key" });
    const [after] = await second.target.put(StreamName, ["child"], { ExplicitHashKey: "0" });
    expect(after?.shard).toBe(shards[1]?.ShardId);
    expect(BigInt(after?.number ?? 0)).toBeGreaterThan(BigInt(low?.number ?? 0));
  });

  test("a torn tail is cut off, and the sequence goes on above it", async () => {
    const first = await embedded.startWithStream({ folder });
    const before = await first.target.put(StreamName, numbered(10));
    await first.server.close();
    const [file] = await logFiles();
    const whole = (await stat(file ?? "")).size;
    await appendFile(
      file ?? "",
      Buffer.from([200, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]),
    );

    const second = await embedded.start({ folder });
    expect(await embedded.texts(second.target)).toEqual(numbered(10));
    expect((await stat(file ?? "")).size).toBe(whole);
    const [next] = await second.target.put(StreamName, numbered(1, 10));
    expect(BigInt(next?.number ?? 0)).toBeGreaterThan(BigInt(before.at(-1)?.number ?? 0));
    await second.server.close();

    await truncate(file ?? "", (await stat(file ?? "")).size - 1); // the last record of a write that was not finished
    const third = await embedded.start({ folder });
    expect(await embedded.texts(third.target)).toEqual(numbered(10));
    await third.target.put(StreamName, numbered(1, 10));
    expect(await embedded.texts(third.target)).toEqual(numbered(11));
    await third.server.close();

    const size = (await stat(file ?? "")).size;
    await truncate(file ?? "", size - 5);
    await appendFile(file ?? "", Buffer.alloc(5)); // as long as it should be, but its last block never came
    const fourth = await embedded.start({ folder });
    expect(await embedded.texts(fourth.target)).toEqual(numbered(10));
  });

  test("a stream that is deleted and made again is empty, and old numbers and iterators are not of it", async () => {
    const { target } = await embedded.startWithStream({ folder });
    const [old] = await target.put(StreamName, ["old"]);
    const oldIterator = await target.iterator(StreamName, firstShard, { ShardIteratorType: "TRIM_HORIZON" });
    await target.client.send(new DeleteStreamCommand({ StreamName }));
    expect(await logFiles()).toEqual([]);
    await target.client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    expect(await embedded.texts(target)).toEqual([]);
    await expect(
      target.client.send(new GetRecordsCommand({ ShardIterator: oldIterator })),
    ).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    const at = { ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: old?.number } as const;
    await expect(target.iterator(StreamName, firstShard, at)).rejects.toMatchObject({
      name: "InvalidArgumentException",
    });
  });
});

describe("a write that fails", () => {
  test("fails what waits behind it, and leaves no hole in the log", async () => {
    const disk = { full: false };
    const store = fileSegments(join(folder, "shard"));
    const failing: SegmentStore = {
      list: () => store.list(),
      create(base) {
        const segment = store.create(base);
        return {
          ...segment,
          write: (bytes, at) => (disk.full ? fillUp(segment, bytes, at) : segment.write(bytes, at)),
        };
      },
    };
    const options = { prefix: "", segmentBytes: 1_000_000, trimHorizon: () => 0 };
    const log = await ShardLog.open(failing, options);
    const append = (bytes: number) =>
      log.append([{ base64: "A".repeat(bytes), partitionKey: "k", payload: bytes }], 1);
    await append(4).written;
    disk.full = true;
    const first = append(8).written;
    await new Promise(setImmediate);
    const second = append(12).written;
    for (const result of await Promise.allSettled([first, second])) expect(result.status).toBe("rejected");
    disk.full = false;
    const { sequenceNumbers, written } = append(16);
    await written;
    expect(await readSizes(log, 10, 1_000)).toEqual([4, 16]);
    const [record] = (await log.read(Number(sequenceNumbers[0]), 1, 1_000)).records;
    expect(record?.toString()).toContain(`"SequenceNumber":"${sequenceNumbers[0]}"`);
    await log.close();
    expect(await readSizes(await ShardLog.open(store, options), 10, 1_000)).toEqual([4, 16]);
  });
});

/** Writes half of it, as a disk that fills up does. */
async function fillUp(segment: Segment, bytes: Buffer, at: number): Promise<void> {
  await segment.write(bytes.subarray(0, bytes.length / 2), at);
  throw new Error("ENOSPC: no space left on device");
}

describe("segments", () => {
  test("are read as one log, by position and by time, before and after a restart", async () => {
    const clock = { now: 1_800_000_000_000 };
    const options = { folder, segmentBytes: 4_096, now: () => clock.now };
    const first = await embedded.startWithStream(options);
    for (let nth = 0; nth < 50; nth += 1) {
      await first.target.put(StreamName, numbered(4, nth * 4));
      clock.now += 1_000;
    }
    expect((await logFiles()).length).toBeGreaterThan(5);
    expect(await embedded.texts(first.target)).toEqual(numbered(200));
    await first.server.close();

    const { target } = await embedded.start(options);
    expect(await embedded.texts(target)).toEqual(numbered(200));
    for (const second of [0, 1, 17, 18, 33, 49]) {
      const Timestamp = new Date(1_800_000_000_000 + second * 1_000 - 500);
      const from = await target.iterator(StreamName, firstShard, {
        ShardIteratorType: "AT_TIMESTAMP",
        Timestamp,
      });
      const [record] = await target.read(from, 1);
      expect(Buffer.from(record?.Data ?? []).toString()).toBe(`record ${second * 4}`);
    }
  });

  test("go when all their records are beyond retention, and readers go on at the horizon", async () => {
    const clock = { now: 1_800_000_000_000 };
    const { target } = await embedded.startWithStream({ folder, segmentBytes: 2_000, now: () => clock.now });
    const [oldest] = await target.put(StreamName, numbered(20));
    await target.put(StreamName, numbered(20, 20));
    clock.now += 25 * 3_600_000;
    for (let nth = 40; nth < 100; nth += 20) await target.put(StreamName, numbered(20, nth));
    expect(await embedded.texts(target)).toEqual(numbered(60, 40));
    const StartingSequenceNumber = oldest?.number;
    const from = await target.iterator(StreamName, firstShard, {
      ShardIteratorType: "AFTER_SEQUENCE_NUMBER",
      StartingSequenceNumber,
    });
    expect(await target.read(from, 60)).toHaveLength(60);
  });

  test("hold any sizes of records in any portions (law)", async () => {
    const size = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 70_000 }), fc.constant(400_000));
    const portions = fc.array(fc.array(size, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 12,
    });
    const limits = fc.record({
      records: fc.integer({ min: 1, max: 9 }),
      bytes: fc.integer({ min: 1, max: 500_000 }),
    });
    const law = fc.asyncProperty(
      portions,
      limits,
      fc.integer({ min: 0, max: 11 }),
      async (puts, limit, reopenAt) => {
        await rm(join(folder, "shard"), { recursive: true, force: true });
        const open = () =>
          ShardLog.open(fileSegments(join(folder, "shard")), {
            prefix: "",
            segmentBytes: 100_000,
            trimHorizon: () => 0,
          });
        let log = await open();
        const expected: number[] = [];
        for (const [nth, sizes] of puts.entries()) {
          if (nth === reopenAt) {
            await log.close();
            log = await open();
          }
          const records = sizes.map((bytes) => ({
            base64: "A".repeat(bytes),
            partitionKey: "k",
            payload: bytes,
          }));
          await log.append(records, nth).written;
          expected.push(...sizes);
        }
        expect(await readSizes(log, limit.records, limit.bytes)).toEqual(expected);
        await log.close();
      },
    );
    await fc.assert(law, { numRuns: 40 });
  });
});

async function readSizes(log: ShardLog, maxRecords: number, maxBytes: number): Promise<number[]> {
  const sizes: number[] = [];
  for (let position = log.start; position < log.end; ) {
    const { records, next } = await log.read(position, maxRecords, maxBytes);
    expect(records.length).toBeGreaterThan(0);
    expect(records.length).toBeLessThanOrEqual(maxRecords);
    for (const record of records) sizes.push((JSON.parse(record.toString()) as { Data: string }).Data.length);
    position = next;
  }
  return sizes;
}
