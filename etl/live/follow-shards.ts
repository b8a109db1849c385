/**
 * Checkpoints beside the shards of a stream, whichever host reads them.
 *
 * Delivery guarantee: readers take the least of the open shards' checkpoints, so none is missing, and none ends before
 * its children have theirs. Every step bears repetition, also by two hosts at once.
 */
import type { Shard } from "../../src/backends/event-stream.ts";
import { type CheckpointOptions, endCheckpoint, openCheckpoints, readCheckpoints } from "./checkpoint.ts";

/** What an earlier life has read to the end: a restart does not go through the whole lineage of the shards again. */
export async function endedBefore(options: CheckpointOptions): Promise<Set<string>> {
  const checkpoints = await readCheckpoints(options);
  return new Set(checkpoints.filter(({ value }) => value.ended === true).map(({ sk }) => sk));
}

/**
 * Lets the checkpoints follow the shards: every shard has one before it is read, children are as far on as their
 * parents, and a parent has ended once its children have theirs. `before` had ended already.
 */
export function shardFollower(options: CheckpointOptions, before: ReadonlySet<string>) {
  const opened = new Set(before);
  const left = new Set(before);
  let first = true;
  return async (shards: readonly Shard[], ended: ReadonlySet<string>): Promise<void> => {
    const isParent = (id: string): boolean => shards.some(({ parents }) => parents.includes(id));
    const over = [...ended].filter((id) => !left.has(id) && isParent(id));
    const isNew = ({ id, parents }: Shard) => !opened.has(id) || parents.some((each) => over.includes(each));
    await openCheckpoints(options, shards.filter(isNew));
    for (const { id } of shards) opened.add(id);
    for (const id of first ? [...over, ...(await removedFrom(options, shards))] : over) {
      await endCheckpoint(options, id);
      left.add(id);
    }
    first &&= shards.length === 0;
  };
}

/** Shards with a checkpoint that retention has taken out of the stream. */
async function removedFrom(options: CheckpointOptions, shards: readonly Shard[]): Promise<string[]> {
  const checkpoints = await readCheckpoints(options);
  return checkpoints.map(({ sk }) => sk).filter((sk) => !shards.some(({ id }) => id === sk));
}
