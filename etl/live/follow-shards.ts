/**
 * Checkpoints beside the shards of a stream, whichever host reads them.
 *
 * Delivery guarantee: readers take the least of the open shards' checkpoints, so none is missing, and none ends before
 * its children have theirs. Every step bears repetition, also by two hosts at once.
 */
import type { Shard } from "../../src/backends/event-stream.ts";
import { type CheckpointOptions, endCheckpoint, openCheckpoints, readCheckpoints } from "./checkpoint.ts";

/** The shards that have checkpoints. */
export interface KnownShards {
  readonly all: readonly string[];
  /** Those that an earlier life has read to the end. */
  readonly ended: ReadonlySet<string>;
}

/** To be read before shards are listed: one that is opened meanwhile would look like one that is gone from the stream. */
export async function knownShards(options: CheckpointOptions): Promise<KnownShards> {
  const checkpoints = await readCheckpoints(options);
  const ended = checkpoints.filter(({ value }) => value.ended === true);
  return { all: checkpoints.map(({ sk }) => sk), ended: new Set(ended.map(({ sk }) => sk)) };
}

/**
 * Lets the checkpoints follow the shards: every shard has one before it is read, children are as far on as their
 * parents, and a parent has ended once its children have theirs.
 */
export function shardFollower(options: CheckpointOptions, known: KnownShards) {
  const opened = new Set(known.ended);
  const left = new Set(known.ended);
  let first = true;
  return async (shards: readonly Shard[], ended: ReadonlySet<string>): Promise<void> => {
    const isParent = (id: string): boolean => shards.some(({ parents }) => parents.includes(id));
    const over = [...ended].filter((id) => !left.has(id) && isParent(id));
    const isNew = ({ id, parents }: Shard) => !opened.has(id) || parents.some((each) => over.includes(each));
    await openCheckpoints(options, shards.filter(isNew));
    for (const { id } of shards) opened.add(id);
    // what has a checkpoint and is not listed has left the stream by retention
    const removed = first ? known.all.filter((id) => !shards.some((shard) => shard.id === id)) : [];
    for (const id of [...over, ...removed]) {
      await endCheckpoint(options, id);
      left.add(id);
    }
    first &&= shards.length === 0;
  };
}
