/**
 * Time to live of a table: which attribute says when an item expires. Durable, but nothing is expired: readers must
 * ignore expired items anyway, since DynamoDB deletes them days late ("Using time to live (TTL) in DynamoDB").
 */
import { isJson, requireTable } from "./dynamodb.dynalite.ts";
import type { Json, Store } from "./dynamodb.dynalite.ts";
import { DynamoDbError } from "./dynamodb.errors.ts";

interface TimeToLive {
  readonly AttributeName: string;
  readonly Enabled: boolean;
}

const keyOf = (table: string): string => `time-to-live~${table}`;

/** Rejects `ValidationException` when the table already is in the state that is asked for, as DynamoDB does. */
export async function updateTimeToLive(store: Store, input: Json): Promise<Json> {
  const table = await existingTable(store, input);
  const wanted = specification(input["TimeToLiveSpecification"]);
  const current = await store.db.get(keyOf(table));
  if (wanted.Enabled === (current !== undefined)) {
    throw invalid(`TimeToLive is already ${wanted.Enabled ? "enabled" : "disabled"}`);
  }
  if (wanted.Enabled) await store.db.put(keyOf(table), { AttributeName: wanted.AttributeName });
  else await forgetTimeToLive(store, table);
  return { TimeToLiveSpecification: wanted };
}

export async function describeTimeToLive(store: Store, input: Json): Promise<Json> {
  const current = await store.db.get(keyOf(await existingTable(store, input)));
  const status = current === undefined ? "DISABLED" : "ENABLED";
  return { TimeToLiveDescription: { TimeToLiveStatus: status, ...current } };
}

export function forgetTimeToLive(store: Store, table: string): Promise<void> {
  return store.db.del(keyOf(table));
}

async function existingTable(store: Store, input: Json): Promise<string> {
  const name = input["TableName"];
  if (typeof name !== "string" || !/^[a-zA-Z0-9_.-]{3,255}$/.test(name)) {
    throw invalid(
      `TableName must be 3 to 255 characters of a-z, A-Z, 0-9, "_", "-" and ".": ${String(name)}`,
    );
  }
  await requireTable(store, name);
  return name;
}

function specification(value: unknown): TimeToLive {
  const { AttributeName, Enabled } = isJson(value) ? value : {};
  if (typeof AttributeName !== "string" || AttributeName === "" || typeof Enabled !== "boolean") {
    throw invalid("TimeToLiveSpecification must have a string AttributeName and a boolean Enabled");
  }
  return { AttributeName, Enabled };
}

const invalid = (message: string): DynamoDbError => new DynamoDbError("ValidationException", message);
