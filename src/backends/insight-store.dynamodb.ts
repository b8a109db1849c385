/**
 * Segments `{ pk, sk, c: packed }` and live items `{ pk, sk, v: version, wm: watermarks, c: packed }` in DynamoDB.
 *
 * Delivery guarantee: segments are written at least once, which is harmless as they are immutable; a live item is
 * written only over the version it was computed from. A lost answer may look like a lost race: the caller compares.
 */
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  type PutItemCommandInput,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand,
  type BatchGetCommandInput,
  type BatchGetCommandOutput,
  DynamoDBDocumentClient,
  paginateQuery,
} from "@aws-sdk/lib-dynamodb";
import { SluiceError } from "../model/errors.ts";
import { type ItemKey, itemId } from "../model/layout.ts";
import { writeInBatches } from "./batch-write.dynamodb.ts";
import { batchesOf, inParallel } from "./batches.ts";
import type { InsightRead, InsightStore, LiveItem, LiveWrite, SegmentItem } from "./insight-store.ts";

export interface DynamoInsightStoreOptions {
  readonly client: DynamoDBClient;
  readonly tables: { readonly insights: string; readonly live: string };
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
}

const readBatch = 100; // DynamoDB: the most keys of one BatchGetItem
const parallelReads = 8;
const readAttempts = 8; // of one batch, before a reader is told that the store is not available
const firstBackoffMs = 25;
const maxBackoffMs = 10_000;

export function dynamoInsightStore(options: DynamoInsightStoreOptions): InsightStore {
  const documents = DynamoDBDocumentClient.from(options.client);
  const writes = { ...options, table: options.tables.insights };
  const removals = { ...options, table: options.tables.live };
  return {
    read: (segments, live) => read(options, documents, segments, live),
    writeSegments: (items, progress) => writeInBatches(writes, mapped(items, putOf), progress),
    removeSegments: (keys) => writeInBatches(writes, mapped(batchesOf(keys, readBatch), deleteOf)),
    writeLive: (item, expected) => writeLive(options, item, expected),
    listLive: (partition) => listLive(documents, options.tables.live, partition),
    removeLive: (keys) => writeInBatches(removals, mapped(batchesOf(keys, readBatch), deleteOf)),
  };
}

type TableKeys = NonNullable<BatchGetCommandInput["RequestItems"]>;

async function read(
  options: DynamoInsightStoreOptions,
  documents: DynamoDBDocumentClient,
  segments: readonly ItemKey[],
  live: readonly ItemKey[],
): Promise<InsightRead> {
  const found: { segments: Map<string, string>; live: Map<string, LiveItem> } = {
    segments: new Map(),
    live: new Map(),
  };
  const keep = (table: string, item: Record<string, unknown>): void => {
    if (table === options.tables.live) {
      const liveItem = toLiveItem(item as unknown as StoredLiveItem);
      found.live.set(itemId(liveItem), liveItem);
    } else found.segments.set(itemId(item as unknown as ItemKey), String(item["c"]));
  };
  const wanted = [
    ...unique(segments).map((key) => ({ table: options.tables.insights, key })),
    ...unique(live).map((key) => ({ table: options.tables.live, key })),
  ];
  await inParallel(batchesOf(wanted, readBatch), parallelReads, (batch) =>
    readBatchOf(options, documents, keysByTable(options, batch), keep),
  );
  return found;
}

/** DynamoDB refuses a batch that names a key twice. */
function unique(keys: readonly ItemKey[]): ItemKey[] {
  return [...new Map(keys.map((key) => [itemId(key), { pk: key.pk, sk: key.sk }])).values()];
}

function keysByTable(
  { tables }: DynamoInsightStoreOptions,
  batch: readonly { readonly table: string; readonly key: ItemKey }[],
): TableKeys {
  const keysOf = (table: string) =>
    batch.filter((each) => each.table === table).map(({ key }) => ({ ...key }));
  const [insights, live] = [keysOf(tables.insights), keysOf(tables.live)];
  return {
    // consistent too: what a lagging replica does not have yet would be remembered as absent
    ...(insights.length > 0 && { [tables.insights]: { Keys: insights, ConsistentRead: true } }),
    ...(live.length > 0 && { [tables.live]: { Keys: live, ConsistentRead: true } }),
  };
}

async function readBatchOf(
  options: DynamoInsightStoreOptions,
  documents: DynamoDBDocumentClient,
  keys: TableKeys,
  keep: (table: string, item: Record<string, unknown>) => void,
): Promise<void> {
  let wanted: TableKeys = keys;
  for (let attempt = 0; attempt < readAttempts; attempt++) {
    if (attempt > 0) await backOff(options, attempt);
    const answer: BatchGetCommandOutput = await documents
      .send(new BatchGetCommand({ RequestItems: wanted }))
      .catch(unavailable);
    for (const [table, items] of Object.entries(answer.Responses ?? {}))
      for (const item of items) keep(table, item);
    wanted = answer.UnprocessedKeys ?? {};
    if (Object.keys(wanted).length === 0) return;
  }
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `DynamoDB left keys unread after ${readAttempts} attempts: it is throttled. Ask again in a few seconds.`,
  );
}

