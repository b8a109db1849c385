import type { Catalog } from "./kinesis-catalog.ts";
import { expiredIterator, invalidArgument, notFound } from "./kinesis-errors.ts";
import type { Input } from "./kinesis-input.ts";
import { optionalInteger, optionalText, optionalTime, text } from "./kinesis-input.ts";
import type { ShardLog, Slice } from "./kinesis-log.ts";
import { parseSequenceNumber } from "./kinesis-sequence.ts";
import type { Shard } from "./kinesis-shards.ts";
import { account, childrenOf, describeRange, findShard, shardId } from "./kinesis-shards.ts";
import type { Stream } from "./kinesis-stream.ts";
import { openToken, sealToken, tokenLifeMs } from "./kinesis-token.ts";

const maxRecords = 10_000;
const maxBytes = 10 * 1_048_576;
const iteratorTypes = [
  "AT_SEQUENCE_NUMBER",
  "AFTER_SEQUENCE_NUMBER",
  "TRIM_HORIZON",
  "LATEST",
  "AT_TIMESTAMP",
];

/** A place in a shard, valid for five minutes from `issued` (ms) on, across restarts of the server. */
interface Iterator {
  readonly stream: Stream;
  readonly shard: Shard;
  readonly position: number;
}

/** Answers an opaque iterator that begins at the asked place. */
export async function getShardIterator(catalog: Catalog, input: Input) {
  const stream = catalog.find(input);
  const shard = findShard(stream.state, text(input, "ShardId", { pattern: /[a-zA-Z0-9_.-]+/, max: 128 }));
  const position = await startOf(catalog, stream, shard, input);
  return { ShardIterator: sealIterator({ stream, shard, position }, catalog.now) };
}

/**
 * Answers records as JSON bytes, taken from the log as they are. At the end of a closed shard there is no
 * NextShardIterator, but ChildShards.
 */
export async function getRecords(catalog: Catalog, input: Input): Promise<Buffer> {
  const { stream, shard, position } = openIterator(catalog, text(input, "ShardIterator", { max: 1_024 }));
  const limit = optionalInteger(input, "Limit", 1, maxRecords) ?? maxRecords;
  const log = await stream.log(shard);
  const slice = await log.read(Math.min(position, log.end), limit, maxBytes);
  return recordsJson(slice.records, {
    ...whatFollows(catalog, stream, shard, log, slice.next),
    MillisBehindLatest: slice.next >= log.end ? 0 : Math.max(0, catalog.now - slice.lastArrival),
  });
}

async function startOf(catalog: Catalog, stream: Stream, shard: Shard, input: Input): Promise<number> {
  const type = text(input, "ShardIteratorType", { oneOf: iteratorTypes });
  const log = await stream.log(shard);
  if (type === "TRIM_HORIZON") return log.start;
  if (type === "LATEST") return log.end;
  if (type === "AT_TIMESTAMP") return log.positionAt(timestampOf(catalog, input));
  return positionOf(stream, shard, input) + (type === "AFTER_SEQUENCE_NUMBER" ? 1 : 0);
}

function timestampOf(catalog: Catalog, input: Input): number {
  const timestamp = optionalTime(input, "Timestamp");
  if (timestamp === undefined)
    throw invalidArgument("Must specify Timestamp with ShardIteratorType AT_TIMESTAMP, but none arrived.");
  if (timestamp > catalog.now)
    throw invalidArgument(
      `The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. ` +
        `timestampInMillis: ${timestamp}, currentTimestampInMillis: ${catalog.now}`,
    );
  return timestamp;
}

function positionOf(stream: Stream, shard: Shard, input: Input): number {
  const number = optionalText(input, "StartingSequenceNumber", { pattern: /0|[1-9]\d{0,128}/ });
  if (number === undefined)
    throw invalidArgument(
      "Must specify StartingSequenceNumber with AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER, but none arrived.",
    );
  const parsed = parseSequenceNumber(number);
  if (parsed?.created !== shard.created || parsed.shard !== shard.index)
    throw invalidArgument(
      `StartingSequenceNumber ${number} used in GetShardIterator on shard ${shardId(shard.index)} in stream ` +
        `${stream.state.name} under account ${account} is invalid because it did not come from this shard.`,
    );
  return parsed.position;
}

function sealIterator({ stream, shard, position }: Iterator, now: number): string {
  return sealToken(["iterator", stream.state.name, shard.created, shard.index, position, now]);
}

function openIterator(catalog: Catalog, token: string): Iterator {
  const [kind, name, created, index, position, issued] = openToken(token) ?? [];
  if (
    kind !== "iterator" ||
    typeof name !== "string" ||
    typeof position !== "number" ||
    typeof issued !== "number"
  )
    throw invalidArgument("Invalid ShardIterator.");
  const stream = catalog.findNamed(name);
  const shard = stream?.state.shards.find((known) => known.index === index && known.created === created);
  if (stream === undefined || shard === undefined)
    throw notFound(
      `Shard ${shardId(Number(index))} in stream ${name} under account ${account} does not exist`,
    );
  if (catalog.now - issued > tokenLifeMs)
    throw expiredIterator(
      `Iterator expired. The iterator was created at time ${new Date(issued).toUTCString()} while right now it is ` +
        `${new Date(catalog.now).toUTCString()} which is further in the future than the tolerated delay of ` +
        `${tokenLifeMs} milliseconds.`,
    );
  return { stream, shard, position };
}

function whatFollows(catalog: Catalog, stream: Stream, shard: Shard, log: ShardLog, next: number) {
  const current = stream.state.shards[shard.index] ?? shard; // it may have been closed while the log was read
  const exhausted = current.closed !== undefined && log.assigned === log.end && next >= log.end;
  if (!exhausted) return { NextShardIterator: sealIterator({ stream, shard, position: next }, catalog.now) };
  const ChildShards = childrenOf(stream.state, shard).map((child) => {
    return {
      ShardId: shardId(child.index),
      ParentShards: child.parents.map(shardId),
      HashKeyRange: describeRange(child),
    };
  });
  return { ChildShards };
}

function recordsJson(records: Slice["records"], rest: object): Buffer {
  const comma = Buffer.from(",");
  const parts: Buffer[] = [Buffer.from('{"Records":[')];
  for (const [nth, record] of records.entries()) {
    if (nth > 0) parts.push(comma);
    parts.push(record);
  }
  parts.push(Buffer.from(`],${JSON.stringify(rest).slice(1)}`));
  return Buffer.concat(parts);
}
