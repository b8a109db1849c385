// Splits and merges: the same sentences for the embedded Kinesis and for the real one (SLUICE_CONFORMANCE=aws).
import { setTimeout } from "node:timers/promises";
import type { GetRecordsCommandOutput, KinesisClient, _Record } from "@aws-sdk/client-kinesis";
import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Target } from "./kinesis.target.ts";
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

describe("resharding", () => {
  test("a split closes the parent, which stays readable to its end and names its children", async () => {
    const StreamName = await target.newStream(1);
    const [before] = await target.put(StreamName, ["a"]);
    await client.send(
      new SplitShardCommand({ StreamName, ShardToSplit: firstShard, NewStartingHashKey: halfHash }),
    );
    await target.active(StreamName);
    const [parent, lower, upper] = await target.shardsOf(StreamName);
    expect(BigInt(parent?.SequenceNumberRange?.EndingSequenceNumber ?? 0)).toBeGreaterThan(
      BigInt(before?.number ?? 0),
    );
    expect(lower).toMatchObject({ ParentShardId: firstShard, HashKeyRange: { StartingHashKey: "0" } });
    expect(upper).toMatchObject({
      ParentShardId: firstShard,
      HashKeyRange: { StartingHashKey: halfHash, EndingHashKey: lastHash },
    });
    expect(upper?.AdjacentParentShardId).toBeUndefined();

    const start = await target.iterator(StreamName, firstShard, { ShardIteratorType: "TRIM_HORIZON" });
    const end = await toTheEnd(start);
    expect(end.texts).toEqual(["a"]);
    const children = end.children.sort((a, b) => ((a.ShardId ?? "") < (b.ShardId ?? "") ? -1 : 1));
    expect(children).toMatchObject([
      { ShardId: lower?.ShardId, ParentShards: [firstShard], HashKeyRange: lower?.HashKeyRange },
      { ShardId: upper?.ShardId, ParentShards: [firstShard], HashKeyRange: upper?.HashKeyRange },
    ]);

    const [after] = await target.put(StreamName, ["b"], { ExplicitHashKey: lastHash });
    expect(after?.shard).toBe(upper?.ShardId);
    expect(BigInt(after?.number ?? 0)).toBeGreaterThan(BigInt(before?.number ?? 0));
  });

  test("a merge joins two neighbours into one shard with both as parents", async () => {
    const StreamName = await target.newStream(2);
    const [low] = await target.put(StreamName, ["low"], { ExplicitHashKey: "0" });
    const [high] = await target.put(StreamName, ["high"], { ExplicitHashKey: lastHash });
    const [ShardToMerge, AdjacentShardToMerge] = [low?.shard, high?.shard];
    await client.send(new MergeShardsCommand({ StreamName, ShardToMerge, AdjacentShardToMerge }));
    await target.active(StreamName);
    const child = (await target.shardsOf(StreamName))[2];
    expect(child).toMatchObject({
      ParentShardId: ShardToMerge,
      AdjacentParentShardId: AdjacentShardToMerge,
      HashKeyRange: { StartingHashKey: "0", EndingHashKey: lastHash },
    });
    const [after] = await target.put(StreamName, ["after"]);
    expect(after?.shard).toBe(child?.ShardId);
    for (const parent of [low, high])
      expect(BigInt(after?.number ?? 0)).toBeGreaterThan(BigInt(parent?.number ?? 0));
    expect((await target.readShard(StreamName, ShardToMerge ?? "", 1)).map(textOf)).toEqual(["low"]);
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
    expect(StreamDescriptionSummary?.OpenShardCount).toBe(1);
    const open = new ListShardsCommand({ StreamName, ShardFilter: { Type: "AT_LATEST" } });
    expect((await client.send(open)).Shards?.map((shard) => shard.ShardId)).toEqual([child?.ShardId]);
  });

  test("puts that run while a shard splits and merges land once, in a shard that took them", async () => {
    const StreamName = await target.newStream(1);
    const put: { shard: string; number: string }[] = [];
    const writing = async () => {
      for (let nth = 0; nth < 30; nth += 1) put.push(...(await target.put(StreamName, [`${nth}`, `${nth}`])));
    };
    const resharding = async () => {
      await client.send(
        new SplitShardCommand({ StreamName, ShardToSplit: firstShard, NewStartingHashKey: halfHash }),
      );
      await target.active(StreamName);
      const [ShardToMerge, AdjacentShardToMerge] = ["shardId-000000000001", "shardId-000000000002"];
      await client.send(new MergeShardsCommand({ StreamName, ShardToMerge, AdjacentShardToMerge }));
      await target.active(StreamName);
    };
    await Promise.all([writing(), writing(), resharding()]);
    const read: { shard: string; number: string }[] = [];
    for (const { ShardId: shard = "" } of await target.shardsOf(StreamName)) {
      const wanted = put.filter((record) => record.shard === shard).length;
      const records = await target.readShard(StreamName, shard, wanted);
      read.push(...records.map((record) => ({ shard, number: record.SequenceNumber ?? "" })));
    }
    const byNumber = (a: { number: string }, b: { number: string }) =>
      BigInt(a.number) < BigInt(b.number) ? -1 : 1;
    expect(read.sort(byNumber)).toEqual(put.sort(byNumber));
  });

  test("a split outside the shard and a merge of strangers are refused", async () => {
    const StreamName = await target.newStream(3);
    const outside = { StreamName, ShardToSplit: firstShard, NewStartingHashKey: lastHash };
    await expect(client.send(new SplitShardCommand(outside))).rejects.toEqual(
      named("InvalidArgumentException"),
    );
    const strangers = { StreamName, ShardToMerge: firstShard, AdjacentShardToMerge: "shardId-000000000002" };
    await expect(client.send(new MergeShardsCommand(strangers))).rejects.toEqual(
      named("InvalidArgumentException"),
    );
    const absent = { ...outside, ShardToSplit: "shardId-000000000009" };
    await expect(client.send(new SplitShardCommand(absent))).rejects.toEqual(
      named("ResourceNotFoundException"),
    );
  });
});

/** Reads a closed shard until it has no next iterator. */
async function toTheEnd(start: string) {
  const texts: string[] = [];
  let next: string | undefined = start;
  for (;;) {
    const page: GetRecordsCommandOutput = await client.send(new GetRecordsCommand({ ShardIterator: next }));
    texts.push(...(page.Records ?? []).map(textOf));
    next = page.NextShardIterator ?? undefined;
    if (next === undefined) return { texts, children: [...(page.ChildShards ?? [])] };
    if (onAws) await setTimeout(250);
  }
}
