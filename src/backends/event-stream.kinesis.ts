/**
 * The event stream on Kinesis.
 *
 * Delivery guarantee: records are read in order and at least once. A put stores every entry; what Kinesis refused is
 * put again behind the rest, so order within a call holds only while nothing is throttled. The adapter never repeats a
 * call that was not answered: whether the client does (`maxAttempts`) decides between at least and at most once.
 */
import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  ProvisionedThroughputExceededException,
  type _Record as KinesisRecord,
  PutRecordsCommand,
  type PutRecordsRequestEntry,
  type PutRecordsResultEntry,
  type Shard as KinesisShard,
} from "@aws-sdk/client-kinesis";
import { SluiceError } from "../model/errors.ts";
import { plainSequence, sortableSequence } from "../model/sequence.ts";
import type { EventStream, Fetched, PutEntry, Shard } from "./event-stream.ts";

export interface KinesisEventStreamOptions {
  readonly client: KinesisClient;
  readonly stream: string;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
}

const putEntries = 500; // Kinesis: the most entries of one PutRecords
const putBytes = 4_500_000; // of its 5 MiB, partition keys included
const fetchRecords = 10_000; // Kinesis: the most records of one GetRecords
const throttledAttempts = 10; // in a row without any progress, about half a minute
const firstBackoffMs = 50;
const maxBackoffMs = 5_000;

type Put = Awaited<ReturnType<EventStream["put"]>>[number];

export function kinesisEventStream(options: KinesisEventStreamOptions): EventStream {
  // shard -> its first hash key; a shard's never changes
  const hashKeys = new Map<string, string>();
  return {
    shards: () => listShards(options, hashKeys),
    iterator: (shard, after) => openIterator(options, shard, after),
    fetch: (iterator, limit) => fetch(options, iterator, limit ?? fetchRecords),
    put: async (entries) => {
      if (entries.some(({ shard }) => shard !== undefined && !hashKeys.has(shard)))
        await listShards(options, hashKeys);
      const requests = entries.map((entry) => requestOf(entry, hashKeys));
      const stored: Put[] = [];
      for (const call of callsOf(requests)) stored.push(...(await putCall(options, call)));
      return stored;
    },
  };
}

async function listShards(
  { client, stream }: KinesisEventStreamOptions,
  hashKeys: Map<string, string>,
): Promise<readonly Shard[]> {
  const shards: Shard[] = [];
  let NextToken: string | undefined;
  do {
    // a page after the first one is asked for by its token alone
    const command = new ListShardsCommand(NextToken === undefined ? { StreamName: stream } : { NextToken });
    const answer = await client.send(command);
    for (const shard of answer.Shards ?? []) {
      hashKeys.set(shard.ShardId ?? "", shard.HashKeyRange?.StartingHashKey ?? "0");
      shards.push(toShard(shard));
    }
    NextToken = answer.NextToken;
  } while (NextToken !== undefined);
  return shards;
}

function toShard(shard: KinesisShard): Shard {
  return {
    id: shard.ShardId!,
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].filter((parent) => parent !== undefined),
    closed: shard.SequenceNumberRange?.EndingSequenceNumber !== undefined,
  };
}

async function openIterator(
  { client, stream }: KinesisEventStreamOptions,
  shard: string,
  after: string | null,
): Promise<string> {
  const from =
    after === null
      ? ({ ShardIteratorType: "TRIM_HORIZON" } as const)
      : ({
          ShardIteratorType: "AFTER_SEQUENCE_NUMBER",
          StartingSequenceNumber: plainSequence(after),
        } as const);
  const answer = await client.send(
    new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from }),
  );
  return answer.ShardIterator!;
}

async function fetch(
  options: KinesisEventStreamOptions,
  ShardIterator: string,
  Limit: number,
): Promise<Fetched | "expired"> {
  const command = new GetRecordsCommand({ ShardIterator, Limit: Math.min(Limit, fetchRecords) });
  for (let attempt = 1; ; attempt++)
    try {
      const answer = await options.client.send(command);
      return {
        records: (answer.Records ?? []).map(toRecord),
        next: answer.NextShardIterator ?? null,
        millisBehindLatest: answer.MillisBehindLatest ?? 0,
      };
    } catch (error) {
      if (error instanceof ExpiredIteratorException) return "expired";
      await backOffIfThrottled(options, error, attempt);
    }
}

