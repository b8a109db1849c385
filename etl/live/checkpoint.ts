/**
 * Where a consumer goes on in a shard.
 *
 * Delivery guarantee: written only after everything up to it was applied, archived and broadcast, and never moved
 * back: a zombie that lags behind leaves it as it is.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import { type Checkpoint, checkpointKey } from "../../src/model/control.ts";
import type { Stream } from "../../src/model/source.ts";
import { type Effects, untilDone } from "./effects.ts";

export interface CheckpointOptions {
  readonly stream: Stream;
  readonly control: ControlStore;
  readonly effects: Effects;
}

/** A checkpoint as last seen in the store; null where there is none. */
export type Position = Versioned<Checkpoint> | null;

export function readPosition(options: CheckpointOptions, shard: string): Promise<Position> {
  const key = checkpointKey(options.stream, shard);
  return untilDone(options.effects, "Reading the checkpoint", () => options.control.get<Checkpoint>(key));
}

/** Moves the checkpoint on. Resolves to what is stored then, which may be further than `next`. */
export async function advance(
  options: CheckpointOptions,
  shard: string,
  known: Position,
  next: Checkpoint,
): Promise<Position> {
  const key = checkpointKey(options.stream, shard);
  for (let stored = known; ; ) {
    if (stored !== null && stored.value.sequence >= next.sequence) return stored;
    const expected = stored?.revision ?? null;
    const revision = await untilDone(options.effects, "Writing the checkpoint", () =>
      options.control.put(key, next, expected),
    );
    if (revision !== null) return { value: next, revision };
    stored = await readPosition(options, shard);
  }
}
