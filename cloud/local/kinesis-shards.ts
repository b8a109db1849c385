import { hash } from "node:crypto";
import { inUse, invalidArgument, notFound } from "./kinesis-errors.ts";
import { sequenceNumber, sequencePrefix } from "./kinesis-sequence.ts";

/** A shard as it is kept; frozen, because a split or a merge makes a new list. Hash keys are 32 hex digits. */
export interface Shard {
  readonly index: number;
  /** Part of its sequence numbers, ms; always above its parents'. */
  readonly created: number;
  readonly from: string;
  readonly to: string;
  /** None for the first shards, one after a split, two (the shard and its upper neighbour) after a merge. */
  readonly parents: readonly number[];
  /** When it was split or merged (ms), and the position behind its last record. */
  readonly closed?: { readonly at: number; readonly position: number };
}

/** A stream as it is kept in the catalogue. */
export interface StreamState {
  readonly name: string;
  readonly arn: string;
  readonly created: number;
  readonly mode: "PROVISIONED" | "ON_DEMAND";
  readonly retentionHours: number;
  readonly shards: readonly Shard[];
}

const hashSpace = 2n ** 128n;

export const account = "000000000000";

/** Shards that divide the hash keys evenly, as CreateStream makes them. */
export function firstShards(count: number, created: number): Shard[] {
  const width = hashSpace / BigInt(count);
  return Array.from({ length: count }, (_, index) => {
    const last = index === count - 1;
    const to = last ? hashSpace - 1n : width * BigInt(index + 1) - 1n;
    return { index, created, from: hashHex(width * BigInt(index)), to: hashHex(to), parents: [] };
  });
}

/** The hash key that decides the shard of a partition key: its MD5. */
export function hashOf(partitionKey: string): string {
  return hash("md5", partitionKey, "hex");
}

/** An explicit hash key, decimal as in the API; rejects `InvalidArgumentException` beyond 128 bits. */
export function explicitHash(decimal: string): string {
  const key = BigInt(decimal);
  if (key >= hashSpace)
    throw invalidArgument(
      `Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was ${decimal}`,
    );
  return hashHex(key);
}

export function hashHex(key: bigint): string {
  return key.toString(16).padStart(32, "0");
}

export function hashDecimal(hex: string): string {
  return BigInt(`0x${hex}`).toString();
}

export function shardId(index: number): string {
  return `shardId-${String(index).padStart(12, "0")}`;
}

/** The shard of that name; rejects `ResourceNotFoundException`. */
export function findShard(stream: StreamState, id: string): Shard {
  const shard = stream.shards.find((candidate) => shardId(candidate.index) === id);
  if (shard === undefined)
    throw notFound(`Shard ${id} in stream ${stream.name} under account ${account} does not exist`);
  return shard;
}

/** The shards that came out of this one by a split or a merge. */
export function childrenOf(stream: StreamState, shard: Shard): Shard[] {
  return stream.shards.filter((candidate) => candidate.parents.includes(shard.index));
}

/** Where the closed shards end and when the change happens. */
export interface Change {
  readonly now: number;
  readonly endOf: (index: number) => number;
}

/** The shards after a split: the parent is closed, the children follow. */
export function splitShard(stream: StreamState, id: string, newStart: string, change: Change): Shard[] {
  const parent = openShard(stream, id);
  const start = BigInt(newStart);
  if (start <= BigInt(`0x${parent.from}`) + 1n || start >= BigInt(`0x${parent.to}`))
    throw invalidArgument(
      `NewStartingHashKey ${newStart} used in SplitShard() on shard ${id} in stream ${stream.name} under account ` +
        `${account} is not both greater than one plus the shard's StartingHashKey ${hashDecimal(parent.from)} and ` +
        `less than the shard's EndingHashKey ${hashDecimal(parent.to)}.`,
    );
  return replaceShards(stream, [parent], change, [
    { from: parent.from, to: hashHex(start - 1n) },
    { from: hashHex(start), to: parent.to },
  ]);
}

/** The shards after a merge of one with its upper neighbour. */
export function mergeShards(stream: StreamState, id: string, adjacentId: string, change: Change): Shard[] {
  const lower = openShard(stream, id);
  const upper = openShard(stream, adjacentId);
  if (BigInt(`0x${lower.to}`) + 1n !== BigInt(`0x${upper.from}`))
    throw invalidArgument(
      `Shards ${id} and ${adjacentId} in stream ${stream.name} under account ${account} are not an adjacent pair ` +
        `of shards eligible for merging: AdjacentShardToMerge must begin where ShardToMerge ends`,
    );
  return replaceShards(stream, [lower, upper], change, [{ from: lower.from, to: upper.to }]);
}

/** A shard as the API shows it. */
export function describeShard(shard: Shard) {
  const prefix = sequencePrefix(shard.created, shard.index);
  const [parent, adjacent] = shard.parents;
  return {
    ShardId: shardId(shard.index),
    ...(parent !== undefined && { ParentShardId: shardId(parent) }),
    ...(adjacent !== undefined && { AdjacentParentShardId: shardId(adjacent) }),
    HashKeyRange: describeRange(shard),
    SequenceNumberRange: {
      StartingSequenceNumber: sequenceNumber(prefix, 0),
      ...(shard.closed && { EndingSequenceNumber: sequenceNumber(prefix, shard.closed.position) }),
    },
  };
}

export function describeRange(shard: Shard) {
  return { StartingHashKey: hashDecimal(shard.from), EndingHashKey: hashDecimal(shard.to) };
}

function openShard(stream: StreamState, id: string): Shard {
  const shard = findShard(stream, id);
  if (shard.closed !== undefined)
    throw inUse(
      `Shard ${id} in stream ${stream.name} under account ${account} is closed: it was split or merged`,
    );
  return shard;
}

function replaceShards(
  stream: StreamState,
  parents: readonly Shard[],
  change: Change,
  ranges: readonly { from: string; to: string }[],
): Shard[] {
  const created = Math.max(change.now, ...parents.map((parent) => parent.created + 1));
  const kept = stream.shards.map((shard) =>
    parents.includes(shard)
      ? { ...shard, closed: { at: change.now, position: change.endOf(shard.index) } }
      : shard,
  );
  const children = ranges.map((range, nth) => {
    return {
      ...range,
      index: stream.shards.length + nth,
      created,
      parents: parents.map((parent) => parent.index),
    };
  });
  return [...kept, ...children];
}