function unavailable(cause: unknown): never {
  throw new SluiceError("BACKEND_UNAVAILABLE", "DynamoDB does not answer. Ask again in a few seconds.", {
    cause,
  });
}

/** A random part of an exponentially growing time, so that those who were throttled together do not return together. */
async function backOff({ random, wait }: DynamoInsightStoreOptions, attempt: number): Promise<void> {
  await wait(random() * Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(attempt, 16)));
}

async function* mapped<T>(
  batches: AsyncIterable<readonly T[]> | Iterable<readonly T[]>,
  requestOf: (item: T) => WriteRequest,
): AsyncIterable<WriteRequest[]> {
  for await (const batch of batches) yield batch.map(requestOf);
}

function putOf(item: SegmentItem): WriteRequest {
  return { PutRequest: { Item: { pk: { S: item.pk }, sk: { S: item.sk }, c: { S: item.packed } } } };
}

function deleteOf({ pk, sk }: ItemKey): WriteRequest {
  return { DeleteRequest: { Key: { pk: { S: pk }, sk: { S: sk } } } };
}

async function writeLive(
  options: DynamoInsightStoreOptions,
  item: LiveItem,
  expected: number | null,
): Promise<LiveWrite> {
  try {
    const put = new PutItemCommand(livePut(options.tables.live, item, expected));
    const { ConsumedCapacity } = await options.client.send(put);
    return { applied: true, writeUnits: ConsumedCapacity?.CapacityUnits ?? 0 };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) return unavailable(error);
    const current = error.Item === undefined ? null : currentItem(error.Item);
    return { applied: false, writeUnits: unitsRefused(item, current), current };
  }
}

const bytesPerUnit = 1024;

/** An error carries no capacity: DynamoDB charges a failed condition by the larger one of the two items. */
function unitsRefused(item: LiveItem, current: LiveItem | null): number {
  return Math.ceil(Math.max(liveBytes(item), current === null ? 0 : liveBytes(current)) / bytesPerUnit);
}

/** Names and values as DynamoDB counts them; a number takes a byte for two digits and one more. */
function liveBytes({ pk, sk, version, watermarks, packed }: LiveItem): number {
  const shards = Object.entries(watermarks).map(([shard, at]) => shard.length + at.length + 1);
  const texts = Buffer.byteLength(pk) + Buffer.byteLength(sk) + Buffer.byteLength(packed);
  const names = ["pk", "sk", "v", "wm", "c"].join("");
  const number = Math.ceil(String(version).length / 2) + 1;
  return names.length + texts + number + 3 + shards.reduce((sum, bytes) => sum + bytes, 0);
}

function livePut(TableName: string, item: LiveItem, expected: number | null): PutItemCommandInput {
  const wm = Object.fromEntries(Object.entries(item.watermarks).map(([shard, S]) => [shard, { S }]));
  const put = {
    TableName,
    Item: {
      pk: { S: item.pk },
      sk: { S: item.sk },
      v: { N: String(item.version) },
      wm: { M: wm },
      c: { S: item.packed },
    },
    ReturnConsumedCapacity: "TOTAL",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  } as const;
  if (expected === null) return { ...put, ConditionExpression: "attribute_not_exists(pk)" };
  return {
    ...put,
    ConditionExpression: "v = :expected",
    ExpressionAttributeValues: { ":expected": { N: String(expected) } },
  };
}

/** The document client leaves the item of a failed condition as it came over the wire. */
function currentItem(item: Record<string, AttributeValue>): LiveItem {
  const watermarks = Object.entries(item["wm"]?.M ?? {}).map(([shard, at]) => [shard, at.S ?? ""] as const);
  return {
    pk: item["pk"]?.S ?? "",
    sk: item["sk"]?.S ?? "",
    version: Number(item["v"]?.N),
    watermarks: Object.fromEntries(watermarks),
    packed: item["c"]?.S ?? "",
  };
}

interface StoredLiveItem extends ItemKey {
  readonly v: number;
  readonly wm: Record<string, string>;
  readonly c: string;
}

function toLiveItem({ pk, sk, v, wm, c }: StoredLiveItem): LiveItem {
  return { pk, sk, version: v, watermarks: wm, packed: c };
}

async function* listLive(
  documents: DynamoDBDocumentClient,
  TableName: string,
  partition: string,
): AsyncIterable<LiveItem> {
  const pages = paginateQuery(
    { client: documents },
    {
      TableName,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": partition },
      ConsistentRead: true,
    },
  );
  for await (const page of pages)
    for (const item of page.Items ?? []) yield toLiveItem(item as StoredLiveItem);
}
