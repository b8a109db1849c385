import type { Catalog } from "./kinesis-catalog.ts";
import { streamName } from "./kinesis-catalog.ts";
import { invalidArgument, limitExceeded, validation } from "./kinesis-errors.ts";
import type { Input } from "./kinesis-input.ts";
import { integer, optionalInteger, optionalStructure, text } from "./kinesis-input.ts";
import type { Change, Shard, StreamState } from "./kinesis-shards.ts";
import { account, findShard, firstShards, mergeShards, splitShard } from "./kinesis-shards.ts";
import type { Stream } from "./kinesis-stream.ts";

const maxShards = 1_000; // of one stream: each open shard that is written keeps a file open
const onDemandShards = 4;
const defaultRetentionHours = 24;
const maxRetentionHours = 8_760;
const shardName = { pattern: /[a-zA-Z0-9_.-]+/, max: 128 } as const;

/** Makes a stream, ACTIVE at once. */
export function createStream(catalog: Catalog, input: Input, region: string): Promise<void> {
  const name = text(input, "StreamName", streamName);
  const mode = readMode(input);
  const count = shardCount(input, mode);
  return catalog.change(async () => {
    const created = catalog.nextCreated();
    catalog.add({
      name,
      created,
      mode,
      arn: `arn:aws:kinesis:${region}:${account}:stream/${name}`,
      retentionHours: defaultRetentionHours,
      shards: firstShards(count, created),
    });
  });
}

/** Removes a stream and its records at once. */
export function deleteStream(catalog: Catalog, input: Input): Promise<void> {
  return catalog.change(() => catalog.remove(catalog.find(input)));
}

export function split(catalog: Catalog, input: Input): Promise<void> {
  const id = text(input, "ShardToSplit", shardName);
  const newStart = text(input, "NewStartingHashKey", { pattern: /0|[1-9]\d{0,38}/ });
  return reshard(catalog, input, [id], (state, change) => splitShard(state, id, newStart, change));
}

export function merge(catalog: Catalog, input: Input): Promise<void> {
  const id = text(input, "ShardToMerge", shardName);
  const adjacent = text(input, "AdjacentShardToMerge", shardName);
  return reshard(catalog, input, [id, adjacent], (state, change) => mergeShards(state, id, adjacent, change));
}

export function increaseRetention(catalog: Catalog, input: Input): Promise<void> {
  return changeRetention(catalog, input, (asked, { name, retentionHours }) => {
    if (asked < retentionHours)
      throw invalidArgument(
        `Requested retention period (${asked} hours) for stream ${name} can not be shorter than existing retention ` +
          `period (${retentionHours} hours). Use DecreaseRetentionPeriod API.`,
      );
  });
}

export function decreaseRetention(catalog: Catalog, input: Input): Promise<void> {
  return changeRetention(catalog, input, (asked, { name, retentionHours }) => {
    if (asked > retentionHours)
      throw invalidArgument(
        `Requested retention period (${asked} hours) for stream ${name} can not be longer than existing retention ` +
          `period (${retentionHours} hours). Use IncreaseRetentionPeriod API.`,
      );
  });
}

function readMode(input: Input): StreamState["mode"] {
  const details = optionalStructure(input, "StreamModeDetails");
  if (details === undefined) return "PROVISIONED";
  const mode = text(details, "StreamMode", { oneOf: ["PROVISIONED", "ON_DEMAND"] });
  return mode === "ON_DEMAND" ? "ON_DEMAND" : "PROVISIONED";
}

function shardCount(input: Input, mode: StreamState["mode"]): number {
  const count = optionalInteger(input, "ShardCount", 1, 100_000);
  if (mode === "ON_DEMAND") {
    if (count !== undefined) throw validation("ShardCount must not be given for a stream in ON_DEMAND mode.");
    return onDemandShards;
  }
  if (count === undefined) throw validation("ShardCount must be given for a stream in PROVISIONED mode.");
  if (count > maxShards)
    throw limitExceeded(
      `A stream of the embedded Kinesis has at most ${maxShards} shards, but ${count} were asked for.`,
    );
  return count;
}

type Reshape = (state: StreamState, change: Change) => Shard[];

// the logs are open before the switch, so that the positions at which the parents end are known in one turn
function reshard(catalog: Catalog, input: Input, ids: readonly string[], reshape: Reshape): Promise<void> {
  return catalog.change(async () => {
    const stream = catalog.find(input);
    const { state } = stream;
    if (state.mode === "ON_DEMAND")
      throw validation(
        `Stream ${state.name} is in ON_DEMAND mode; only PROVISIONED streams are split and merged.`,
      );
    const ends = await endsOf(stream, ids);
    const shards = reshape(state, { now: catalog.now, endOf: (index) => ends.get(index)?.() ?? 0 });
    if (shards.length > maxShards)
      throw limitExceeded(
        `A stream of the embedded Kinesis has at most ${maxShards} shards, closed ones included.`,
      );
    catalog.update(stream, { ...state, shards });
  });
}

async function endsOf(stream: Stream, ids: readonly string[]): Promise<Map<number, () => number>> {
  const ends = new Map<number, () => number>();
  for (const id of ids) {
    const shard = findShard(stream.state, id);
    const log = await stream.log(shard);
    ends.set(shard.index, () => log.assigned);
  }
  return ends;
}

function changeRetention(
  catalog: Catalog,
  input: Input,
  check: (asked: number, state: StreamState) => void,
): Promise<void> {
  const asked = integer(input, "RetentionPeriodHours", 1, 1_000_000);
  return catalog.change(async () => {
    const stream = catalog.find(input);
    if (asked < defaultRetentionHours || asked > maxRetentionHours)
      throw invalidArgument(
        `The retention period must be between ${defaultRetentionHours} and ${maxRetentionHours} hours, ` +
          `but ${asked} arrived.`,
      );
    check(asked, stream.state);
    catalog.update(stream, { ...stream.state, retentionHours: asked });
  });
}
