// The same sentences hold for the embedded Kinesis and for the real one (SLUICE_CONFORMANCE=aws, default credentials).
import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { KinesisClient, PutRecordsRequestEntry, _Record } from "@aws-sdk/client-kinesis";
import {
  CreateStreamCommand,
  DecreaseStreamRetentionPeriodCommand,
  DeleteStreamCommand,
  DescribeStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  IncreaseStreamRetentionPeriodCommand,
  ListShardsCommand,
  ListStreamsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  GetShardIteratorCommand,
} from "@aws-sdk/client-kinesis";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Start, Target } from "./kinesis.target.ts";
import { onAws, openTarget } from "./kinesis.target.ts";

const lastHash = (2n ** 128n - 1n).toString();
const halfHash = (2n ** 127n).toString();
const firstShard = "shardId-000000000000";
let target: Target;
let client: KinesisClient;

beforeAll(async () => {
  target = await openTarget();
  client = target.client;
});

afterAll(() => target.close());

const textOf = (record: _Record) => Buffer.from(record.Data ?? []).toString();
const named = (name: string) => expect.objectContaining({ name });

describe("streams", () => {
  test("a provisioned stream has the shards asked for, and they divide the hash keys", async () => {
    const StreamName = await target.newStream(3);
    const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamName }));
    expect(StreamDescription).toMatchObject({
      StreamName,
      StreamStatus: "ACTIVE",
      RetentionPeriodHours: 24,
      HasMoreShards: false,
      StreamModeDetails: { StreamMode: "PROVISIONED" },
    });
    expect(StreamDescription?.StreamCreationTimestamp).toBeInstanceOf(Date);
    const ranges = (StreamDescription?.Shards ?? []).map((shard) => shard.HashKeyRange);
    expect(ranges).toHaveLength(3);
    expect(ranges.at(0)?.StartingHashKey).toBe("0");
    expect(ranges.at(-1)?.EndingHashKey).toBe(lastHash);
    for (const [nth, range] of ranges.slice(1).entries())
      expect(BigInt(range?.StartingHashKey ?? 0)).toBe(BigInt(ranges[nth]?.EndingHashKey ?? 0) + 1n);
  });

  test("an on-demand stream has four shards", async () => {
    const StreamName = await target.newStream("on demand");
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
    expect(StreamDescriptionSummary).toMatchObject({
      OpenShardCount: 4,
      StreamModeDetails: { StreamMode: "ON_DEMAND" },
    });
  });

  test("a stream is found by its ARN", async () => {
    const StreamName = await target.newStream(1);
    const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamName }));
    const StreamARN = StreamDescription?.StreamARN ?? "";
    const byArn = await client.send(new DescribeStreamSummaryCommand({ StreamARN }));
    expect(byArn.StreamDescriptionSummary?.StreamName).toBe(StreamName);
  });

  test("streams are listed by name, page by page", async () => {
    const names = [await target.newStream(1), await target.newStream(1)].sort();
    const listed: string[] = [];
    let last: string | undefined;
    for (let more = true; more; ) {
      const page = await client.send(
        new ListStreamsCommand({ Limit: 1, ...(last !== undefined && { ExclusiveStartStreamName: last }) }),
      );
      expect(page.StreamNames?.length).toBeLessThanOrEqual(1);
      listed.push(...(page.StreamNames ?? []));
      last = listed.at(-1);
      more = page.HasMoreStreams ?? false;
    }
    expect(listed).toEqual([...listed].sort());
    expect(listed).toEqual(expect.arrayContaining(names));
  });

  test("shards are listed page by page, and a token does not go with a stream name", async () => {
    const StreamName = await target.newStream(3);
    const first = await client.send(new ListShardsCommand({ StreamName, MaxResults: 2 }));
    const second = await client.send(new ListShardsCommand({ NextToken: first.NextToken }));
    expect([...(first.Shards ?? []), ...(second.Shards ?? [])].map((shard) => shard.ShardId)).toEqual([
      "shardId-000000000000",
      "shardId-000000000001",
      "shardId-000000000002",
    ]);
    expect(second.NextToken).toBeUndefined();
    const both = new ListShardsCommand({ StreamName, NextToken: first.NextToken });
    await expect(client.send(both)).rejects.toEqual(named("InvalidArgumentException"));
  });

  test("a name is taken once, and a stream that is not there is not found", async () => {
    const StreamName = await target.newStream(1);
    const again = new CreateStreamCommand({ StreamName, ShardCount: 1 });
    await expect(client.send(again)).rejects.toEqual(named("ResourceInUseException"));
    const absent = { StreamName: `sluice-absent-${randomUUID()}` };
    const lookups = [
      client.send(new DescribeStreamCommand(absent)),
      client.send(new ListShardsCommand(absent)),
    ];
    for (const lookup of await Promise.allSettled(lookups))
      expect(lookup).toMatchObject({ reason: named("ResourceNotFoundException") });
    const shard = new GetShardIteratorCommand({
      StreamName,
      ShardId: "shardId-000000000009",
      ShardIteratorType: "LATEST",
    });
    await expect(client.send(shard)).rejects.toEqual(named("ResourceNotFoundException"));
    const nowhere = new PutRecordCommand({ ...absent, PartitionKey: "a", Data: Buffer.from("a") });
    await expect(client.send(nowhere)).rejects.toEqual(named("ResourceNotFoundException"));
    await expect(client.send(new DeleteStreamCommand(absent))).rejects.toEqual(
      named("ResourceNotFoundException"),
    );
  });

  test("a stream name is checked", async () => {
    const create = new CreateStreamCommand({ StreamName: "no/slash", ShardCount: 1 });
    await expect(client.send(create)).rejects.toEqual(named("ValidationException"));
  });

  test("retention goes up and down by its own operations", async () => {
    const StreamName = await target.newStream(1);
    const retention = async () => {
      await target.active(StreamName);
      const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamName }));
      return StreamDescription?.RetentionPeriodHours;
    };
    await client.send(new IncreaseStreamRetentionPeriodCommand({ StreamName, RetentionPeriodHours: 48 }));
    expect(await retention()).toBe(48);
    const shorter = new IncreaseStreamRetentionPeriodCommand({ StreamName, RetentionPeriodHours: 30 });
    await expect(client.send(shorter)).rejects.toEqual(named("InvalidArgumentException"));
    await client.send(new DecreaseStreamRetentionPeriodCommand({ StreamName, RetentionPeriodHours: 24 }));
    expect(await retention()).toBe(24);
    const tooShort = new DecreaseStreamRetentionPeriodCommand({ StreamName, RetentionPeriodHours: 1 });
    await expect(client.send(tooShort)).rejects.toEqual(named("InvalidArgumentException"));
  });
});

