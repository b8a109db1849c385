/**
 * The broadcast's entries as a Redis stream holds them.
 *
 * Fields of an entry: `after`, the id of the entry that it follows; and one of `json`, `deflated` or neither. An entry
 * without a message is a marker: it says nothing, but that the stream goes on behind it.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Broadcasted } from "./broadcast.ts";
import type { RedisCommands } from "./connection.redis.ts";

export interface StreamEntry {
  /** As Redis has it. */
  readonly id: string;
  /** The id of the entry before it; empty where its stream has none, and when a marker stands behind a loss. */
  readonly after: string;
  /** Undefined: a marker. Null: it cannot be decoded. */
  readonly message: Broadcasted | null | undefined;
}

export interface Retained {
  readonly key: string;
  /** How long an entry is retained, by the clock of Redis. */
  readonly retainMs: number;
  /** The most entries retained. */
  readonly retainMax: number;
}

/** In one step, so that `after` is true and what is too old goes from the front only. The newest entry always stays. */
const append = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local now = redis.call('TIME')
local oldest = math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1])
local fields = { 'after', last and last[1] or '' }
for i = 3, #ARGV do fields[i] = ARGV[i] end
local id = redis.call('XADD', KEYS[1], 'MINID', '=', string.format('%.0f', oldest), '*', unpack(fields))
redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', ARGV[2])
return id`;

/** Returns the id of the entry. */
export async function appendEntry(
  redis: RedisCommands,
  { key, retainMs, retainMax }: Retained,
  message?: Broadcasted,
): Promise<string> {
  const limits = [String(retainMs), String(Math.max(1, retainMax))];
  const reply = await redis.eval(append, {
    keys: [key],
    arguments: [...limits, ...(message === undefined ? [] : encoded(message))],
  });
  return (reply as Buffer).toString();
}

/** The id of the newest entry; null when there is none. */
export async function newestId(redis: RedisCommands, key: string): Promise<string | null> {
  const newest = (await redis.xRevRange(key, "+", "-", { COUNT: 1 }))?.[0];
  return newest === undefined ? null : String(newest.id);
}

/** Up to `count` entries from this id on, or behind it, where it begins with a bracket. */
export async function entriesFrom(
  redis: RedisCommands,
  key: string,
  from: string,
  count: number,
): Promise<StreamEntry[]> {
  return ((await redis.xRange(key, from, "+", { COUNT: count })) ?? []).map(decoded);
}

/** The entries behind an id, or those that come within `blockMs`. */
export async function entriesBehind(
  redis: RedisCommands,
  key: string,
  id: string,
  { count, blockMs }: { readonly count: number; readonly blockMs: number },
): Promise<StreamEntry[]> {
  const reply = await redis.xRead({ key, id }, { COUNT: count, BLOCK: blockMs });
  const [stream] = reply ?? [];
  return stream === undefined ? [] : stream.messages.map(decoded);
}

/**
 * A stream that ends before an id which was told has lost it. A marker, which follows nothing, says so to every reader,
 * and raises the ids that Redis gives above all that were told: they are of its clock, which may stand anywhere.
 */
export async function markLoss(redis: RedisCommands, key: string, told: string): Promise<void> {
  const newest = await newestId(redis, key);
  if (newest !== null && sortableId(newest) >= sortableId(told)) return;
  await redis.xAdd(key, idBehind(told), { after: "" }).catch((error: Error) => {
    // another reader has been here, or the next entry
    if (!error.message.includes("equal or smaller")) throw error;
  });
}

const idForm = /^(\d{15})-(\d{10})$/;

/** Of milliseconds and a number, each of a fixed width, so that ids sort as strings. */
export function sortableId(id: string): string {
  const [ms, number] = id.split("-") as [string, string];
  return `${ms.padStart(15, "0")}-${number.padStart(10, "0")}`;
}

/** As Redis has it; null for what is no id of ours. */
export function plainId(sortable: string): string | null {
  const [, ms, number] = idForm.exec(sortable) ?? [];
  return ms === undefined ? null : `${Number(ms)}-${Number(number)}`;
}

function idBehind(id: string): string {
  const [ms, number] = id.split("-") as [string, string];
  return `${ms}-${Number(number) + 1}`;
}

const deflateFrom = 1_024; // bytes
const maxInflated = 256 * 1_024 * 1_024; // bytes

/** An hour of messages stands in the memory of Redis. */
function encoded(message: Broadcasted): [field: string, value: Buffer] {
  const json = Buffer.from(JSON.stringify(message));
  return json.length < deflateFrom ? ["json", json] : ["deflated", deflateRawSync(json, { level: 1 })];
}

function decoded({ id, message }: { id: unknown; message: Record<string, Buffer> }): StreamEntry {
  const { after, json, deflated } = message;
  return { id: String(id), after: String(after), message: readMessage(json, deflated, after) };
}

function readMessage(
  json: Buffer | undefined,
  deflated: Buffer | undefined,
  after: Buffer | undefined,
): Broadcasted | null | undefined {
  if (json === undefined && deflated === undefined) return after === undefined ? null : undefined;
  try {
    const bytes = json ?? inflateRawSync(deflated!, { maxOutputLength: maxInflated });
    const value = JSON.parse(bytes.toString("utf8")) as Broadcasted;
    return isMessage(value) ? value : null;
  } catch {
    return null;
  }
}

/** Another version of Sluice may publish what this one does not understand. */
function isMessage(value: Broadcasted): boolean {
  switch (value.kind) {
    case "live":
      return (
        [value.source, value.stream, value.shard, value.through].every((each) => typeof each === "string") &&
        (value.after === null || typeof value.after === "string") &&
        typeof value.arrival === "number" &&
        [value.items, value.events].every((each) => Array.isArray(each))
      );
    case "published":
      return typeof value.product === "string" && typeof value.version === "number";
    case "gap":
      return (value.stream === null || typeof value.stream === "string") && typeof value.lost === "object";
    default:
      return false;
  }
}
