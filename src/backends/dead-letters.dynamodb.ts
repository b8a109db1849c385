/**
 * Dead letters as DynamoDB items `{ pk: stream#shard, sk: sequence#index, reason, detail, arrival, bytes }`. The bytes
 * of a letter that is larger than an item go on in `sequence#index#1` and so on.
 *
 * Delivery guarantee: a letter is written at least once and under the same key, so it is there once.
 */
import type { WriteRequest } from "@aws-sdk/client-dynamodb";
import { type BatchWriteOptions, writeInBatches } from "./batch-write.dynamodb.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";

const maxBytes = 350_000; // of an item's 400 KB

export function dynamoDeadLetters(options: BatchWriteOptions): DeadLetters {
  return {
    put: async (letters) => {
      await writeInBatches(options, [letters.flatMap(requests)]);
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