describe("records", () => {
  test("come back as they were put, in the order of their sequence numbers", async () => {
    const stream = await target.newStream(1);
    const numbers = (await target.put(stream, ["a", "b", "c"])).map(({ number }) => number);
    const records = await target.readShard(stream, firstShard, 3);
    expect(records.map(textOf)).toEqual(["a", "b", "c"]);
    expect(records.map((record) => record.SequenceNumber)).toEqual(numbers);
    for (const number of numbers) expect(number).toMatch(/^\d{56}$/);
    expect([...numbers].sort()).toEqual(numbers);
    expect(new Set(numbers).size).toBe(3);
    const arrivals = records.map((record) => record.ApproximateArrivalTimestamp?.getTime() ?? 0);
    expect([...arrivals].sort((a, b) => a - b)).toEqual(arrivals);
    expect(Math.abs((arrivals[0] ?? 0) - Date.now())).toBeLessThan(600_000);
  });

  test("any bytes and any key survive the way", { timeout: 120_000 }, async () => {
    const stream = await target.newStream(1);
    const place = { next: await target.iterator(stream, firstShard, { ShardIteratorType: "TRIM_HORIZON" }) };
    const entry = fc.record({
      PartitionKey: fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
        .filter((key) => key.length <= 256),
      Data: fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
    });
    const law = fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 20 }), async (Records) => {
      await client.send(new PutRecordsCommand({ StreamName: stream, Records }));
      const records = await target.read(place.next, Records.length);
      const after = { StartingSequenceNumber: records.at(-1)?.SequenceNumber };
      place.next = await target.iterator(stream, firstShard, {
        ShardIteratorType: "AFTER_SEQUENCE_NUMBER",
        ...after,
      });
      const seen = records.map(({ PartitionKey, Data }) => ({ PartitionKey, Data: Buffer.from(Data ?? []) }));
      expect(seen).toEqual(
        Records.map(({ PartitionKey, Data }) => ({ PartitionKey, Data: Buffer.from(Data) })),
      );
    });
    await fc.assert(law, { numRuns: onAws ? 3 : 40 });
  });

  test("go to the shard whose range holds the MD5 of the partition key", async () => {
    const stream = await target.newStream(4);
    const ranges = (await target.shardsOf(stream)).map((shard) => ({
      id: shard.ShardId,
      ...shard.HashKeyRange,
    }));
    for (let nth = 0; nth < 12; nth += 1) {
      const PartitionKey = `key ${nth}`;
      const hash = BigInt(`0x${createHash("md5").update(PartitionKey).digest("hex")}`);
      const home = ranges.find((range) => {
        return BigInt(range.StartingHashKey ?? 0) <= hash && hash <= BigInt(range.EndingHashKey ?? 0);
      });
      expect((await target.put(stream, ["x"], { PartitionKey }))[0]?.shard).toBe(home?.id);
    }
  });

  test("go where an explicit hash key says", async () => {
    const stream = await target.newStream(2);
    const at = async (ExplicitHashKey: string) =>
      (await target.put(stream, ["x"], { ExplicitHashKey }))[0]?.shard;
    expect(await at("0")).toBe("shardId-000000000000");
    expect(await at((2n ** 127n - 1n).toString())).toBe("shardId-000000000000");
    expect(await at(halfHash)).toBe("shardId-000000000001");
    expect(await at(lastHash)).toBe("shardId-000000000001");
    const beyond = { StreamName: stream, PartitionKey: "a", Data: Buffer.from("a") };
    const command = new PutRecordCommand({ ...beyond, ExplicitHashKey: (2n ** 128n).toString() });
    await expect(client.send(command)).rejects.toEqual(named("InvalidArgumentException"));
  });

  test("are refused beyond the limits", async () => {
    const StreamName = await target.newStream(1);
    const one = { PartitionKey: "a", Data: Buffer.from("a") };
    const refused = async (Records: PutRecordsRequestEntry[], name: string) =>
      expect(client.send(new PutRecordsCommand({ StreamName, Records }))).rejects.toEqual(named(name));
    await refused(
      Array.from({ length: 501 }, () => one),
      "ValidationException",
    );
    await refused([], "ValidationException");
    await refused([{ ...one, PartitionKey: "k".repeat(257) }], "ValidationException");
    await refused([{ ...one, ExplicitHashKey: "minus" }], "ValidationException");
    await target.put(StreamName, ["k"], { PartitionKey: "k".repeat(256) });
    expect(await target.readShard(StreamName, firstShard, 1)).toHaveLength(1);
  });
});

