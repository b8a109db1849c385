/**
 * The events of a window become Parquet in the lake.
 *
 * Delivery guarantee: every event is in exactly one committed file. Events at or below the shard's `through` are
 * dropped; the rest is staged, and one compare-and-swap of the archive record commits `through` and the files' names;
 * then they are copied to their final names, which whoever comes next repeats if need be. Readers of the archive see
 * committed files only, and never remove one: a late repetition of a copy would bring it back.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type ArchiveRecord, archiveKey, type FileCopy } from "../../src/model/control.ts";
import type { Stream } from "../../src/model/source.ts";
import { untilDone } from "./effects.ts";
import { makeCopies, removeStaged, stage, type StagingOptions } from "./staging.ts";
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

export interface ArchiveOptions extends StagingOptions {
  readonly stream: Stream;
  readonly control: ControlStore;
}

const nothingArchived: ArchiveRecord = { through: "", files: 0, barrier: null, copying: [] };

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
    const copying = await stage(
      options,
      shard,
      record.files,
      fresh.map(({ event }) => event),
    );
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
    await makeCopies(options, record.copying, (copy) => isOutstanding(options, shard, copy));
    const cleared = await swap(options, shard, found.revision, { ...record, copying: [] });
    if (cleared !== null) await removeStaged(options, record.copying);
  }
}

async function isOutstanding(options: ArchiveOptions, shard: string, { from }: FileCopy): Promise<boolean> {
  const found = await readRecord(options, shard);
  return found?.value.copying.some((copy) => copy.from === from) ?? false;
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
