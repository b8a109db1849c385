/**
 * The broadcast over one stream of Redis or Valkey (7 or later), for processes on many machines.
 *
 * Delivery guarantee: every listener gets every message that is published after it subscribed, in order, and once unless a
 * connection broke while it was published; the first one also gets what others published since this process opened or
 * last published. What Redis, the connection or this process may have lost is told as a gap
 * of any stream, where it was lost or at the latest with the next message: each entry names the one that it follows.
 * `from` never returns what is not whole. A message whose publication was rejected may have been published.
 *
 * "From now on" is fixed before anybody subscribes: the reader begins behind the newest id that this process knew by then,
 * which it asks for when it opens, and `from` is answered after that only. So what `from` returned and what listeners are
 * told overlap, and never leave a hole. The reader connects with the first listener, and then stays, so that its place
 * stays known: who only publishes has one connection.
 *
 * While Redis is away, publishing rejects within `answerMs`, and the reader tries again for ever. It reads on behind its
 * last id. Should that be lost with what Redis held, a marker in the stream tells all readers so (see `markLoss`).
 */
import {
  appendEntry,
  entriesBehind,
  entriesFrom,
  markLoss,
  newestId,
  plainId,
  type Retained,
  sortableId,
  type StreamEntry,
} from "./broadcast-entries.redis.ts";
import type { Broadcast, Entry, Gap, LiveUpdate } from "./broadcast.ts";
import { type RedisCommands, RedisConnection, type RedisConnectionOptions } from "./connection.redis.ts";

export interface RedisBroadcastOptions extends RedisConnectionOptions, Retained {
  /** In [0, 1): spreads the attempts to connect again. */
  readonly random: () => number;
  readonly warn: (details: object, message: string) => void;
}

export interface RedisBroadcast extends Broadcast {
  close(): Promise<void>;
}

type Listener = (entry: Entry) => void;

const answerMs = 4_000; // less than a micro-batch waits for its publication
const blockMs = 5_000;
const entriesAtATime = 100;
const firstBackoffMs = 50;
const maxBackoffMs = 5_000;

/** Also resolves while Redis is away. */
export async function redisBroadcast(options: RedisBroadcastOptions): Promise<RedisBroadcast> {
  const broadcast = new StreamBroadcast(options);
  await broadcast.open();
  return broadcast;
}

class StreamBroadcast implements RedisBroadcast {
  readonly #options: RedisBroadcastOptions;
  readonly #commands: RedisConnection;
  readonly #reading: RedisConnection;
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  /** The last id that was told, or the newest that is known while nobody listens. */
  #at: string | null = null;
  #following: Promise<void> | null = null;

  constructor(options: RedisBroadcastOptions) {
    this.#options = options;
    this.#commands = new RedisConnection(options);
    this.#reading = new RedisConnection(options);
  }

  async open(): Promise<void> {
    await this.#place().catch((err: unknown) =>
      this.#options.warn({ err }, "The broadcast is away; live updates follow when it is back"),
    );
  }

  async publish(message: Parameters<Broadcast["publish"]>[0]): Promise<void> {
    const id = await this.#commands.run((redis) => appendEntry(redis, this.#options, message), answerMs);
    if (this.#following === null) this.#at = later(this.#at, id);
  }

  subscribe(listener: Listener): () => void {
    // a wrapper of its own, so that a function that subscribes twice is told twice
    const own: Listener = (entry) => listener(entry);
    this.#listeners.add(own);
    this.#following ??= this.#follow(this.#at !== null);
    return () => void this.#listeners.delete(own);
  }

  async from(id: string, limit: number): Promise<readonly Entry<LiveUpdate>[] | null> {
    const plain = plainId(id);
    if (plain === null) return null;
    await this.#place();
    return this.#commands.run((redis) => wholeFrom(redis, this.#options.key, plain, limit), answerMs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#commands.close();
    this.#reading.close();
    await this.#following;
  }

  /** Where the reader begins. An empty stream gets a marker: there is always an id to go on behind. */
  async #place(): Promise<string> {
    if (this.#at !== null) return this.#at;
    const { key } = this.#options;
    const newest = await this.#commands.run(
      async (redis) => (await newestId(redis, key)) ?? appendEntry(redis, this.#options),
      answerMs,
    );
    return (this.#at ??= newest);
  }

  /** `placed`: nothing can be missed between the first listener's subscription and the reader's beginning. */
  async #follow(placed: boolean): Promise<void> {
    const { random, wait, warn } = this.#options;
    const { signal } = this.#closing;
    let [quiet, failures] = [true, 0];
    while (!signal.aborted)
      try {
        const at = await this.#place();
        if (!placed) this.#tell({ id: sortableId(at), message: anyGap });
        placed = true;
        const entries = await this.#read(at, quiet);
        for (const entry of entries) this.#take(entry);
        quiet = entries.length === 0;
        failures = 0;
      } catch (err) {
        if (signal.aborted) return;
        if (failures === 0) warn({ err }, "The broadcast is away; its reader tries again until it is back");
        quiet = true;
        await wait(backoffMs(failures++, random()), signal);
      }
  }

  /** After a quiet while, and on a new connection, it looks first whether the stream still reaches to its place. */
  async #read(at: string, quiet: boolean): Promise<StreamEntry[]> {
    const { key } = this.#options;
    return this.#reading.run(async (redis) => {
      if (quiet) await markLoss(redis, key, at);
      return entriesBehind(redis, key, at, { count: entriesAtATime, blockMs });
    }, blockMs + answerMs);
  }

  /** A gap has the id of the entry that was told before it, or that stands in its place. */
  #take({ id, after, message }: StreamEntry): void {
    const before = this.#at!;
    this.#at = id;
    if (after !== before) this.#tell({ id: sortableId(before), message: anyGap });
    if (message === undefined) return;
    if (message === null) this.#options.warn({ id }, "A message of the broadcast cannot be read: a gap");
    this.#tell({ id: sortableId(id), message: message ?? anyGap });
  }

  /** A listener that throws does not keep the message from the others. */
  #tell(entry: Entry): void {
    for (const listener of Array.from(this.#listeners))
      try {
        listener(entry);
      } catch (err) {
        this.#options.warn({ err }, "A listener of the broadcast failed");
      }
  }
}

const anyGap: Gap = { kind: "gap", stream: null, lost: {} };

const later = (a: string | null, b: string): string => (a !== null && sortableId(a) > sortableId(b) ? a : b);

function backoffMs(attempt: number, random: number): number {
  return (0.5 + random / 2) * Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(attempt, 16));
}

/** The live updates among the entries from this one on, or behind it where it alone has gone; null with any hole in them. */
async function wholeFrom(
  redis: RedisCommands,
  key: string,
  id: string,
  limit: number,
): Promise<Entry<LiveUpdate>[] | null> {
  const found: Entry<LiveUpdate>[] = [];
  for (let [from, before] = [id, id]; ; from = `(${before}`) {
    const page = await entriesFrom(redis, key, from, entriesAtATime);
    if (before === id && page.length === 0) return null;
    for (const entry of page) {
      if ((entry.id !== id && entry.after !== before) || entry.message === null) return null;
      before = entry.id;
      if (entry.message?.kind !== "live") continue;
      found.push({ id: sortableId(entry.id), message: entry.message });
      if (found.length >= limit) return found;
    }
    if (page.length < entriesAtATime) return found;
  }
}
