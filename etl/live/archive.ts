/**
 * The events of a window become Parquet in the lake.
 *
 * Delivery guarantee: every event is in exactly one committed file. Events at or below the shard's `through` are
 * dropped; the rest is staged, and one compare-and-swap of the archive record commits `through` and the files' names;
 * then they are copied to their final names, which whoever comes next repeats if need be. Readers of the archive see
 * committed files only, and never remove one: a late repetition of a copy would bring it back.
 */
import { createHash } from "node:crypto";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { type ArchiveRecord, archiveKey } from "../../src/model/control.ts";
import { archiveFolder } from "../../src/model/layout.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import { partitionValue } from "../../src/sql/statement.ts";
import { type Effects, inParallel, untilDone } from "./effects.ts";
import { encodeEvents } from "./parquet.ts";
import type { Barrier, DecodedEvent } from "./wire.ts";

export interface ArchiveWindow {
  readonly events: readonly DecodedEvent[];
  /** The sequence of the window's last record: after the commit, nothing at or below it is archived again. */
  readonly through: string;
  /** The newest barrier in the window. */
  readonly barrier: Barrier | null;
}

export interface Archive {
  /** Resolves when the window is committed and its files have their final names. */
  add(shard: string, window: ArchiveWindow): Promise<void>;
  /** Repeats the copies that a crash left outstanding. Resolves to the record, all of whose files have their names. */
  recover(shard: string): Promise<ArchiveRecord>;
}

export interface ArchiveOptions {
  readonly source: Source;
  readonly stream: Stream;
  readonly control: ControlStore;
  readonly lake: Lake;
  readonly effects: Effects;
}

type Copy = ArchiveRecord["copying"][number];

const nothingArchived: ArchiveRecord = { through: "", files: 0, barrier: null, copying: [] };
const parallelFiles = 8;

export function lakeArchive(options: ArchiveOptions): Archive {
  return {
    add: (shard, window) => add(options, shard, window),
    recover: async (shard) => (await settled(options, shard)).record,
  };
}

async function add(options: ArchiveOptions, shard: string, window: ArchiveWindow): Promise<void> {
  for (;;) {
    const { record, revision } = await settled(options, shard);
    if (window.through <= record.through) return;
    const fresh = window.events.filter(({ sequence }) => sequence > record.through);
    const copying = await stage(options, shard, record.files, fresh);
    const committed = await swap(options, shard, revision, {
      through: window.through,
      files: record.files + copying.length,
      barrier: newest(record.barrier, window.barrier),
      copying,
    });
    // another consumer of the shard was first, or this very commit was and its answer was lost: look again
    if (committed === null) continue;
    if (copying.length > 0) await settled(options, shard);
    return;
  }
}

/** The archive record once all its copies are made. */
async function settled(
  options: ArchiveOptions,
  shard: string,
): Promise<{ readonly record: ArchiveRecord; readonly revision: number | null }> {
  for (;;) {
    const found = await readRecord(options, shard);
    const record = found?.value ?? nothingArchived;
    if (found === null || record.copying.length === 0) return { record, revision: found?.revision ?? null };
    await inParallel(record.copying, parallelFiles, (copy) => makeCopy(options, shard, copy));
    const cleared = await swap(options, shard, found.revision, { ...record, copying: [] });
    if (cleared !== null) await removeStaged(options, record.copying);
  }
}

async function makeCopy(options: ArchiveOptions, shard: string, { from, to }: Copy): Promise<void> {
  await untilDone(options.effects, `Copying ${to}`, async () => {
    try {
      await options.lake.copy(from, to);
    } catch (error) {
      // another consumer has made the copy and removed what was staged
      const found = await readRecord(options, shard);
      if (found?.value.copying.some((copy) => copy.from === from)) throw error;
    }
  });
}

async function removeStaged({ lake, effects }: ArchiveOptions, copied: readonly Copy[]): Promise<void> {
  await lake.remove(copied.map(({ from }) => from)).catch((error: unknown) => {
    effects.log.warn({ err: error }, "Staged files were not removed; they take space and nothing else");
  });
}

/** Writes one file per lake partition; their numbers go on from `files`. */
async function stage(
  { source, lake, effects }: ArchiveOptions,
  shard: string,
  files: number,
  events: readonly DecodedEvent[],
): Promise<readonly Copy[]> {
  const staged = [...byPartition(source, events)].map(([partition, part], i) => {
    const bytes = encodeEvents(
      source,
      part.map(({ event }) => event),
    );
    return { bytes, ...namesOf(source, partition, shard, files + i, bytes) };
  });
  await inParallel(staged, parallelFiles, ({ from, bytes }) =>
    untilDone(effects, `Writing ${from}`, () => lake.write(from, bytes)),
  );
  return staged.map(({ from, to }) => ({ from, to }));
}

function byPartition(source: Source, events: readonly DecodedEvent[]): Map<string, DecodedEvent[]> {
  const partitions = new Map<string, DecodedEvent[]>();
  for (const decoded of events) {
    const value = partitionValue(source, Number(decoded.event[source.time.property]));
    const part = partitions.get(value) ?? [];
    partitions.set(value, part);
    part.push(decoded);
  }
  return partitions;
}

/** What is staged is named by its content: two consumers that cut differently do not write over each other. */
function namesOf(source: Source, partition: string, shard: string, file: number, bytes: Uint8Array): Copy {
  const table = `${source.database}.${source.table}`;
  const content = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
  return {
    from: `staged/${table}/${shard}-${file}-${content}.parquet`,
    to: `${archiveFolder(source)}${source.partition.column}=${partition}/${shard}-${file}.parquet`,
  };
}

function newest(known: ArchiveRecord["barrier"], passed: Barrier | null): ArchiveRecord["barrier"] {
  if (passed === null || (known !== null && known.sequence >= passed.sequence)) return known;
  return { sequence: passed.sequence, arrival: passed.arrival };
}

function readRecord({ control, stream, effects }: ArchiveOptions, shard: string) {
  const key = archiveKey(stream, shard);
  return untilDone(effects, "Reading the archive record", () => control.get<ArchiveRecord>(key));
}

function swap(
  { control, stream, effects }: ArchiveOptions,
  shard: string,
  revision: number | null,
  record: ArchiveRecord,
): Promise<number | null> {
  const key = archiveKey(stream, shard);
  return untilDone(effects, "Writing the archive record", () => control.put(key, record, revision));
}
