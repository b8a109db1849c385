import type { Catalog } from "./kinesis-catalog.ts";
import { invalidArgument, throughputExceeded, validation } from "./kinesis-errors.ts";
import type { NewRecord } from "./kinesis-frame.ts";
import type { Input } from "./kinesis-input.ts";
import { blob, optionalText, structures, text } from "./kinesis-input.ts";
import type { Shard } from "./kinesis-shards.ts";
import { account, explicitHash, hashOf, shardId } from "./kinesis-shards.ts";
import type { Stream } from "./kinesis-stream.ts";

const maxRecordBytes = 1_048_576;
const maxRecords = 500;
const maxRequestBytes = 5 * 1_048_576;

interface RoutedRecord extends NewRecord {
  readonly hash: string;
}

interface PutResult {
  readonly ShardId?: string;
  readonly SequenceNumber?: string;
  readonly ErrorCode?: string;
  readonly ErrorMessage?: string;
}

/** Answers once the record is written; rejects `ProvisionedThroughputExceededException` where the shard is full. */
export async function putRecord(catalog: Catalog, input: Input) {
  const stream = catalog.find(input);
  optionalText(input, "SequenceNumberForOrdering", { pattern: /0|[1-9]\d{0,128}/ }); // the log orders anyway
  const record = readRecord(input);
  await stream.makeWritable();
  const shard = stream.shardFor(record.hash);
  if (!stream.admits(shard, record.payload)) throw throughputExceeded(rateExceeded(stream, shard));
  const { sequenceNumbers, written } = stream.writableLog(shard).append([record], catalog.now);
  await written;
  return { ShardId: shardId(shard.index), SequenceNumber: sequenceNumbers[0], EncryptionType: "NONE" };
}

/** Answers once all records are written or refused; a record's place in the answer is its place in the request. */
export async function putRecords(catalog: Catalog, input: Input) {
  const stream = catalog.find(input);
  const records = structures(input, "Records", 1, maxRecords).map(readRecord);
  const bytes = records.reduce((sum, record) => sum + record.payload, 0);
  if (bytes > maxRequestBytes)
    throw invalidArgument(
      `Records size exceeds 5 MB limit: ${bytes} bytes of data and partition keys arrived`,
    );
  await stream.makeWritable();
  const results: PutResult[] = [];
  const batches = batchByShard(stream, records, results);
  await Promise.all(batches.map((batch) => writeBatch(stream, batch, catalog.now, results)));
  const failed = results.filter((result) => result.ErrorCode !== undefined).length;
  return { FailedRecordCount: failed, Records: results, EncryptionType: "NONE" };
}

/** The records of one request that go to one shard, and their places in the request. */
interface Batch {
  readonly shard: Shard;
  readonly records: RoutedRecord[];
  readonly places: number[];
}

/** Sorts records by shard; those that a shard does not take now are answered in `results` at once. */
function batchByShard(stream: Stream, records: readonly RoutedRecord[], results: PutResult[]): Batch[] {
  const batches = new Map<number, Batch>();
  records.forEach((record, place) => {
    const shard = stream.shardFor(record.hash);
    if (!stream.admits(shard, record.payload)) {
      const message = rateExceeded(stream, shard);
      results[place] = { ErrorCode: "ProvisionedThroughputExceededException", ErrorMessage: message };
      return;
    }
    const batch = batches.get(shard.index) ?? { shard, records: [], places: [] };
    batches.set(shard.index, batch);
    batch.records.push(record);
    batch.places.push(place);
  });
  return [...batches.values()];
}

async function writeBatch(stream: Stream, batch: Batch, now: number, results: PutResult[]): Promise<void> {
  const ShardId = shardId(batch.shard.index);
  try {
    const { sequenceNumbers, written } = stream.writableLog(batch.shard).append(batch.records, now);
    await written;
    batch.places.forEach((place, nth) => {
      results[place] = { ShardId, SequenceNumber: sequenceNumbers[nth] as string };
    });
  } catch (error) {
    const failed = {
      ErrorCode: "InternalFailure",
      ErrorMessage: `Internal service failure: ${String(error)}`,
    };
    for (const place of batch.places) results[place] = failed;
  }
}

function readRecord(input: Input): RoutedRecord {
  const partitionKey = text(input, "PartitionKey", { max: 256 });
  const { base64, bytes } = blob(input, "Data", maxRecordBytes);
  const payload = bytes + Buffer.byteLength(partitionKey);
  if (payload > maxRecordBytes)
    throw validation(
      `Data and PartitionKey of a record must be at most ${maxRecordBytes} bytes together, but ${payload} arrived`,
    );
  const explicit = optionalText(input, "ExplicitHashKey", { pattern: /0|[1-9]\d{0,38}/ });
  const hash = explicit === undefined ? hashOf(partitionKey) : explicitHash(explicit);
  return { base64, partitionKey, payload, hash };
}

function rateExceeded(stream: Stream, shard: Shard): string {
  return `Rate exceeded for shard ${shardId(shard.index)} in stream ${stream.state.name} under account ${account}.`;
}