describe("shard iterators", () => {
  test("begin at the horizon, at and after a number, at a time, and at the end", async () => {
    const stream = await target.newStream(1);
    const [, second] = await target.put(stream, ["a", "b"]);
    const before = await target.readShard(stream, firstShard, 2);
    await setTimeout(20);
    await target.put(stream, ["c"]);
    const [third] = (await target.readShard(stream, firstShard, 3)).slice(2);
    const StartingSequenceNumber = second?.number;
    const from = async (start: Start) =>
      (await target.read(await target.iterator(stream, firstShard, start), 3)).map(textOf);
    expect(await from({ ShardIteratorType: "TRIM_HORIZON" })).toEqual(["a", "b", "c"]);
    expect(await from({ ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber })).toEqual([
      "b",
      "c",
    ]);
    expect(await from({ ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber })).toEqual(["c"]);
    const first = before[0]?.ApproximateArrivalTimestamp;
    expect(await from({ ShardIteratorType: "AT_TIMESTAMP", Timestamp: first })).toEqual(["a", "b", "c"]);
    const Timestamp = third?.ApproximateArrivalTimestamp;
    expect(await from({ ShardIteratorType: "AT_TIMESTAMP", Timestamp })).toEqual(["c"]);
    const latest = await target.iterator(stream, firstShard, { ShardIteratorType: "LATEST" });
    await target.put(stream, ["d"]);
    expect((await target.read(latest, 1)).map(textOf)).toEqual(["d"]);
  });

  test("read a limited number of records at a time and say how far behind they are", async () => {
    const stream = await target.newStream(1);
    await target.put(stream, ["a", "b", "c", "d", "e"]);
    const start = await target.iterator(stream, firstShard, { ShardIteratorType: "TRIM_HORIZON" });
    const two = await client.send(new GetRecordsCommand({ ShardIterator: start, Limit: 2 }));
    expect(two.Records?.map(textOf)).toEqual(["a", "b"]);
    expect(two.MillisBehindLatest).toBeGreaterThanOrEqual(0);
    expect((await target.read(two.NextShardIterator ?? "", 3)).map(textOf)).toEqual(["c", "d", "e"]);
    const latest = await target.iterator(stream, firstShard, { ShardIteratorType: "LATEST" });
    const page = await client.send(new GetRecordsCommand({ ShardIterator: latest }));
    expect(page).toMatchObject({ Records: [], MillisBehindLatest: 0 });
    expect(page.NextShardIterator).toEqual(expect.any(String));
  });

  test("are refused when they are none, and with a number of another shard or none at all", async () => {
    const stream = await target.newStream(2);
    const [elsewhere] = await target.put(stream, ["a"], { ExplicitHashKey: lastHash });
    await expect(client.send(new GetRecordsCommand({ ShardIterator: "AAAA" }))).rejects.toEqual(
      named("InvalidArgumentException"),
    );
    const bad: Start[] = [
      { ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: elsewhere?.number },
      { ShardIteratorType: "AFTER_SEQUENCE_NUMBER" },
      { ShardIteratorType: "AT_TIMESTAMP" },
    ];
    for (const start of bad)
      await expect(target.iterator(stream, firstShard, start)).rejects.toEqual(
        named("InvalidArgumentException"),
      );
    const unknown = { ShardIteratorType: "SOMEWHERE" } as unknown as Start;
    await expect(target.iterator(stream, firstShard, unknown)).rejects.toEqual(named("ValidationException"));
  });
});
