/**
 * BatchWriteItem over a stream of requests: as many calls at once as the table takes.
 *
 * Delivery guarantee: every request is applied at least once, in no order; resolves when all are.
 */
import { BatchWriteItemCommand, type DynamoDBClient, type WriteRequest } from "@aws-sdk/client-dynamodb";
import { SluiceError } from "../model/errors.ts";
import { inParallel, regrouped } from "./batches.ts";

export interface BatchWriteOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
}

const writeBatch = 25; // DynamoDB: the most items of one BatchWriteItem
const firstWidth = 8;
const mostWidth = 32;
const attempts = 60; // of one batch without any progress: about ten minutes
const firstBackoffMs = 25;
const maxBackoffMs = 10_000;

/**
 * Resolves to the number of requests. Rejects `BACKEND_UNAVAILABLE` when DynamoDB does not answer, or accepts nothing of
 * a batch for about ten minutes.
 */
export async function writeInBatches(
  options: BatchWriteOptions,
  requests: AsyncIterable<readonly WriteRequest[]> | Iterable<readonly WriteRequest[]>,
  progress: (written: number) => void = () => {},
): Promise<number> {
  const pace = new Pace();
  let written = 0;
  await inParallel(
    regrouped(requests, writeBatch),
    () => pace.width,
    async (batch) => {
      await write(options, pace, batch);
      written += batch.length;
      progress(written);
    },
  );
  return written;
}

/** Calls at once: half as many whenever the table throttles, one more after as many calls as run at once went through. */
class Pace {
  #width = firstWidth;

  get width(): number {
    return Math.floor(this.#width);
  }

  accepted(): void {
    this.#width = Math.min(mostWidth, this.#width + 1 / this.#width);
  }

  throttled(): void {
    this.#width = Math.max(1, this.#width / 2);
  }
}

async function write(options: BatchWriteOptions, pace: Pace, batch: WriteRequest[]): Promise<void> {
  let left = batch;
  for (let attempt = 0; attempt < attempts; ) {
    const unprocessed = await send(options, left);
    if (unprocessed.length === 0) return pace.accepted();
    pace.throttled();
    attempt = unprocessed.length < left.length ? 1 : attempt + 1;
    left = unprocessed;
    await backOff(options, attempt);
  }
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `DynamoDB accepted none of ${left.length} items in ${attempts} attempts: table "${options.table}" is throttled. Raise its write capacity and try again.`,
  );
}

const throttling = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];

/** Resolves to what DynamoDB has not taken. */
async function send({ client, table }: BatchWriteOptions, batch: WriteRequest[]): Promise<WriteRequest[]> {
  try {
    const answer = await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: batch } }));
    return answer.UnprocessedItems?.[table] ?? [];
  } catch (cause) {
    if (throttling.includes((cause as Error).name)) return batch;
    throw new SluiceError("BACKEND_UNAVAILABLE", "DynamoDB does not answer. Ask again in a few seconds.", {
      cause,
    });
  }
}

/** A random part of an exponentially growing time, so that those who were throttled together do not return together. */
async function backOff({ random, wait }: BatchWriteOptions, attempt: number): Promise<void> {
  await wait(random() * Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(attempt, 16)));
}
