/**
 * Files of the archive on their way: written under a staging name, committed by whoever names them in a control
 * document, then copied to their final names.
 *
 * Delivery guarantee: what is staged and never committed takes space and nothing else; what is committed can be copied
 * by anyone, any number of times, until the document that commits it is cleared.
 */
import { createHash } from "node:crypto";
import type { Lake } from "../../src/backends/lake.ts";
import type { FileCopy } from "../../src/model/control.ts";
import { archiveFolder } from "../../src/model/layout.ts";
import type { Source } from "../../src/model/source.ts";
import type { Event } from "../../src/model/values.ts";
import { partitionValue } from "../../src/sql/statement.ts";
import { type Effects, inParallel, untilDone } from "./effects.ts";
import { encodeEvents } from "./parquet.ts";

export interface StagingOptions {
  readonly source: Source;
  readonly lake: Lake;
  readonly effects: Effects;
}

const parallelFiles = 8;

/** Writes one file per lake partition, named `<name>-<number>.parquet`; the numbers go on from `files`. */
export async function stage(
  { source, lake, effects }: StagingOptions,
  name: string,
  files: number,
  events: readonly Event[],
): Promise<readonly FileCopy[]> {
  const staged = [...byPartition(source, events)].map(([partition, part], i) => {
    const bytes = encodeEvents(source, part);
    return { bytes, ...namesOf(source, partition, `${name}-${files + i}`, bytes) };
  });
  await inParallel(staged, parallelFiles, ({ from, bytes }) =>
    untilDone(effects, `Writing ${from}`, () => lake.write(from, bytes)),
  );
  return staged.map(({ from, to }) => ({ from, to }));
}

function byPartition(source: Source, events: readonly Event[]): Map<string, Event[]> {
  const partitions = new Map<string, Event[]>();
  for (const event of events) {
    const value = partitionValue(source, Number(event[source.time.property]));
    const part = partitions.get(value) ?? [];
    partitions.set(value, part);
    part.push(event);
  }
  return partitions;
}

/** What is staged is named by its content: two processes that cut differently do not write over each other. */
function namesOf(source: Source, partition: string, file: string, bytes: Uint8Array): FileCopy {
  const table = `${source.database}.${source.table}`;
  const content = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
  return {
    from: `staged/${table}/${file}-${content}.parquet`,
    to: `${archiveFolder(source)}${source.partition.column}=${partition}/${file}.parquet`,
  };
}

/** Resolves when all copies are made, here or by another process, which then has cleared them from their document. */
export async function makeCopies(
  { lake, effects }: StagingOptions,
  copying: readonly FileCopy[],
  isOutstanding: (copy: FileCopy) => Promise<boolean>,
): Promise<void> {
  await inParallel(copying, parallelFiles, (copy) =>
    untilDone(effects, `Copying ${copy.to}`, async () => {
      try {
        await lake.copy(copy.from, copy.to);
      } catch (error) {
        // another process has made the copy and removed what was staged
        if (await isOutstanding(copy)) throw error;
      }
    }),
  );
}

export async function removeStaged(
  { lake, effects }: StagingOptions,
  copied: readonly FileCopy[],
): Promise<void> {
  await lake.remove(copied.map(({ from }) => from)).catch((error: unknown) => {
    effects.log.warn({ err: error }, "Staged files were not removed; they take space and nothing else");
  });
}
