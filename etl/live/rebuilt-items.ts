/**
 * Recomputed items beside those that are stored: which are wrong, and the writing of them.
 *
 * Delivery guarantee: an item is written over the version that was read last, and holds everything up to the watermarks
 * of that. Gateways are told once to read again; a broadcast that is down loses that.
 */
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import type { Component } from "../../src/model/expression.ts";
import type { State } from "../../src/model/fold.ts";
import { packBuckets, unpackBuckets } from "../../src/model/layout.ts";
import type { Source } from "../../src/model/source.ts";
import { versionAfter } from "./apply.ts";
import type { CheckpointOptions } from "./checkpoint.ts";
import { inParallel } from "./effects.ts";
import type { Buckets, Recompute, RecomputedItem } from "./recompute.ts";

/** What is to be done with an item: it was wrong, it holds what no event is behind, or it is right and events are to come. */
export type Verdict = "changed" | "emptied" | "advanced";

export interface RebuiltItemsOptions extends CheckpointOptions {
  readonly source: Source;
  readonly insights: InsightStore;
  readonly broadcast: Broadcast;
}

/**
 * By the ids of items. Those that are right and hold all that was read are left out. One that is right may still have
 * lost its latest events, when it was lost itself after a consumer had applied them: so it takes in what was read.
 */
export function judged({ items, stored }: Recompute): ReadonlyMap<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (const [id, { target, all, held }] of items) {
    const isRight = holds(target.product.components, stored.get(id)?.packed ?? null, held ?? all);
    if (!isRight) verdicts.set(id, all.size === 0 ? "emptied" : "changed");
    else if (held !== null) verdicts.set(id, "advanced");
  }
  return verdicts;
}

/** Whether packed buckets are these ones; none are packed where there is no item. */
function holds(components: readonly Component[], packed: string | null, buckets: Buckets): boolean {
  const found = packed === null ? new Map<number, State>() : readable(packed);
  return (
    found !== null &&
    found.size === buckets.size &&
    [...buckets].every(([index, state]) => isSame(components, found.get(index), state))
  );
}

function readable(packed: string): Buckets | null {
  try {
    return unpackBuckets(packed);
  } catch {
    return null;
  }
}

function isSame(components: readonly Component[], found: State | undefined, state: State): boolean {
  return found !== undefined && components.every((_, i) => isNear(found[i] ?? null, state[i] ?? null));
}

const rounding = 1e-9; // what the order of a sum of fractions may make of it

function isNear(a: number | null, b: number | null): boolean {
  if (a === b) return true;
  if (a === null || b === null || (Number.isInteger(a) && Number.isInteger(b))) return false;
  return Math.abs(a - b) <= rounding * Math.max(Math.abs(a), Math.abs(b));
}

const parallelItems = 64;
const maxJitterMs = 500;

export async function writeItems(
  options: RebuiltItemsOptions,
  recompute: Recompute,
  verdicts: ReadonlyMap<string, Verdict>,
  progress: (written: number) => void,
): Promise<void> {
  let written = 0;
  await inParallel([...verdicts.keys()], parallelItems, async (id) => {
    await writeItem(options, recompute, recompute.items.get(id)!, recompute.stored.get(id) ?? null);
    progress(++written);
  });
  if (written > 0) await publish(options);
}

async function writeItem(
  { insights, effects }: RebuiltItemsOptions,
  recompute: Recompute,
  item: RecomputedItem,
  stored: LiveItem | null,
): Promise<LiveItem> {
  let current = stored;
  for (let attempt = 0; ; attempt++) {
    effects.signal.throwIfAborted();
    // a consumer may have gone on: then what it applied is read first
    if (current !== null) await recompute.reach(current.watermarks);
    const next = imageOf(recompute, item, current, versionAfter(current, effects));
    const outcome = await insights.writeLive(next, current?.version ?? null);
    if (outcome.applied) return next;
    current = outcome.current;
    await effects.wait(effects.random() * Math.min(maxJitterMs, 2 ** attempt), effects.signal);
  }
}

/** A watermark beyond what the stream holds is of no record, and one of a shard that is nowhere is dropped. */
function imageOf(
  { through }: Recompute,
  { target, key, all, shards }: RecomputedItem,
  current: LiveItem | null,
  version: number,
): LiveItem {
  const watermarks: Record<string, string> = {};
  for (const shard of new Set([...shards, ...Object.keys(current?.watermarks ?? {})])) {
    const sequence = through.get(shard);
    if (sequence !== undefined) watermarks[shard] = sequence;
  }
  return { ...key, version, watermarks, packed: packBuckets(all, target.product.components.length) };
}

/** Gateways read what they hold again. */
async function publish({ stream, broadcast, effects }: RebuiltItemsOptions): Promise<void> {
  await broadcast.publish({ kind: "gap", stream: stream.name, lost: {} }).catch((error: unknown) => {
    effects.log.warn(
      { err: error },
      "The broadcast is down; subscriptions show the items after their next event",
    );
  });
}
