/**
 * What the archive of a source holds, shard by shard.
 *
 * Delivery guarantee: the files of a shard hold every event that was applied of it up to `through`, each once. Events
 * that were too late and admitted to the lake are in none of them.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { Lake, LakeObject } from "../../src/backends/lake.ts";
import { archiveKey, type ArchiveRecord } from "../../src/model/control.ts";
import { partitionRange } from "../../src/model/gold.ts";
import { archiveFolder } from "../../src/model/layout.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import { dayMs, type Instant, type Range } from "../../src/model/time.ts";
import { lakeArchive } from "./archive.ts";
import { type Effects, inParallel } from "./effects.ts";

export interface ArchivedShard {
  readonly shard: string;
  readonly through: string;
  /** Those that are there, oldest first. */
  readonly files: readonly ArchivedFile[];
  /** Nothing at or after it is missing: earlier than all time unless somebody has removed files. */
  readonly wholeFrom: Instant;
}

export interface ArchivedFile {
  readonly object: LakeObject;
  /** Counted per shard, from 0. */
  readonly number: number;
  /** Of its lake partition. */
  readonly partition: Range;
}

export interface ArchivedOptions {
  readonly source: Source;
  readonly stream: Stream;
  readonly control: ControlStore;
  readonly lake: Lake;
  readonly effects: Effects;
}

const parallelShards = 8;

/** Finishes the copies that a consumer has left outstanding, so that every committed file is there. */
export async function archivedShards(options: ArchivedOptions): Promise<readonly ArchivedShard[]> {
  const archive = lakeArchive(options);
  const records = new Map<string, ArchiveRecord>();
  const known = await options.control.list<ArchiveRecord>(archiveKey(options.stream, "").pk);
  await inParallel(known, parallelShards, async ({ sk }) => {
    records.set(sk, await archive.recover(sk));
  });
  const files = await committedFiles(options, records);
  return [...records].map(([shard, { through, files: count }]) => {
    const own = (files.get(shard) ?? []).sort((a, b) => a.number - b.number);
    return { shard, through, files: own, wholeFrom: wholeFrom(options.stream, own, count) };
  });
}

async function committedFiles(
  { source, lake }: ArchivedOptions,
  records: ReadonlyMap<string, ArchiveRecord>,
): Promise<Map<string, ArchivedFile[]>> {
  const folder = archiveFolder(source);
  const files = new Map<string, ArchivedFile[]>();
  for await (const object of lake.list(folder)) {
    const [, column, value, shard, number] = filePattern.exec(object.key.slice(folder.length)) ?? [];
    const partition =
      column === source.partition.column ? partitionRange(value!, source.partition.grain) : null;
    if (partition === null || Number(number) >= (records.get(shard!)?.files ?? 0)) continue;
    const own = files.get(shard!) ?? [];
    files.set(shard!, own);
    own.push({ object, number: Number(number), partition });
  }
  return files;
}

const filePattern = /^([^/=]+)=([^/]+)\/([^/]+)-(\d+)\.parquet$/;

/**
 * Files are numbered in the order of their windows, and those of one window are of different partitions. So the second
 * one of a partition behind the last gap is of a later window than what is missing: no missing event arrived after its
 * events, and none has a time more than a day after its arrival.
 */
function wholeFrom({ latenessMs, skewMs }: Stream, files: readonly ArchivedFile[], count: number): Instant {
  if (files.length === count) return Number.NEGATIVE_INFINITY;
  const behindGap = files.filter(({ number }, i) => number - i === count - files.length);
  const seen = new Set<Instant>();
  for (const { partition } of behindGap) {
    if (seen.has(partition.from)) return partition.to + latenessMs + skewMs + dayMs;
    seen.add(partition.from);
  }
  return Number.POSITIVE_INFINITY;
}
