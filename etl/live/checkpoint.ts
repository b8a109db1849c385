/**
 * Where a consumer goes on in a shard, and what readers know of how far the shards have come.
 *
 * Delivery guarantee: written only after everything up to it was applied, archived and broadcast, and never moved
 * back: a zombie that lags behind leaves it as it is. No shard is without one while another is read, and none counts
 * as ended before its children have theirs.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import type { Shard } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey, shapeId } from "../../src/model/control.ts";
import type { ItemKey } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import type { Stream } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import { type Effects, untilDone } from "./effects.ts";

export interface CheckpointOptions {
  readonly stream: Stream;
  /** Those with live items: checkpoints name their shapes. */
  readonly products: readonly Product[];
  readonly control: ControlStore;
  readonly effects: Effects;
}

/** A checkpoint as last seen in the store; null where there is none. */
export type Position = Versioned<Checkpoint> | null;

/** The checkpoint of a shard that something was read of. */
export type Reached = Checkpoint & { readonly sequence: string };

/** The arrival of a shard's last record before anything was read: no event is older. */
export const beforeAll = Date.parse("0001-01-01T00:00:00Z");

export function readPosition(options: CheckpointOptions, shard: string): Promise<Position> {
  const key = checkpointKey(options.stream, shard);
  return untilDone(options.effects, "Reading the checkpoint", () => options.control.get<Checkpoint>(key));
}

export function readCheckpoints(
  options: Pick<CheckpointOptions, "stream" | "control" | "effects">,
): Promise<readonly (Versioned<Checkpoint> & ItemKey)[]> {
  const { pk } = checkpointKey(options.stream, "");
  return untilDone(options.effects, "Reading checkpoints", () => options.control.list<Checkpoint>(pk));
}

/** Moves the checkpoint on. Resolves to what is stored then, which may be further than `next`. */
export async function advance(
  options: CheckpointOptions,
  shard: string,
  known: Position,
  next: Reached,
): Promise<Position> {
  for (let stored = known; ; ) {
    if (stored !== null && (stored.value.sequence ?? "") >= next.sequence) return stored;
    const revision = await writeCheckpoint(options, shard, next, stored);
    if (revision !== null) return { value: next, revision };
    stored = await readPosition(options, shard);
  }
}

/** Resolves to the new revision, or null when the checkpoint is not what was `known` any more. */
export function writeCheckpoint(
  { stream, control, effects }: CheckpointOptions,
  shard: string,
  checkpoint: Checkpoint,
  known: Position,
): Promise<number | null> {
  return untilDone(effects, "Writing the checkpoint", () =>
    control.put(checkpointKey(stream, shard), checkpoint, known?.revision ?? null),
  );
}

/** Gives shards that nothing was read of a checkpoint, as far on as their parents. */
export async function openCheckpoints(options: CheckpointOptions, shards: readonly Shard[]): Promise<void> {
  for (const shard of parentsFirst(shards)) await openCheckpoint(options, shard);
}

function parentsFirst(shards: readonly Shard[]): ReadonlySet<Shard> {
  const ordered = new Set<Shard>();
  const add = (shard: Shard): void => {
    if (ordered.has(shard)) return;
    shards.filter(({ id }) => shard.parents.includes(id)).forEach(add);
    ordered.add(shard);
  };
  shards.forEach(add);
  return ordered;
}

async function openCheckpoint(options: CheckpointOptions, { id, parents }: Shard): Promise<void> {
  for (;;) {
    const stored = await readPosition(options, id);
    if (stored !== null && stored.value.sequence !== null) return;
    const arrival = await inheritedArrival(options, parents);
    if (stored !== null && stored.value.arrival >= arrival) return;
    const shapes = options.products.map(shapeId);
    const opened = { ...stored?.value, sequence: null, arrival, newest: null, shapes };
    if ((await writeCheckpoint(options, id, opened, stored)) !== null) return;
  }
}

/** The records of a shard arrive after all of its parents'. */
async function inheritedArrival(options: CheckpointOptions, parents: readonly string[]): Promise<Instant> {
  const known = await Promise.all(parents.map((parent) => readPosition(options, parent)));
  return known.length === 0 ? beforeAll : Math.min(...known.map((each) => each?.value.arrival ?? beforeAll));
}

/** For a shard that is read to its end, or gone from the stream; its children have checkpoints. */
export async function endCheckpoint(options: CheckpointOptions, shard: string): Promise<void> {
  for (;;) {
    const stored = await readPosition(options, shard);
    if (stored === null || stored.value.ended === true) return;
    const ended = { ...stored.value, ended: true } as const;
    if ((await writeCheckpoint(options, shard, ended, stored)) !== null) return;
  }
}
