/** The operations of the DynamoDB endpoint: dynalite's, and what the gateway needs beyond them. */
import { setTimeout as delay } from "node:timers/promises";
import { isDynaliteOperation, isJson, itemBytes, runOperation, tableStatus } from "./dynamodb.dynalite.ts";
import type { ItemDb, Json, Store } from "./dynamodb.dynalite.ts";
import { DynamoDbError } from "./dynamodb.errors.ts";
import { describeTimeToLive, forgetTimeToLive, updateTimeToLive } from "./dynamodb.time-to-live.ts";

type Run = (store: Store, input: Json) => Promise<Json>;

const own = new Map<string, Run>(
  Object.entries({
    PutItem: (store, input) => conditionalWrite(store, "PutItem", input),
    UpdateItem: (store, input) => conditionalWrite(refusingLargeItems(store), "UpdateItem", input),
    DeleteItem: (store, input) => conditionalWrite(store, "DeleteItem", input),
    BatchWriteItem: batchWriteItem,
    BatchGetItem: batchGetItem,
    CreateTable: (store, input) => changeTable(store, "CreateTable", input),
    UpdateTable: (store, input) => changeTable(store, "UpdateTable", input),
    DeleteTable: deleteTable,
    UpdateTimeToLive: updateTimeToLive,
    DescribeTimeToLive: describeTimeToLive,
  } satisfies Record<string, Run>),
);

/**
 * Resolves to the output of `operation`. Rejects a `DynamoDbError` otherwise; what is not implemented is an
 * `UnknownOperationException` that says so.
 */
export function answer(store: Store, operation: string, input: Json): Promise<Json> {
  const run = own.get(operation);
  if (run !== undefined) return run(store, input);
  if (isDynaliteOperation(operation)) return runOperation(store, operation, input);
  return Promise.reject(
    new DynamoDbError(
      "UnknownOperationException",
      `The embedded DynamoDB does not implement "${operation}". Use single or batch operations with conditions, or an AWS account.`,
    ),
  );
}

/**
 * Put, update or delete with `ReturnValuesOnConditionCheckFailure: ALL_OLD`: the item in the error is the very one the
 * condition was checked against, because it is taken from that read, inside dynalite's lock on the key.
 */
async function conditionalWrite(store: Store, operation: string, input: Json): Promise<Json> {
  const wantsItem = input["ReturnValuesOnConditionCheckFailure"] === "ALL_OLD";
  if (operation === "PutItem") refuseLargeItem(store, input["Item"]);
  if (!wantsItem) return runOperation(store, operation, input);
  const checked: { item?: Json | undefined } = {};
  const watching = withItems(store, (items) => ({
    ...items,
    get: (key, callback) =>
      items.get(key, (error, item) => {
        checked.item = item;
        callback(error, item);
      }),
  }));
  return runOperation(watching, operation, input).catch((error: unknown) => {
    throw carrying(error, checked.item);
  });
}

function carrying(error: unknown, item: Json | undefined): unknown {
  if (!(error instanceof DynamoDbError) || error.type !== "ConditionalCheckFailedException") return error;
  return new DynamoDbError(error.type, error.message, item);
}

/** The same store whose actions see each table's items through `change`. */
function withItems(store: Store, change: (items: ItemDb) => ItemDb): Store {
  return { ...store, getItemDb: (table) => change(store.getItemDb(table)) };
}

/** What an update makes of an item is known only when it is about to be stored. */
function refusingLargeItems(store: Store): Store {
  return withItems(store, (items) => ({
    ...items,
    put: (key, item, callback) => {
      if (itemBytes(item) <= store.options.maxItemSize) return items.put(key, item, callback);
      const body = {
        __type: "com.amazon.coral.validate#ValidationException",
        message: "Item size to update has exceeded the maximum allowed size",
      };
      callback(Object.assign(new Error(body.message), { body }));
    },
  }));
}

async function batchWriteItem(store: Store, input: Json): Promise<Json> {
  for (const request of Object.values(asObject(input["RequestItems"])).flat()) {
    refuseLargeItem(store, asObject(asObject(request)["PutRequest"])["Item"]);
  }
  return runOperation(store, "BatchWriteItem", input);
}

/** An item's JSON is longer than the item, so few items have to be measured. */
function refuseLargeItem(store: Store, item: unknown): void {
  if (!isJson(item)) return;
  if (Buffer.byteLength(JSON.stringify(item)) <= store.options.maxItemSize) return;
  if (sizeIfValid(item) > store.options.maxItemSize) {
    throw new DynamoDbError("ValidationException", "Item size has exceeded the maximum allowed size");
  }
}

/** A malformed item has no size; the validations that follow say what is wrong with it. */
function sizeIfValid(item: Json): number {
  try {
    return itemBytes(item);
  } catch {
    return 0;
  }
}

const batchGetBytes = 16 * 1024 * 1024; // AWS: "Service, account, and table quotas", BatchGetItem

/** dynalite stops at 1 MiB plus one item and forgets the projection of the keys it did not process. */
async function batchGetItem(store: Store, input: Json): Promise<Json> {
  const requested = { ...asObject(input["RequestItems"]) };
  const roomy = { ...store, options: { ...store.options, maxItemSize: batchGetBytes - 1024 * 1024 } };
  const output = await runOperation(roomy, "BatchGetItem", input);
  const unprocessed = Object.entries(asObject(output["UnprocessedKeys"])).map(([table, rest]) => [
    table,
    { ...asObject(requested[table]), ...asObject(rest) },
  ]);
  return { ...output, UnprocessedKeys: Object.fromEntries(unprocessed) };
}

/** dynalite finishes a change after its answer; here a table that was created can be used at once. */
async function changeTable(store: Store, operation: string, input: Json): Promise<Json> {
  const table = String(input["TableName"]);
  const output = await runOperation(store, operation, input);
  while (((await tableStatus(store, table)) ?? "ACTIVE") !== "ACTIVE") await delay(1);
  return output;
}

async function deleteTable(store: Store, input: Json): Promise<Json> {
  const table = String(input["TableName"]);
  const output = await changeTable(store, "DeleteTable", input);
  await forgetTimeToLive(store, table);
  return output;
}

const asObject = (value: unknown): Json => (isJson(value) ? value : {});
