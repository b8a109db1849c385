// How the embedded Kinesis keeps a shard in segments: over many of them, up to retention, when the disk is full.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShardLog } from "../../cloud/local/kinesis-log.ts";
import type { Segment, SegmentStore } from "../../cloud/local/kinesis-segment.ts";
import { fileSegments } from "../../cloud/local/kinesis-segment.ts";
import { firstShard, StreamName } from "./kinesis.target.ts";
import { kinesisWorld, numbered } from "./kinesis.world.ts";

const world = kinesisWorld();
const { embedded, logFiles } = world;

describe("a write that fails", () => {
  test("fails what waits behind it, and leaves no hole in the log", async () => {
    const disk = { full: false };
    const store = fileSegments(join(world.folder, "shard"));
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
    const options = { folder: world.folder, segmentBytes: 4_096, now: () => clock.now };
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
    const { target } = await embedded.startWithStream({
      folder: world.folder,
      segmentBytes: 2_000,
      now: () => clock.now,
    });
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
        await rm(join(world.folder, "shard"), { recursive: true, force: true });
        const open = () =>
          ShardLog.open(fileSegments(join(world.folder, "shard")), {
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
