/**
 * Dead letters as DynamoDB items `{ pk: stream#shard, sk: sequence#index, reason, detail, arrival, bytes }`. The bytes
 * of a letter that is larger than an item go on in `sequence#index#1` and so on.
 *
 * Delivery guarantee: a letter is written at least once and under the same key, so it is there once.
 */
import { BatchWriteItemCommand, type DynamoDBClient, type WriteRequest } from "@aws-sdk/client-dynamodb";
import { SluiceError } from "../model/errors.ts";
import { batchesOf } from "./batches.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";

export interface DynamoDeadLettersOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
}

const writeBatch = 25; // DynamoDB: the most items of one BatchWriteItem
const maxBytes = 350_000; // of an item's 400 KB
const attempts = 8;
const firstBackoffMs = 25;

export function dynamoDeadLetters(options: DynamoDeadLettersOptions): DeadLetters {
  return {
    put: async (letters) => {
      for await (const batch of batchesOf(letters.flatMap(requests), writeBatch)) await write(options, batch);
    },
  };
}

function requests(letter: DeadLetter): WriteRequest[] {
  const pk = { S: `${letter.stream}#${letter.shard}` };
  const sk = `${letter.sequence}#${letter.index}`;
  const first = {
    pk,
    sk: { S: sk },
    reason: { S: letter.reason },
    detail: { S: letter.detail },
    arrival: { N: String(letter.arrival) },
    size: { N: String(letter.bytes.length) },
    bytes: { B: letter.bytes.subarray(0, maxBytes) },
  };
  const rest: WriteRequest[] = [];
  for (let part = 1; part * maxBytes < letter.bytes.length; part++) {
    const bytes = letter.bytes.subarray(part * maxBytes, (part + 1) * maxBytes);
    rest.push({ PutRequest: { Item: { pk, sk: { S: `${sk}#${part}` }, bytes: { B: bytes } } } });
  }
  return [{ PutRequest: { Item: first } }, ...rest];
}

async function write(options: DynamoDeadLettersOptions, batch: WriteRequest[]): Promise<void> {
  const { client, table, random, wait } = options;
  let left = batch;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await wait(random() * firstBackoffMs * 2 ** attempt);
    const answer = await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: left } }));
    left = answer.UnprocessedItems?.[table] ?? [];
    if (left.length === 0) return;
  }
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `DynamoDB left ${left.length} dead letters unwritten after ${attempts} attempts: table "${table}" is throttled. They are put again.`,
  );
}
