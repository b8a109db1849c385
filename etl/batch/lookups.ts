/**
 * The dimension tables of a source as its events are given them: a changed table becomes a version.
 *
 * Delivery guarantee: what an event was given is what it is given. With a stream a version counts from the start of a
 * UTC day at least two days ahead, which no event reaches before the micro-batches read of it, and continues the one
 * before; a replay keeps its first one. Without a stream the table as it is counts for all time, and what depends on
 * it is counted anew. Rows are written before the document that names them, and that before the catalogue shows them:
 * a crash between is repaired by the next refresh.
 */
import { createHash } from "node:crypto";
import type { Versioned } from "../../src/backends/control-store.ts";
import type { LakeObject } from "../../src/backends/lake.ts";
import { lookupKey, type LookupVersion } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { columnsOf } from "../../src/model/expression.ts";
import { type LookupTable, lookupTables } from "../../src/model/lookup.ts";
import { continued, type LookupRow, overlapOf, packRows, unpackRows } from "../../src/model/lookup-rows.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source } from "../../src/model/source.ts";
import { ceilTo, dayMs, firstInstant, type Instant } from "../../src/model/time.ts";
import {
  dimensionRowsSql,
  registerDimensionSql,
  registerRowsSql,
  rowColumns,
} from "../../src/sql/lookups.ts";
import { encodeParquet } from "../live/parquet.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { dimensionRows } from "./dimension-rows.ts";
import { fingerprintOf, isIgnored, type PartitionFiles } from "./partitions.ts";
import { runStatement, runStatements } from "./statement.ts";

export interface Lookups {
  /** By table the folder of the rows that count. */
  readonly folders: ReadonlyMap<string, string>;
  readonly bytesScanned: number;
}

