/**
 * Dead letters as DynamoDB items `{ pk: stream#shard, sk: sequence#index, reason, detail, arrival, size, bytes }`. The
 * bytes of a letter that is larger than an item go on in `sequence#index#1` and so on. What became of it is an item of
 * its own, `sequence#index#outcome`, which no repeated batch that puts the letter again can undo.
 *
 * Delivery guarantee: a letter is written at least once and under the same key, so it is there once.
 */
import { type AttributeValue, QueryCommand, type WriteRequest } from "@aws-sdk/client-dynamodb";
import { SluiceError } from "../model/errors.ts";
import type { Position } from "../model/position.ts";
import { type BatchWriteOptions, writeInBatches } from "./batch-write.dynamodb.ts";
import type {
  DeadLetter,
  DeadLetters,
  LetterKey,
  LetterPage,
  Outcome,
  Settled,
  StoredLetter,
} from "./dead-letters.ts";

type Item = Record<string, AttributeValue>;

const maxBytes = 350_000; // of an item's 400 KB
const outcomeSuffix = "outcome";

export function dynamoDeadLetters(options: BatchWriteOptions): DeadLetters {
  return {
    put: async (letters) => {
      await writeInBatches(options, [letters.flatMap(requests)]);
    },
    page: (stream, shard, from) => readPage(options, stream, shard, from),
    positions: (stream, shard, first, last) => readPositions(options, { stream, shard }, first, last),
    settle: async (letters, settled) => {
      await writeInBatches(options, [letters.map((letter) => outcomeRequest(letter, settled))]);
    },
  };
}

const partitionKey = ({ stream, shard }: Pick<LetterKey, "stream" | "shard">): string => `${stream}#${shard}`;
const sortKey = ({ sequence, index }: LetterKey): string => `${sequence}#${index}`;

function requests(letter: DeadLetter): WriteRequest[] {
  const pk = { S: partitionKey(letter) };
  const sk = sortKey(letter);
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

function outcomeRequest(letter: LetterKey, { outcome, at }: Settled): WriteRequest {
  const key = { pk: { S: partitionKey(letter) }, sk: { S: `${sortKey(letter)}#${outcomeSuffix}` } };
  return { PutRequest: { Item: { ...key, outcome: { S: outcome }, at: { N: String(at) } } } };
}

/** Letters whose items are all read; the last one of a page may go on in the next. */
async function readPage(
  options: BatchWriteOptions,
  stream: string,
  shard: string,
  from: string | null,
): Promise<LetterPage> {
  const items: Item[] = [];
  for (let after = from; ; ) {
    const { found, last } = await query(options, partitionKey({ stream, shard }), after);
    items.push(...found);
    const groups = byLetter(items);
    if (last === null) return { letters: groups.map((group) => letterOf(stream, shard, group)), next: null };
    after = last;
    if (groups.length < 2) continue;
    const whole = groups.slice(0, -1);
    return {
      letters: whole.map((group) => letterOf(stream, shard, group)),
      next: whole.at(-1)!.at(-1)!["sk"]!.S!,
    };
  }
}

async function readPositions(
  options: BatchWriteOptions,
  shard: Pick<LetterKey, "stream" | "shard">,
  first: string,
  last: string,
): Promise<readonly Position[]> {
  const positions: Position[] = [];
  for (let after: string | null = null; ; ) {
    const page = await query(options, partitionKey(shard), after, {
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
      // the next character after "#"
      ExpressionAttributeValues: { ":first": { S: `${first}#` }, ":last": { S: `${last}$` } },
      ProjectionExpression: "sk",
    });
    for (const item of page.found) if (suffixOf(item) === undefined) positions.push(positionOf(item));
    if (page.last === null) return positions;
    after = page.last;
  }
}

interface Narrowed {
  readonly KeyConditionExpression: string;
  readonly ExpressionAttributeValues: Item;
  readonly ProjectionExpression: string;
}

async function query(
  { client, table }: BatchWriteOptions,
  pk: string,
  after: string | null,
  narrowed?: Narrowed,
): Promise<{ found: readonly Item[]; last: string | null }> {
  const command = new QueryCommand({
    TableName: table,
    KeyConditionExpression: "pk = :pk",
    ...narrowed,
    ExpressionAttributeValues: { ...narrowed?.ExpressionAttributeValues, ":pk": { S: pk } },
    ConsistentRead: true,
    ...(after !== null && { ExclusiveStartKey: { pk: { S: pk }, sk: { S: after } } }),
  });
  try {
    const { Items = [], LastEvaluatedKey } = await client.send(command);
    return { found: Items, last: LastEvaluatedKey?.["sk"]?.S ?? null };
  } catch (cause) {
    throw new SluiceError("BACKEND_UNAVAILABLE", "DynamoDB does not answer. Ask again in a few seconds.", {
      cause,
    });
  }
}

/** "#" sorts before every digit, so a letter's other items follow it at once. */
function byLetter(items: readonly Item[]): Item[][] {
  const groups: Item[][] = [];
  for (const item of items)
    if (suffixOf(item) === undefined) groups.push([item]);
    else groups.at(-1)?.push(item);
  return groups;
}

function suffixOf(item: Item): string | undefined {
  return item["sk"]!.S!.split("#")[2];
}

function positionOf(item: Item): Position {
  const [sequence, index] = item["sk"]!.S!.split("#");
  return [sequence!, Number(index)];
}

function letterOf(stream: string, shard: string, [first, ...others]: readonly Item[]): StoredLetter {
  const [sequence, index] = positionOf(first!);
  const outcome = others.find((item) => suffixOf(item) === outcomeSuffix);
  const parts = others
    .filter((item) => item !== outcome)
    .sort((a, b) => Number(suffixOf(a)) - Number(suffixOf(b)));
  return {
    stream,
    shard,
    sequence,
    index,
    reason: first!["reason"]!.S!,
    detail: first!["detail"]!.S!,
    arrival: Number(first!["arrival"]!.N),
    bytes: Buffer.concat([first!, ...parts].map((item) => item["bytes"]!.B!)),
    settled: outcome === undefined ? null : settledOf(outcome),
  };
}

function settledOf(item: Item): Settled {
  return { outcome: item["outcome"]!.S as Outcome, at: Number(item["at"]!.N) };
}
