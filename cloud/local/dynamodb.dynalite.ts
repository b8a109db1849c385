/**
 * dynalite 4.0.0 as a library: its store, its validations and its actions, without its HTTP handler, which ends the
 * process when a client aborts and hides the store. Called this way, every failure arrives as an error value.
 */
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { DynamoDbError } from "./dynamodb.errors.ts";
import { groupCalls } from "./dynamodb.grouping.ts";

/** An object of the JSON protocol: an input, an output or an item of attribute values. */
export type Json = Record<string, unknown>;

export const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export type Callback<T> = (error: Error | null, value?: T) => void;

/** The items of one table, keyed by dynalite's encoding of the primary key. */
export interface ItemDb {
  get(key: string, callback: Callback<Json>): void;
  put(key: string, item: Json, callback: Callback<void>): void;
}

interface Iterator {
  close(): Promise<void>;
  return?: () => Promise<void>;
}

/** The LevelDB below, as far as it is used here. */
export interface LevelDb {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: string, callback?: Callback<Json | undefined>): Promise<Json | undefined>;
  getMany(keys: readonly string[]): Promise<(Json | undefined)[]>;
  put(key: string, value: Json, callback?: Callback<void>): Promise<void>;
  batch(operations: readonly object[]): Promise<void>;
  del(key: string): Promise<void>;
  keys(options?: object): Iterator;
  values(options?: object): Iterator;
  iterator(options: object): AsyncIterable<[string, Json]>;
}

/** dynalite's store. Actions reach tables and items only through it, so a copy with other members changes them. */
export interface Store {
  readonly db: LevelDb;
  readonly options: { readonly maxItemSize: number };
  getItemDb(table: string): ItemDb;
  getTable(name: string, checkStatus: boolean, callback: Callback<Json>): void;
}

interface Operation {
  readonly act: (store: Store, input: Json, callback: Callback<Json>) => void;
  readonly rules: { readonly types: object; readonly custom?: object };
}

const require = createRequire(import.meta.url);
const dynalite: {
  create(options: object): Store;
  itemSize(item: Json): number;
} = require("dynalite/db/index.js");
const validations: {
  checkTypes(input: Json, types: object): Json;
  checkValidations(input: Json, types: object, custom: object | undefined, store: Store): void;
} = require("dynalite/validations/index.js");

const operations = new Map(
  [
    "BatchGetItem",
    "BatchWriteItem",
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "DescribeTable",
    "GetItem",
    "ListTables",
    "ListTagsOfResource",
    "PutItem",
    "Query",
    "Scan",
    "TagResource",
    "UntagResource",
    "UpdateItem",
    "UpdateTable",
  ].map((name) => [name, load(name)]),
);

function load(name: string): Operation {
  const file = `${name.charAt(0).toLowerCase()}${name.slice(1)}.js`;
  return { act: require(`dynalite/actions/${file}`), rules: require(`dynalite/validations/${file}`) };
}

export const isDynaliteOperation = (name: string): boolean => operations.has(name);

/**
 * Opens the LevelDB in `folder`, or one in memory. Rejects when another process holds the folder; a process that was
 * killed does not, its lock ends with it.
 */
export async function openStore(folder: string | undefined): Promise<Store> {
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const instant = { createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 };
  const store = dynalite.create(folder === undefined ? instant : { ...instant, path: folder });
  await store.db.open().catch((cause: unknown) => {
    throw new Error(
      `The embedded DynamoDB could not open "${folder}": one process at a time may use a data folder. Stop the other one, or start with another folder.`,
      { cause },
    );
  });
  closeIteratorsWithTheirStreams(store.db);
  groupCalls(store.db);
  await finishTableChanges(store.db);
  return store;
}

/** dynalite ends its iterators with `return()`, which LevelDB's do not have: each query would pin a snapshot for ever. */
function closeIteratorsWithTheirStreams(db: LevelDb): void {
  for (const kind of ["keys", "values"] as const) {
    const open = db[kind].bind(db);
    db[kind] = (options) => {
      const iterator = open(options);
      iterator.return = () => iterator.close();
      return iterator;
    };
  }
}

/** A process killed between dynalite's two writes leaves a table in CREATING, UPDATING or DELETING. */
async function finishTableChanges(db: LevelDb): Promise<void> {
  for await (const [key, table] of db.iterator({ gte: "table~", lt: "table~\xff" })) {
    if (table["TableStatus"] === "DELETING") await db.del(key);
    else if (table["TableStatus"] !== "ACTIVE") await db.put(key, { ...table, TableStatus: "ACTIVE" });
  }
}

/** Resolves to the operation's output; rejects a `DynamoDbError`, for wrong inputs too. The input is consumed. */
export async function runOperation(store: Store, name: string, input: Json): Promise<Json> {
  const operation = operations.get(name);
  if (operation === undefined) throw new TypeError(`dynalite has no operation "${name}"`);
  const checked = checkInput(store, operation, input);
  return called((callback) => operation.act(store, checked, callback));
}

function checkInput(store: Store, { rules }: Operation, input: Json): Json {
  try {
    const typed = validations.checkTypes(input, rules.types);
    validations.checkValidations(typed, rules.types, rules.custom, store);
    return typed;
  } catch (error) {
    throw asDynamoDbError(error);
  }
}

/** Rejects `ResourceNotFoundException` when there is no such table. */
export async function requireTable(store: Store, name: string): Promise<void> {
  await called((callback) => store.getTable(name, true, callback));
}

/** Resolves to undefined when there is no such table. */
export async function tableStatus(store: Store, name: string): Promise<unknown> {
  return (await store.db.get(`table~${name}`))?.["TableStatus"];
}

function called(call: (callback: Callback<Json>) => void): Promise<Json> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(asDynamoDbError(error));
      else resolve(value ?? {});
    });
  });
}

/** dynalite's errors carry the document to be sent; anything else is a fault and stays as it is. */
function asDynamoDbError(error: unknown): unknown {
  if (!isJson(error) || !isJson(error["body"])) return error;
  const { __type: type, message, Message = message } = error["body"];
  return new DynamoDbError(String(type).split("#").at(-1) ?? "", typeof Message === "string" ? Message : "");
}

/** Bytes of an item by DynamoDB's rules. dynalite counts UTF-16 units, so what UTF-8 takes beyond them is added. */
export function itemBytes(item: Json): number {
  const text = JSON.stringify(item);
  return dynalite.itemSize(item) + Buffer.byteLength(text) - text.length;
}