function toRecord({ SequenceNumber, ApproximateArrivalTimestamp, Data }: KinesisRecord) {
  return {
    sequence: sortableSequence(SequenceNumber!),
    arrival: ApproximateArrivalTimestamp!.getTime(),
    data: Data!,
  };
}

function requestOf({ partitionKey, data, shard }: PutEntry, hashKeys: ReadonlyMap<string, string>) {
  const request: PutRecordsRequestEntry = { PartitionKey: partitionKey, Data: data };
  if (shard === undefined) return request;
  const ExplicitHashKey = hashKeys.get(shard);
  if (ExplicitHashKey === undefined)
    throw new SluiceError(
      "INTERNAL",
      `An entry aims at a shard of the stream. There is no shard "${shard}".`,
    );
  return { ...request, ExplicitHashKey };
}

function* callsOf(requests: readonly PutRecordsRequestEntry[]): Generator<PutRecordsRequestEntry[]> {
  let call: PutRecordsRequestEntry[] = [];
  let bytes = 0;
  for (const request of requests) {
    const size = request.Data!.length + Buffer.byteLength(request.PartitionKey!);
    if (call.length > 0 && (call.length === putEntries || bytes + size > putBytes)) {
      yield call;
      [call, bytes] = [[], 0];
    }
    call.push(request);
    bytes += size;
  }
  if (call.length > 0) yield call;
}

/** Puts one call's entries until each is stored; refused ones go again, in their order. */
async function putCall(
  options: KinesisEventStreamOptions,
  call: readonly PutRecordsRequestEntry[],
): Promise<Put[]> {
  const stored: Put[] = [];
  let left = call.map((request, i) => ({ request, i }));
  for (let attempt = 1; left.length > 0; attempt++) {
    const results = await putOnce(options, left);
    const refused = left.filter((_, n) => results[n]?.SequenceNumber === undefined);
    results.forEach((result, n) => {
      if (result.SequenceNumber !== undefined) stored[left[n]!.i] = toPut(result);
    });
    if (refused.length < left.length) attempt = 0;
    if (refused.length > 0) await backOffIfThrottled(options, refusal(results), attempt);
    left = refused;
  }
  return stored;
}

/** A call that is throttled as a whole refuses all of its entries. */
async function putOnce(
  { client, stream }: KinesisEventStreamOptions,
  left: readonly { readonly request: PutRecordsRequestEntry }[],
): Promise<readonly PutRecordsResultEntry[]> {
  const Records = left.map(({ request }) => request);
  try {
    return (await client.send(new PutRecordsCommand({ StreamName: stream, Records }))).Records ?? [];
  } catch (error) {
    if (!(error instanceof ProvisionedThroughputExceededException)) throw unavailable(stream, error);
    return Records.map(() => ({ ErrorCode: error.name, ErrorMessage: error.message }));
  }
}

const toPut = (result: PutRecordsResultEntry): Put => ({
  shard: result.ShardId!,
  sequence: sortableSequence(result.SequenceNumber!),
});

/** Entries are refused one by one when their shard is throttled or fails: both mean that they are not stored. */
function refusal(results: readonly PutRecordsResultEntry[]): Error {
  const [first] = results.filter(({ ErrorCode }) => ErrorCode !== undefined);
  return new ProvisionedThroughputExceededException({
    message: `${first?.ErrorCode ?? "no answer"}: ${first?.ErrorMessage ?? ""}`,
    $metadata: {},
  });
}

/** Waits after a throttled call, which has changed nothing. Rejects with any other error, and after too many attempts. */
async function backOffIfThrottled(
  { random, wait, stream }: KinesisEventStreamOptions,
  error: unknown,
  attempt: number,
): Promise<void> {
  if (!(error instanceof ProvisionedThroughputExceededException)) throw unavailable(stream, error);
  if (attempt >= throttledAttempts)
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `Kinesis refused ${attempt} attempts in a row: stream "${stream}" is throttled. Add shards, or put less.`,
      { cause: error },
    );
  await wait((0.5 + random() / 2) * Math.min(maxBackoffMs, firstBackoffMs * 2 ** attempt));
}

function unavailable(stream: string, cause: unknown): SluiceError {
  return new SluiceError(
    "BACKEND_UNAVAILABLE",
    `Kinesis does not answer for stream "${stream}". Try again in a few seconds.`,
    { cause },
  );
}