/** Records and registers what has changed. Rejects `REFRESH` where a table is not as it must be. */
export async function refreshLookups(
  source: Source,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Lookups> {
  const tables = lookupTables(source.lookups);
  const folders = new Map<string, string>();
  let bytesScanned = 0;
  for (const [done, table] of tables.entries()) {
    deps.progress({ stage: "lookups", done, total: tables.length, unit: "tables" });
    const current = await currentVersion(source, table, deps, options);
    folders.set(table.id, current.folder);
    bytesScanned += current.bytesScanned;
    deps.progress({ stage: "lookups", done: done + 1, total: tables.length, unit: "tables" });
  }
  return { folders, bytesScanned };
}

/** What a refresh would go by, as far as it can be told without a statement. */
export async function foretoldLookups(
  source: Source,
  deps: Pick<RefreshDeps, "control" | "lake">,
): Promise<Pick<Lookups, "folders">> {
  const folders = new Map<string, string>();
  for (const table of lookupTables(source.lookups)) {
    const known = await deps.control.get<LookupVersion>(lookupKey(source, table));
    const fingerprint = await fingerprintOfTable(table, deps);
    if (known !== null && isCurrent(source, known.value, fingerprint))
      folders.set(table.id, known.value.folder);
  }
  return { folders };
}

async function currentVersion(
  source: Source,
  table: LookupTable,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<{ folder: string; bytesScanned: number }> {
  let bytesScanned = 0;
  // this run may have pointed the catalogue back, to a version that was overtaken meanwhile
  let pointedBack = false;
  for (;;) {
    const known = await deps.control.get<LookupVersion>(lookupKey(source, table));
    const fingerprint = await fingerprintOfTable(table, deps);
    if (known !== null && isCurrent(source, known.value, fingerprint)) {
      const { folder, registered } = known.value;
      if (registered && !pointedBack) return { folder, bytesScanned };
      if (await register(source, table, known, deps)) return { folder, bytesScanned };
      pointedBack = true;
      continue;
    }
    const read = await readTable(source, table, deps, options);
    bytesScanned += read.bytesScanned;
    // files that came meanwhile may be in it by half
    if ((await fingerprintOfTable(table, deps)) !== fingerprint) continue;
    await record(source, table, known, fingerprint, read.rows, deps);
  }
}

function isCurrent({ stream }: Source, version: LookupVersion, fingerprint: string): boolean {
  return stream?.replay === true || version.fingerprint === fingerprint;
}

const tableFolder = ({ database, name }: LookupTable): string => `${database}/${name}/`;

async function fingerprintOfTable(table: LookupTable, { lake }: Pick<RefreshDeps, "lake">): Promise<string> {
  const folder = tableFolder(table);
  const objects: LakeObject[] = [];
  for await (const object of lake.list(folder))
    if (!isIgnored(object.key.slice(folder.length).split("/"))) objects.push(object);
  if (objects.length > 0) return fingerprintOf(objects);
  throw new SluiceError(
    "REFRESH",
    `A lookup reads a table of the lake. "${table.database}.${table.name}" has no files in ${lake.url(folder)}. Put its Parquet files there.`,
  );
}

async function readTable(
  source: Source,
  table: LookupTable,
  { warehouse, lake }: RefreshDeps,
  options: RefreshOptions,
): Promise<{ rows: readonly LookupRow[]; bytesScanned: number }> {
  await runStatements(source, registerDimensionSql(source, table, lake.url(tableFolder(table))), warehouse);
  const result = await runStatement(source, dimensionRowsSql(source, table), warehouse, options);
  const rows = dimensionRows(table, result.rows);
  checkUnique(table, rows);
  return { rows, bytesScanned: result.bytesScanned };
}

function checkUnique({ database, name, keys }: LookupTable, rows: readonly LookupRow[]): void {
  const twice = overlapOf(rows);
  if (twice === null) return;
  const key = keys.map((column, i) => `${column.name} = ${JSON.stringify(twice[0].key[i])}`).join(", ");
  throw new SluiceError(
    "REFRESH",
    `A lookup finds at most one row for a key at a time. "${database}.${name}" has two for ${key}. Drop one of them, or declare valid: { from, to } if they count for different times.`,
  );
}

/** Another refresh of the source may be faster: then nothing is recorded. */
async function record(
  source: Source,
  table: LookupTable,
  known: Versioned<LookupVersion> | null,
  fingerprint: string,
  read: readonly LookupRow[],
  deps: RefreshDeps,
): Promise<void> {
  const { control, lake } = deps;
  const rows =
    source.stream === null || known === null
      ? continued([], read, firstInstant)
      : continued(await rowsOf(table, known.value, deps), read, firstDayAhead(deps.clock()));
  const packed = packRows(rows);
  const content = createHash("sha256").update(packed).digest("hex").slice(0, 16);
  const folder = `lookups/${source.database}.${source.table}/${table.id}/${content}/`;
  const columns = rowColumns(table).map((column) => ({ ...column, nullable: true }));
  await lake.write(
    `${folder}parquet/rows.parquet`,
    encodeParquet(columns, rows.map(cellsOf), (row, i) => row[i]!),
  );
  await lake.write(`${folder}rows.json`, Buffer.from(packed));
  const registered = known?.value.registered === true && known.value.folder === folder;
  const version: LookupVersion = { folder, fingerprint, registered };
  await control.put(lookupKey(source, table), version, known?.revision ?? null);
}

/** An event is at most a day ahead of its arrival, so none is as late as this, or will be for a day. */
function firstDayAhead(now: Instant): Instant {
  return ceilTo(now + 2 * dayMs, "DAY");
}

function cellsOf({ key, first, last, taken }: LookupRow) {
  return [...key, first, last, ...taken];
}

async function rowsOf(
  table: LookupTable,
  { folder }: LookupVersion,
  { lake }: RefreshDeps,
): Promise<LookupRow[]> {
  return unpackRows(table, Buffer.from(await lake.read(`${folder}rows.json`)).toString());
}

/** Resolves to false when another refresh has recorded the next version meanwhile. */
async function register(
  source: Source,
  table: LookupTable,
  { value, revision }: Versioned<LookupVersion>,
  { control, warehouse, lake }: RefreshDeps,
): Promise<boolean> {
  await runStatements(source, registerRowsSql(source, table, lake.url(`${value.folder}parquet/`)), warehouse);
  const registered: LookupVersion = { ...value, registered: true };
  return (await control.put(lookupKey(source, table), registered, revision)) !== null;
}

/**
 * Without a stream, what is stored of a product goes by the tables as they are: partitions are told apart by them too.
 */
export function countedWith(
  product: Product,
  { folders }: Pick<Lookups, "folders">,
  present: ReadonlyMap<string, PartitionFiles>,
): ReadonlyMap<string, PartitionFiles> {
  const used = product.source.stream === null ? storedTables(product) : [];
  if (used.length === 0) return present;
  const versions = used.map(({ id }) => folders.get(id) ?? "unknown").sort();
  return new Map(
    [...present].map(([value, partition]) => {
      const counted = createHash("sha256").update([partition.files, ...versions].join("\n"));
      return [value, { ...partition, fingerprint: counted.digest("hex").slice(0, 32) }];
    }),
  );
}

/** The tables that gold is counted with. */
function storedTables({ source, components, rollups }: Product): readonly LookupTable[] {
  const stored = new Set([
    ...components.flatMap(({ aggregate }) => columnsOf(aggregate)),
    ...rollups.flatMap(({ dimensions }) => dimensions),
  ]);
  return lookupTables(
    source.lookups.filter(({ take }) => take.some(({ column }) => stored.has(column.property))),
  );
}
