// What the embedded Kinesis keeps after kill -9, torn files and restarts.
import { once } from "node:events";
import { appendFile, stat, truncate } from "node:fs/promises";
import type { KinesisClient } from "@aws-sdk/client-kinesis";
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  GetRecordsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";
import { describe, expect, test } from "vitest";
import { endpointProcess } from "./endpoint-process.ts";
import { clientOf, firstShard, StreamName } from "./kinesis.target.ts";
import { kinesisWorld, numbered } from "./kinesis.world.ts";

const world = kinesisWorld();
const { embedded, logFiles } = world;

describe("kill -9", () => {
  test("loses nothing that was acknowledged, doubles nothing, and keeps the order", async () => {
    const acknowledged = new Map<string, string>(); // sequence number to text
    for (let round = 0; round < 3; round += 1) {
      const { child, endpoint } = endpointProcess("kinesis", world.folder);
      embedded.undo(() => void child.kill("SIGKILL"));
      const client = clientOf(await endpoint);
      if (round === 0) await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
      const writers = [0, 1, 2].map((writer) => putUntilKilled(client, `${round}/${writer}`, acknowledged));
      await untilMoreThan(acknowledged, acknowledged.size + 400);
      child.kill("SIGKILL");
      await Promise.all([once(child, "exit"), ...writers]);
      client.destroy();
    }
    const { target } = await embedded.start({ folder: world.folder });
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
    const first = await embedded.startWithStream({ folder: world.folder });
    const [low] = await first.target.put(StreamName, ["low"], { ExplicitHashKey: "0" });
    const split = { StreamName, ShardToSplit: firstShard, NewStartingHashKey: (2n ** 126n).toString() };
    await first.target.client.send(new SplitShardCommand(split));
    const shards = await first.target.shardsOf(StreamName);
    const horizon = await first.target.iterator(StreamName, firstShard, {
      ShardIteratorType: "TRIM_HORIZON",
    });
    await first.server.close();

    const second = await embedded.start({ folder: world.folder });
    expect(await second.target.shardsOf(StreamName)).toEqual(shards);
    const [record] = await second.target.read(horizon, 1);
    expect(record).toMatchObject({ SequenceNumber: low?.number, PartitionKey: "key" });
    const [after] = await second.target.put(StreamName, ["child"], { ExplicitHashKey: "0" });
    expect(after?.shard).toBe(shards[1]?.ShardId);
    expect(BigInt(after?.number ?? 0)).toBeGreaterThan(BigInt(low?.number ?? 0));
  });

  test("a torn tail is cut off, and the sequence goes on above it", async () => {
    const first = await embedded.startWithStream({ folder: world.folder });
    const before = await first.target.put(StreamName, numbered(10));
    await first.server.close();
    const [file] = await logFiles();
    const whole = (await stat(file ?? "")).size;
    await appendFile(
      file ?? "",
      Buffer.from([200, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]),
    );

    const second = await embedded.start({ folder: world.folder });
    expect(await embedded.texts(second.target)).toEqual(numbered(10));
    expect((await stat(file ?? "")).size).toBe(whole);
    const [next] = await second.target.put(StreamName, numbered(1, 10));
    expect(BigInt(next?.number ?? 0)).toBeGreaterThan(BigInt(before.at(-1)?.number ?? 0));
    await second.server.close();

    await truncate(file ?? "", (await stat(file ?? "")).size - 1); // the last record of a write that was not finished
    const third = await embedded.start({ folder: world.folder });
    expect(await embedded.texts(third.target)).toEqual(numbered(10));
    await third.target.put(StreamName, numbered(1, 10));
    expect(await embedded.texts(third.target)).toEqual(numbered(11));
    await third.server.close();

    const size = (await stat(file ?? "")).size;
    await truncate(file ?? "", size - 5);
    await appendFile(file ?? "", Buffer.alloc(5)); // as long as it should be, but its last block never came
    const fourth = await embedded.start({ folder: world.folder });
    expect(await embedded.texts(fourth.target)).toEqual(numbered(10));
  });

  test("a stream that is deleted and made again is empty, and old numbers and iterators are not of it", async () => {
    const { target } = await embedded.startWithStream({ folder: world.folder });
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
