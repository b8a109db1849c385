import type { Catalog } from "./kinesis-catalog.ts";
import { streamName } from "./kinesis-catalog.ts";
import { expiredToken, invalidArgument } from "./kinesis-errors.ts";
import type { Input } from "./kinesis-input.ts";
import { optionalInteger, optionalStructure, optionalText, optionalTime, text } from "./kinesis-input.ts";
import type { Shard, StreamState } from "./kinesis-shards.ts";
import { describeShard, shardId } from "./kinesis-shards.ts";
import { openToken, sealToken, tokenLifeMs } from "./kinesis-token.ts";

const shardName = { pattern: /[a-zA-Z0-9_.-]+/, max: 128 } as const;
const anyToken = { max: 1_048_576 } as const;
const filterTypes = [
  "AFTER_SHARD_ID",
  "AT_TRIM_HORIZON",
  "FROM_TRIM_HORIZON",
  "AT_LATEST",
  "AT_TIMESTAMP",
  "FROM_TIMESTAMP",
];

export async function describeStream(catalog: Catalog, input: Input) {
  const { state } = catalog.find(input);
  const limit = optionalInteger(input, "Limit", 1, 10_000) ?? 100;
  const after = optionalText(input, "ExclusiveStartShardId", shardName) ?? "";
  const shards = state.shards.filter((shard) => shardId(shard.index) > after);
  return {
    StreamDescription: {
      ...describeState(state),
      Shards: shards.slice(0, limit).map(describeShard),
      HasMoreShards: shards.length > limit,
    },
  };
}

export async function describeStreamSummary(catalog: Catalog, input: Input) {
  const { state, openShards } = catalog.find(input);
  return {
    StreamDescriptionSummary: {
      ...describeState(state),
      OpenShardCount: openShards.length,
      ConsumerCount: 0,
    },
  };
}

export async function listStreams(catalog: Catalog, input: Input) {
  const limit = optionalInteger(input, "Limit", 1, 10_000) ?? 100;
  const token = optionalText(input, "NextToken", anyToken);
  const after =
    token === undefined ? optionalText(input, "ExclusiveStartStreamName", streamName) : tokenName(token);
  const states = catalog.streams.map((stream) => stream.state).filter((state) => state.name > (after ?? ""));
  const page = states.slice(0, limit);
  const last = page.at(-1);
  return {
    StreamNames: page.map((state) => state.name),
    StreamSummaries: page.map(summarize),
    HasMoreStreams: states.length > limit,
    ...(states.length > limit && last && { NextToken: sealToken(["streams", last.name]) }),
  };
}

/** What a page of ListShards goes on from: the token stands in for the stream, the place and the filter. */
interface ShardListing {
  readonly state: StreamState;
  readonly after: string;
  readonly filter: Input | undefined;
}

export async function listShards(catalog: Catalog, input: Input) {
  const limit = optionalInteger(input, "MaxResults", 1, 10_000) ?? 1_000;
  const { state, after, filter } = readListing(catalog, input);
  const kept = filter === undefined ? () => true : shardFilter(catalog, state, filter);
  const shards = state.shards.filter((shard) => shardId(shard.index) > after && kept(shard));
  const page = shards.slice(0, limit);
  const last = page.at(-1);
  const token = last && [
    "shards",
    state.name,
    state.created,
    shardId(last.index),
    filterJson(filter),
    catalog.now,
  ];
  return {
    Shards: page.map(describeShard),
    ...(shards.length > limit && token && { NextToken: sealToken(token) }),
  };
}

function readListing(catalog: Catalog, input: Input): ShardListing {
  const token = optionalText(input, "NextToken", anyToken);
  if (token === undefined) {
    const after = optionalText(input, "ExclusiveStartShardId", shardName) ?? "";
    return { state: catalog.find(input).state, after, filter: optionalStructure(input, "ShardFilter") };
  }
  if (["StreamName", "StreamARN", "ExclusiveStartShardId"].some((member) => input[member] !== undefined))
    throw invalidArgument(
      "NextToken names the stream and the place: StreamName must not be given beside it.",
    );
  return listingOf(catalog, token);
}

function listingOf(catalog: Catalog, token: string): ShardListing {
  const [kind, name, created, after, filter, issued] = openToken(token) ?? [];
  if (
    kind !== "shards" ||
    typeof after !== "string" ||
    typeof issued !== "number" ||
    typeof filter !== "string"
  )
    throw invalidArgument("Invalid NextToken: pass the one that ListShards answered.");
  if (catalog.now - issued > tokenLifeMs)
    throw expiredToken(`NextToken expired after ${tokenLifeMs} milliseconds: begin the listing again.`);
  const { state } = catalog.find({ StreamName: name });
  if (state.created !== created)
    throw expiredToken("NextToken is of a stream that was deleted: begin again.");
  return { state, after, filter: filter === "" ? undefined : (JSON.parse(filter) as Input) };
}

function filterJson(filter: Input | undefined): string {
  return filter === undefined ? "" : JSON.stringify(filter);
}

function shardFilter(catalog: Catalog, state: StreamState, filter: Input): (shard: Shard) => boolean {
  const type = text(filter, "Type", { oneOf: filterTypes });
  if (type === "AFTER_SHARD_ID") {
    const after = text(filter, "ShardId", shardName);
    return (shard) => shardId(shard.index) > after;
  }
  if (type === "AT_LATEST") return (shard) => shard.closed === undefined;
  const time = type.endsWith("_TIMESTAMP")
    ? requiredTime(filter)
    : catalog.now - state.retentionHours * 3_600_000;
  const from = Math.max(time, state.created);
  const openUntil = (shard: Shard) => shard.closed?.at ?? Number.POSITIVE_INFINITY;
  if (type.startsWith("FROM_")) return (shard) => openUntil(shard) >= from;
  return (shard) => shard.created <= from && openUntil(shard) > from;
}

function requiredTime(filter: Input): number {
  const time = optionalTime(filter, "Timestamp");
  if (time === undefined)
    throw invalidArgument("A ShardFilter by timestamp must have a Timestamp, but none arrived.");
  return time;
}

function tokenName(token: string): string {
  const [kind, name] = openToken(token) ?? [];
  if (kind === "streams" && typeof name === "string") return name;
  throw invalidArgument("Invalid NextToken: pass the one that ListStreams answered.");
}

function summarize(state: StreamState) {
  return {
    StreamName: state.name,
    StreamARN: state.arn,
    StreamStatus: "ACTIVE",
    StreamModeDetails: { StreamMode: state.mode },
    StreamCreationTimestamp: state.created / 1_000,
  };
}

function describeState(state: StreamState) {
  return {
    ...summarize(state),
    RetentionPeriodHours: state.retentionHours,
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
    EncryptionType: "NONE",
  };
}
