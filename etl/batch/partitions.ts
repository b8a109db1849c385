/**
 * What lies in the lake: the partitions of a source with the files that others wrote and those that micro-batches
 * archived.
 *
 * Delivery guarantee: reads only. Archived files are committed before they get the names that are listed here.
 */
import { createHash } from "node:crypto";
import type { Lake, LakeObject } from "../../src/backends/lake.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { partitionRange } from "../../src/model/gold.ts";
import { archiveFolder } from "../../src/model/layout.ts";
import type { Source } from "../../src/model/source.ts";
import type { Range } from "../../src/model/time.ts";

export interface PartitionFiles {
  /** 2001-06-27, 2001-06 or 2001. */
  readonly value: string;
  readonly range: Range;
  /** The partition has files of its own in the lake. */
  readonly inLake: boolean;
  /** Micro-batches have archived files for it. */
  readonly archived: boolean;
  /** Of the keys, sizes and etags of all its files. */
  readonly files: string;
  /** Of all that its gold is counted from: its files, and the lookups that may change what they mean. */
  readonly fingerprint: string;
  /** Of all its files. */
  readonly bytes: number;
}

/** `database/table/`: where others write a source's files, in folders `<partition column>=<value>/`. */
export const lakeFolder = (source: Source): string => `${source.database}/${source.table}/`;

export const partitionFolder = (source: Source, value: string): string =>
  `${source.partition.column}=${value}/`;

/** All partitions that have files, by value, oldest first. Rejects `REFRESH` for folders of another layout. */
export async function listPartitions(
  source: Source,
  lake: Lake,
): Promise<ReadonlyMap<string, PartitionFiles>> {
  const inLake = await filesByPartition(source, lake, lakeFolder(source));
  const archived = await filesByPartition(source, lake, archiveFolder(source));
  const values = [...new Set([...inLake.keys(), ...archived.keys()])].sort();
  return new Map(
    values.map((value) => {
      const files = [...(inLake.get(value) ?? []), ...(archived.get(value) ?? [])];
      const fingerprint = fingerprintOf(files);
      const partition = {
        value,
        range: rangeOf(source, value),
        inLake: inLake.has(value),
        archived: archived.has(value),
        files: fingerprint,
        fingerprint,
        bytes: files.reduce((sum, { size }) => sum + size, 0),
      };
      return [value, partition];
    }),
  );
}

async function filesByPartition(
  source: Source,
  lake: Lake,
  folder: string,
): Promise<Map<string, LakeObject[]>> {
  const partitions = new Map<string, LakeObject[]>();
  for await (const object of lake.list(folder)) {
    const path = object.key.slice(folder.length).split("/");
    if (isIgnored(path)) continue;
    const value = valueOf(source, folder, path[0]!);
    const files = partitions.get(value);
    if (files === undefined) partitions.set(value, [object]);
    else files.push(object);
  }
  return partitions;
}

/** Athena ignores files and folders whose names begin with "_" or "."; a key that ends with "/" is a console's folder. */
export function isIgnored(path: readonly string[]): boolean {
  return path.at(-1) === "" || path.some((part) => part.startsWith("_") || part.startsWith("."));
}

const example = { DAY: "2001-06-27", MONTH: "2001-06", YEAR: "2001" } as const;

function valueOf(source: Source, folder: string, name: string): string {
  const [column, ...value] = name.split("=");
  const { partition } = source;
  if (
    // keys of S3 have a case
    column === partition.column &&
    partitionRange(value.join("="), partition.grain) !== null
  )
    return value.join("=");
  throw new SluiceError(
    "REFRESH",
    `The lake of source "${source.name}" has one folder per ${partition.grain}, like "${folder}${partition.column}=${example[partition.grain]}/". Got "${folder}${name}". Rename it, move it elsewhere, or declare partition: { column, grain } in the @Source.`,
  );
}

function rangeOf(source: Source, value: string): Range {
  return partitionRange(value, source.partition.grain)!;
}

export function fingerprintOf(objects: readonly LakeObject[]): string {
  const lines = objects.map(({ key, size, etag }) => JSON.stringify([key, size, etag])).sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}

/** The partition of an object that Athena unloaded: `…/day=2001-06-27/file` is of 2001-06-27. */
export function partitionOf(key: string): string {
  const folder = key.split("/").at(-2) ?? "";
  return folder.slice(folder.indexOf("=") + 1);
}
