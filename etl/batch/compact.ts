/**
 * Makes the catalogue show what lies in the lake: partitions with archived files under a new location that holds both
 * parts, others at their own folder, vanished ones not at all.
 *
 * Delivery guarantee: a query sees a partition before or after its archived files, never half of it or both: compacted
 * locations are written once and switched to by one ALTER. A crash between is repaired by the next refresh.
 */
import { archiveFolder } from "../../src/model/layout.ts";
import type { Source } from "../../src/model/source.ts";
import { addPartsSql } from "../../src/sql/catalogue.ts";
import { compactSql, maxUnloadPartitions } from "../../src/sql/unload.ts";
import {
  type Catalogue,
  columnsOf,
  lakeLocation,
  openCatalogue,
  type Placement,
  registerPartitions,
  unregisterPartitions,
} from "./catalogue.ts";
import type { Changes } from "./changed.ts";
import { chunksOf } from "./chunks.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { listPartitions, partitionFolder, type PartitionFiles } from "./partitions.ts";
import { runStatement, runStatements } from "./statement.ts";

/** Resolves to the bytes scanned. Rejects `CONFLICT` when another refresh places the same partitions. */
export async function compact(
  source: Source,
  edition: string,
  { present, changed, vanished }: Changes,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<number> {
  const catalogue = await openCatalogue(source, deps);
  const counted = new Set(changed);
  const outdated = [...present.values()].filter((partition) =>
    counted.has(partition)
      ? !isRegistered(source, catalogue, partition, deps)
      : isUnfinished(source, catalogue, partition),
  );
  const unwritten = unwrittenOf(source, catalogue, outdated);
  const { folders, bytesScanned } = await unloadParts(source, edition, unwritten, deps, options);
  const placements = outdated.map(
    (partition): Placement => ({
      value: partition.value,
      fingerprint: partition.files,
      location: partition.archived
        ? (folders.get(partition.value) ?? catalogue.partitions.get(partition.value)!.value.location)
        : lakeLocation(source, partition.value, deps),
    }),
  );
  await registerPartitions(source, catalogue, placements, deps);
  const gone = await goneOf(source, catalogue, { present, vanished }, deps, options);
  await unregisterPartitions(source, catalogue, gone, deps);
  return bytesScanned;
}

/** The partitions that are to be compacted. */
export function unwrittenOf(
  source: Source,
  catalogue: Catalogue,
  partitions: readonly PartitionFiles[],
): readonly PartitionFiles[] {
  return partitions.filter((partition) => partition.archived && !isWritten(source, catalogue, partition));
}

/** A run with --full died between the word and the deed: for others the partition has not changed. */
function isUnfinished(source: Source, catalogue: Catalogue, partition: PartitionFiles): boolean {
  const known = catalogue.partitions.get(partition.value)?.value;
  return known?.registered === false && (!partition.archived || isWritten(source, catalogue, partition));
}

function isRegistered(
  source: Source,
  catalogue: Catalogue,
  partition: PartitionFiles,
  deps: RefreshDeps,
): boolean {
  const known = catalogue.partitions.get(partition.value)?.value;
  if (known === undefined || !known.registered) return false;
  if (partition.archived) return isWritten(source, catalogue, partition);
  return known.location === lakeLocation(source, partition.value, deps);
}

/** The fingerprint covers the archived files, so a location noted with it holds them, in the columns noted with it. */
function isWritten(source: Source, { partitions }: Catalogue, { value, files }: PartitionFiles): boolean {
  const known = partitions.get(value)?.value;
  return known?.fingerprint === files && JSON.stringify(known.columns) === JSON.stringify(columnsOf(source));
}

/** The partitions of the catalogue that have no files any more, whatever the product published of them. */
async function goneOf(
  source: Source,
  { partitions }: Catalogue,
  { present, vanished }: Pick<Changes, "present" | "vanished">,
  { lake }: RefreshDeps,
  { range }: RefreshOptions,
): Promise<readonly string[]> {
  const missing = [...partitions].flatMap(([value, { value: known }]) =>
    known.location !== "" && !present.has(value) ? [value] : [],
  );
  const candidates = range === undefined ? missing : missing.filter((value) => vanished.includes(value));
  if (candidates.length === 0) return [];
  // another product's refresh may have placed what came after this one's listing
  const now = await listPartitions(source, lake);
  return candidates.filter((value) => !now.has(value));
}

/** Writes both parts of each partition to a folder of this edition. Resolves to the folders by partition. */
async function unloadParts(
  source: Source,
  edition: string,
  partitions: readonly PartitionFiles[],
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<{ folders: ReadonlyMap<string, string>; bytesScanned: number }> {
  const folders = new Map<string, string>();
  let bytesScanned = 0;
  for (const [i, some] of chunksOf(partitions, maxUnloadPartitions).entries()) {
    report(deps, folders.size, partitions.length);
    const target = deps.lake.url(`compacted/${source.database}.${source.table}/${edition}/${i}/`);
    const values = some.map(({ value }) => value);
    await runStatements(source, addPartsSql(source, partsOf(source, values, deps)), deps.warehouse);
    const sql = compactSql(source, { partitions: values, target });
    bytesScanned += (await runStatement(source, sql, deps.warehouse, options)).bytesScanned;
    // Athena writes names in lower case
    for (const value of values) folders.set(value, target + partitionFolder(source, value).toLowerCase());
    report(deps, folders.size, partitions.length);
  }
  return { folders, bytesScanned };
}

function report({ progress }: RefreshDeps, done: number, total: number): void {
  progress({ stage: "compact", done, total, unit: "partitions" });
}

function partsOf(source: Source, values: readonly string[], deps: RefreshDeps) {
  return values.flatMap((value) => [
    { value, part: "lake" as const, location: lakeLocation(source, value, deps) },
    {
      value,
      part: "archive" as const,
      location: deps.lake.url(archiveFolder(source) + partitionFolder(source, value)),
    },
  ]);
}
