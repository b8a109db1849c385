/** Splits and merges of a stream while it is written and read. */
import { setTimeout as wait } from "node:timers/promises";
import {
  DescribeStreamSummaryCommand,
  type KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  type Shard,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";

/** The open shards in the order of their hash keys: neighbours may be merged. */
async function openShards(client: KinesisClient, StreamName: string): Promise<Shard[]> {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  return Shards.filter(
    ({ SequenceNumberRange }) => SequenceNumberRange!.EndingSequenceNumber === undefined,
  ).sort((a, b) => (startOf(a) < startOf(b) ? -1 : 1));
}

const startOf = ({ HashKeyRange }: Shard): bigint => BigInt(HashKeyRange!.StartingHashKey!);
const endOf = ({ HashKeyRange }: Shard): bigint => BigInt(HashKeyRange!.EndingHashKey!);

/** Splits the widest shard in the middle. */
export async function split(client: KinesisClient, StreamName: string): Promise<void> {
  const [widest] = (await openShards(client, StreamName)).sort((a, b) =>
    endOf(b) - startOf(b) > endOf(a) - startOf(a) ? 1 : -1,
  );
  const NewStartingHashKey = String((startOf(widest!) + endOf(widest!)) / 2n);
  await client.send(new SplitShardCommand({ StreamName, ShardToSplit: widest!.ShardId, NewStartingHashKey }));
  await active(client, StreamName);
}

/** Merges the first two shards. */
export async function merge(client: KinesisClient, StreamName: string): Promise<void> {
  const [a, b] = await openShards(client, StreamName);
  const merged = { ShardToMerge: a!.ShardId, AdjacentShardToMerge: b!.ShardId };
  await client.send(new MergeShardsCommand({ StreamName, ...merged }));
  await active(client, StreamName);
}

async function active(client: KinesisClient, StreamName: string): Promise<void> {
  for (;;) {
    const { StreamDescriptionSummary } = await client.send(new DescribeStreamSummaryCommand({ StreamName }));
    if (StreamDescriptionSummary?.StreamStatus === "ACTIVE") return;
    await wait(20);
  }
}

export interface Resharding {
  readonly count: number;
  stop(): Promise<void>;
}

const fewest = 2;
const most = 3;

/** Splits until there are `most` open shards, merges until there are `fewest`, and so on. */
export function reshardEvery(ms: number, client: KinesisClient, StreamName: string): Resharding {
  const stopping = new AbortController();
  const done = { count: 0 };
  const resharding = (async () => {
    for (let grow = true; !stopping.signal.aborted; ) {
      await wait(ms, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      const { length } = await openShards(client, StreamName);
      grow = length <= fewest || (grow && length < most);
      await (grow ? split : merge)(client, StreamName);
      done.count++;
    }
  })();
  return {
    get count() {
      return done.count;
    },
    stop: async () => {
      stopping.abort();
      await resharding;
    },
  };
}
