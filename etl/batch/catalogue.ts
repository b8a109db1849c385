/**
 * The catalogue (Athena's tables and partitions) as control documents remember it, so that what is registered need not
 * be asked or said again.
 *
 * Delivery guarantee: a document that says "registered" was written after the catalogue had it.
 */
import type { Versioned } from "../../src/backends/control-store.ts";
import {
  type CataloguedTable,
  cataloguedTableKey,
  type CompactedPartition,
  compactedKey,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Source } from "../../src/model/source.ts";
import {
  addPartitionsSql,
  createDatabaseSql,
  createPartsTableSql,
  createTableSql,
  dropPartitionsSql,
  dropTablesSql,
  type PartitionLocation,
  setLocationSql,
} from "../../src/sql/catalogue.ts";
import { forEachInParallel } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import { lakeFolder, partitionFolder } from "./partitions.ts";
import { runStatements } from "./statement.ts";

export type CatalogueDeps = Pick<RefreshDeps, "warehouse" | "control" | "lake">;

export interface Catalogue {
  /** By value: what is registered, or about to be. */
  readonly partitions: ReadonlyMap<string, Versioned<CompactedPartition>>;
}

/** Where a partition shall be registered. */
export interface Placement extends PartitionLocation {
  readonly fingerprint: string;
}

/** Creates the source's database and tables unless they are as declared, and reads what is registered. */
export async function openCatalogue(source: Source, deps: CatalogueDeps): Promise<Catalogue> {
  const catalogue = await readCatalogue(source, deps);
  await createTables(source, catalogue, deps);
  return catalogue;
}

export async function readCatalogue(
  source: Source,
  { control }: Pick<CatalogueDeps, "control">,
): Promise<Catalogue> {
  const documents = await control.list<CompactedPartition>(compactedKey(source, "").pk);
  return { partitions: new Map(documents.map((document) => [document.sk, document])) };
}

/** A table whose columns were declared anew is dropped and made again; its files and their locations stay. */
async function createTables(source: Source, { partitions }: Catalogue, deps: CatalogueDeps): Promise<void> {
  const ddl = tablesDdl(source, deps);
  const known = await deps.control.get<CataloguedTable>(cataloguedTableKey(source));
  if (JSON.stringify(known?.value.ddl) === JSON.stringify(ddl)) return;
  if (known !== null) await runStatements(source, dropTablesSql(source), deps.warehouse);
  await runStatements(source, ddl, deps.warehouse);
  const registered = [...partitions].filter(([, { value }]) => value.registered && value.location !== "");
  const locations = registered.map(([sk, { value }]) => ({ value: sk, location: value.location }));
  if (known !== null) await runStatements(source, addPartitionsSql(source, locations), deps.warehouse);
  await deps.control.put(cataloguedTableKey(source), { ddl } satisfies CataloguedTable, "any");
}

function tablesDdl(source: Source, { lake }: CatalogueDeps): string[] {
  const own = [createDatabaseSql(source), createTableSql(source, lake.url(lakeFolder(source)))];
  const parts = createPartsTableSql(source, lake.url(`parts/${source.database}.${source.table}/`));
  return source.stream === null ? own : [...own, parts];
}

/** The `s3://` folder where others write a partition's files. */
export function lakeLocation(source: Source, value: string, { lake }: Pick<CatalogueDeps, "lake">): string {
  return lake.url(lakeFolder(source) + partitionFolder(source, value));
}

/**
 * Points the catalogue to new locations: intent first, then the catalogue, then the word that it is done. Rejects
 * `CONFLICT` when another refresh placed one of the partitions meanwhile.
 */
export async function registerPartitions(
  source: Source,
  { partitions }: Catalogue,
  placements: readonly Placement[],
  deps: CatalogueDeps,
): Promise<void> {
  const revisions = new Map<string, number>();
  await forEachInParallel(placements, async (placement) => {
    const before = partitions.get(placement.value)?.revision ?? null;
    revisions.set(placement.value, await note(source, placement, before, false, deps));
  });
  await runStatements(source, addPartitionsSql(source, placements), deps.warehouse);
  const moved = placements.filter(
    ({ value, location }) => partitions.has(value) || location !== lakeLocation(source, value, deps),
  );
  const moves = moved.map((placement) => setLocationSql(source, placement));
  await runStatements(source, moves, deps.warehouse);
  await forEachInParallel(placements, async (placement) => {
    await note(source, placement, revisions.get(placement.value)!, true, deps);
  });
}

/** Takes partitions out of the catalogue that have no files any more. */
export async function unregisterPartitions(
  source: Source,
  { partitions }: Catalogue,
  values: readonly string[],
  deps: CatalogueDeps,
): Promise<void> {
  const known = values.filter((value) => (partitions.get(value)?.value.location ?? "") !== "");
  await runStatements(source, dropPartitionsSql(source, known), deps.warehouse);
  await forEachInParallel(known, async (value) => {
    const gone = { value, location: "", fingerprint: "" };
    await note(source, gone, partitions.get(value)!.revision, true, deps);
  });
}

/** Resolves to the document's new revision. */
async function note(
  source: Source,
  { value, location, fingerprint }: Placement,
  expected: number | null,
  registered: boolean,
  deps: CatalogueDeps,
): Promise<number> {
  const document: CompactedPartition = { location, fingerprint, columns: columnsOf(source), registered };
  const revision = await deps.control.put(compactedKey(source, value), document, expected);
  if (revision !== null) return revision;
  const current = await deps.control.get<CompactedPartition>(compactedKey(source, value));
  // another product's refresh over the same source says the same
  if (current?.value.location === location && current.value.fingerprint === fingerprint)
    return current.revision;
  await repoint(source, value, current?.value, deps);
  throw new SluiceError(
    "CONFLICT",
    `One refresh at a time places a lake partition. Another one placed ${value} of "${source.database}.${source.table}" meanwhile. Refresh again when it has ended.`,
  );
}

/** What is compacted of a source, as the documents of its partitions say it. */
export function columnsOf({ ownColumns }: Source): string[] {
  return ownColumns.map(({ name, type }) => `${name}:${type}`);
}

/** The other refresh's location counts, whichever ALTER came last. */
async function repoint(
  source: Source,
  value: string,
  current: CompactedPartition | undefined,
  { warehouse }: CatalogueDeps,
): Promise<void> {
  if (current === undefined || !current.registered || current.location === "") return;
  await runStatements(source, [setLocationSql(source, { value, location: current.location })], warehouse);
}
