/**
 * The micro-batches of one source on one machine: every shard of its stream, parents before their children.
 *
 * Delivery guarantee: every event is applied exactly once (live items, archive) or becomes a dead letter, and is
 * broadcast at least once, in order per partition key also across splits and merges.
 */
import { setMaxListeners } from "node:events";
import type { EventStream, Shard } from "../../src/backends/event-stream.ts";
import type { Instant } from "../../src/model/time.ts";
import { type Effects, type Log, untilDone, waitFor } from "./effects.ts";
import { knownShards, shardFollower } from "./follow-shards.ts";
import { ensureLiveStarts } from "./live-start.ts";
import { livePath, type LivePathOptions } from "./path.ts";
import { consumeShard, type ShardOptions, type WindowLimits } from "./shard.ts";

export interface ConsumerOptions extends LivePathOptions {
  readonly stream: EventStream;
  readonly window: WindowLimits;
  readonly clock: () => Instant;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  /** Asks to stop: the running batches are finished, then the consumer resolves. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly wait?: Effects["wait"];
}

const listShardsMs = 10_000; // how often shards are looked for, besides when one ends

/** Runs until the signal is aborted; stores that fail are tried again for ever. Rejects on a programming error only. */
export async function runConsumer(options: ConsumerOptions): Promise<void> {
  const failed = new AbortController();
  const effects = effectsOf(options, AbortSignal.any([options.signal, failed.signal]));
  const path = livePath(options, effects);
  try {
    await ensureLiveStarts({ ...path, events: options.stream });
    await consumeShards({ path, events: options.stream, window: options.window }, failed);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    options.log.warn({ err: error }, "Stopped within a batch; the next start repeats it");
  }
}

function effectsOf({ clock, random, log, wait }: ConsumerOptions, signal: AbortSignal): Effects {
  // every item that waits for its turn listens to it
  setMaxListeners(0, signal);
  return { clock, random, log, wait: wait ?? waitFor, signal };
}

async function consumeShards(options: ShardOptions, failed: AbortController): Promise<void> {
  const { effects } = options.path;
  const ended = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  let next = new AbortController();
  const start = async (shard: string): Promise<void> => {
    try {
      if (await consumeShard(options, shard)) ended.add(shard);
    } catch (error) {
      failures.push(error);
      failed.abort();
    }
    next.abort();
  };
  const followShards = shardFollower(options.path, await knownShards(options.path));
  try {
    while (!effects.signal.aborted) {
      // a shard that ends while the others are followed is looked at next, not when shards are listed again
      next = new AbortController();
      const shards = await untilDone(effects, "Listing shards", () => options.events.shards());
      await followShards(shards, ended);
      for (const { id } of shards.filter((shard) => isDue(shard, shards, ended)))
        if (!running.has(id)) running.set(id, start(id));
      // no race with the shards' promises: each would remember every round of its life
      await effects.wait(listShardsMs, AbortSignal.any([effects.signal, next.signal]));
    }
  } finally {
    await Promise.all(running.values());
  }
  if (failures.length > 0) throw failures[0];
}

/** A parent that retention has removed from the stream has nothing left to say. */
function isDue({ parents }: Shard, shards: readonly Shard[], ended: ReadonlySet<string>): boolean {
  return parents.every((parent) => ended.has(parent) || !shards.some(({ id }) => id === parent));
}
