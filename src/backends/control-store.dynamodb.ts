/**
 * Control documents as DynamoDB items `{ pk, sk, r: revision, d: JSON, w: writer, x: expiry }`.
 *
 * Delivery guarantee: a conditional put is applied at most once and its outcome is exact, also when an answer was lost
 * and the SDK tried again: a failed condition that finds this very put's mark is a success.
 */
import { ConditionalCheckFailedException, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  paginateQuery,
  PutCommand,
  type PutCommandInput,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { SluiceError } from "../model/errors.ts";
import type { ItemKey } from "../model/layout.ts";
import type { Instant } from "../model/time.ts";
import { inParallel } from "./batches.ts";
import type { ControlStore, Versioned } from "./control-store.ts";

export interface DynamoControlStoreOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  /** A new random string, to tell a put of ours from another's. */
  readonly token: () => string;
}

/** Epoch seconds, as DynamoDB's time to live has it. */
export const expiryAttribute = "x";

const parallelRemovals = 16;

interface ControlItem extends ItemKey {
  readonly r: number;
  readonly d: string;
}

export function dynamoControlStore({ client, table, token }: DynamoControlStoreOptions): ControlStore {
  const documents = DynamoDBDocumentClient.from(client);
  return {
    get: async <T>({ pk, sk }: ItemKey) => {
      const { Item } = await documents
        .send(new GetCommand({ TableName: table, Key: { pk, sk }, ConsistentRead: true }))
        .catch(unavailable);
      return Item === undefined ? null : versioned<T>(Item as ControlItem);
    },
    put: (key, value, expected, expires) =>
      expected === "any"
        ? overwrite(documents, table, key, value, expires)
        : swap(documents, conditionalPut(table, key, value, expected, token(), expires)),
    remove: (keys) =>
      inParallel(keys, parallelRemovals, async ({ pk, sk }) => {
        await documents.send(new DeleteCommand({ TableName: table, Key: { pk, sk } })).catch(unavailable);
      }),
    list: <T>(pk: string, options: { descending?: boolean; first?: number } = {}) =>
      list<T>(documents, table, pk, options),
  };
}

function unavailable(cause: unknown): never {
  throw new SluiceError("BACKEND_UNAVAILABLE", "DynamoDB does not answer. Ask again in a few seconds.", {
    cause,
  });
}

function versioned<T>(item: ControlItem): Versioned<T> {
  return { value: JSON.parse(item.d) as T, revision: item.r };
}

async function overwrite(
  documents: DynamoDBDocumentClient,
  table: string,
  { pk, sk }: ItemKey,
  value: object,
  expires: Instant | undefined,
): Promise<number> {
  const expiry = expires === undefined ? "REMOVE #x" : ", #x = :x";
  const update = new UpdateCommand({
    TableName: table,
    Key: { pk, sk },
    UpdateExpression: `SET #d = :d, #r = if_not_exists(#r, :zero) + :one ${expiry}`,
    ExpressionAttributeNames: { "#d": "d", "#r": "r", "#x": expiryAttribute },
    ExpressionAttributeValues: {
      ":d": JSON.stringify(value),
      ":zero": 0,
      ":one": 1,
      ...(expires !== undefined && { ":x": seconds(expires) }),
    },
    ReturnValues: "UPDATED_NEW",
  });
  const { Attributes } = await documents.send(update).catch(unavailable);
  return Number(Attributes?.["r"]);
}

function seconds(at: Instant): number {
  return Math.ceil(at / 1_000);
}

type ConditionalPut = PutCommandInput & { readonly Item: ControlItem & { readonly w: string } };

function conditionalPut(
  TableName: string,
  { pk, sk }: ItemKey,
  value: object,
  expected: number | null,
  w: string,
  expires: Instant | undefined,
): ConditionalPut {
  const expiry = expires === undefined ? {} : { [expiryAttribute]: seconds(expires) };
  const Item = { pk, sk, r: (expected ?? 0) + 1, d: JSON.stringify(value), w, ...expiry };
  const put = { TableName, Item, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;
  if (expected === null) return { ...put, ConditionExpression: "attribute_not_exists(pk)" };
  return {
    ...put,
    ConditionExpression: "#r = :expected",
    ExpressionAttributeNames: { "#r": "r" },
    ExpressionAttributeValues: { ":expected": expected },
  };
}

async function swap(documents: DynamoDBDocumentClient, put: ConditionalPut): Promise<number | null> {
  try {
    await documents.send(new PutCommand(put));
    return put.Item.r;
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) return unavailable(error);
    return error.Item?.["w"]?.S === put.Item.w ? put.Item.r : null;
  }
}

async function list<T>(
  documents: DynamoDBDocumentClient,
  TableName: string,
  pk: string,
  { descending = false, first = Infinity }: { descending?: boolean; first?: number },
): Promise<(Versioned<T> & ItemKey)[]> {
  const found: (Versioned<T> & ItemKey)[] = [];
  const pages = paginateQuery(
    { client: documents },
    {
      TableName,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": pk },
      ScanIndexForward: !descending,
      ConsistentRead: true,
      ...(Number.isFinite(first) && { Limit: Math.max(1, first) }),
    },
  );
  try {
    for await (const page of pages) {
      for (const item of (page.Items ?? []) as ControlItem[])
        found.push({ pk: item.pk, sk: item.sk, ...versioned<T>(item) });
      if (found.length >= first) break;
    }
  } catch (error) {
    unavailable(error);
  }
  return Number.isFinite(first) ? found.slice(0, first) : found;
}
