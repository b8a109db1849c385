/**
 * From a scan to its files: partitions are selected by the conditions of the statement, files are listed, footers
 * read. What remains is both what DuckDB reads and what is charged: the columns read, of the files left, compressed.
 */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Scan } from "./analysis.ts";
import type { Catalogue, Partition, Table } from "./catalogue.ts";
import { toMilliseconds } from "./casts.ts";
import type { Planner } from "./engine.ts";
import { StatementFailed } from "./failure.ts";
import { dataFiles, digest, partitionFolder, pathOf } from "./files.ts";
import type { Footer, Footers, LinkedFile } from "./footers.ts";
import { quote, text } from "./scope.ts";
import { duckdbType, type Type, typeText } from "./types.ts";

export interface ScanTools {
  readonly planner: Planner;
  readonly catalogue: Catalogue;
  readonly footers: Footers;
  readonly s3Folder: string;
  /** Where files get a path that says their partition, whatever their location. */
  readonly linkFolder: string;
}

export interface PlannedScan {
  /** The relation, in DuckDB's SQL. */
  readonly sql: string;
  readonly scannedBytes: number;
}

export async function planScan(scan: Scan, tools: ScanTools): Promise<PlannedScan> {
  const table = tools.catalogue.table(scan.table.database, scan.table.name);
  const partitions = await selectedPartitions(scan, table, tools.planner);
  const files = (
    await Promise.all(partitions.map((partition) => linkedFiles(table, partition, tools)))
  ).flat();
  const footers = await tools.footers.read(files, scan.reads);
  return { sql: scanSql(scan, files, footers), scannedBytes: scannedBytes(scan, footers) };
}

async function selectedPartitions(scan: Scan, table: Table, planner: Planner): Promise<readonly Partition[]> {
  if (table.partitionKeys.length === 0) return [{ values: [], location: table.location }];
  if (scan.partitionConditions.size === 0 || table.partitions.length === 0) return table.partitions;
  const casts = scan.table.partitionKeys.map(
    (key) => `CAST(${quote(key.name)} AS ${duckdbType(key.type)}) AS ${quote(key.name)}`,
  );
  const rows = table.partitions.map(
    ({ values }, index) => `(${[index, ...values.map(textOrNull)].join(", ")})`,
  );
  const names = ["index", ...table.partitionKeys.map((key) => key.name)].map(quote).join(", ");
  const sql = `SELECT p."index" FROM (SELECT "index", ${casts.join(", ")} FROM (VALUES ${rows.join(", ")}) AS v(${names})) AS p
    WHERE ${[...scan.partitionConditions].join(" AND ")}`;
  const chosen = await planner.rows(sql).catch(() => undefined);
  // a condition that fails for some partition is left to the statement itself
  if (!chosen) return table.partitions;
  const indexes = new Set(chosen.map(([index]) => Number(index)));
  return table.partitions.filter((_, index) => indexes.has(index));
}

function textOrNull(value: string | null): string {
  return value === null ? "NULL" : text(value);
}

/** Links are named by what they point to and never change, so a statement may run on while a partition moves. */
async function linkedFiles(table: Table, partition: Partition, tools: ScanTools): Promise<LinkedFile[]> {
  const files = await dataFiles(pathOf(tools.s3Folder, partition.location));
  const levels = table.partitionKeys.map((key, index) =>
    partitionFolder(key.name, partition.values[index] ?? null),
  );
  const folder = join(tools.linkFolder, digest([partition.location, ...levels].join("\n")), ...levels);
  await mkdir(folder, { recursive: true });
  return Promise.all(
    files.map(async (file) => {
      const link = join(folder, `${digest(file.path)}.parquet`);
      await symlink(file.path, link).catch(ifExists);
      return { ...file, link };
    }),
  );
}

function ifExists(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
}

function scannedBytes(scan: Scan, footers: readonly Footer[]): number {
  let bytes = 0;
  for (const footer of footers)
    for (const name of scan.reads) bytes += footer.get(name)?.compressedBytes ?? 0;
  return bytes;
}

function scanSql(scan: Scan, files: readonly LinkedFile[], footers: readonly Footer[]): string {
  const keys = scan.table.partitionKeys;
  if (files.length === 0) return emptyScan([...scan.table.columns, ...keys]);
  const read = scan.table.columns.filter((column) => scan.reads.has(column.name));
  const columns = scan.table.columns.map((column) =>
    read.includes(column) ? columnSql(column, footers) : nullColumn(column),
  );
  const list = files.map((file) => text(file.link)).join(", ");
  const types = keys.map((key) => `${quote(key.name)}: ${duckdbType(key.type)}`).join(", ");
  const hive =
    keys.length > 0 ? `hive_partitioning = true, hive_types = {${types}}` : "hive_partitioning = false";
  const byName = uniform(read, footers) ? "" : ", union_by_name = true";
  return `(SELECT ${[...columns, ...keys.map((key) => quote(key.name))].join(", ")} FROM read_parquet([${list}], ${hive}${byName}))`;
}

type NamedType = { readonly name: string; readonly type: Type };

function emptyScan(columns: readonly NamedType[]): string {
  return `(SELECT ${columns.map(nullColumn).join(", ")} WHERE false)`;
}

/** A column that is named in the statement but has no part in its result. */
function nullColumn({ name, type }: NamedType): string {
  return `CAST(NULL AS ${duckdbType(type)}) AS ${quote(name)}`;
}

/** Whether all files have the columns in the same types, so that the first one speaks for all. */
function uniform(read: readonly NamedType[], footers: readonly Footer[]): boolean {
  const [first, ...rest] = footers;
  return read.every(({ name }) => rest.every((footer) => footer.get(name)?.type === first?.get(name)?.type));
}

/** One column by name and as declared; NULL where no file has it. Timestamps are rounded to Athena's milliseconds. */
function columnSql({ name, type }: NamedType, footers: readonly Footer[]): string {
  const found = footers.flatMap((footer) => footer.get(name) ?? []);
  for (const column of found) checkReadable(name, type, column.type);
  if (found.length === 0) return nullColumn({ name, type });
  const target = duckdbType(type);
  const same = found.every((column) => column.type === target);
  const plain = same || type.kind === "array" ? quote(name) : `CAST(${quote(name)} AS ${target})`;
  const fine = type.kind === "timestamp" && found.some((column) => column.fine !== "no");
  return `${fine ? toMilliseconds(plain) : plain} AS ${quote(name)}`;
}

const readable: Readonly<Record<string, readonly string[]>> = {
  tinyint: ["TINYINT"],
  smallint: ["SMALLINT", "TINYINT"],
  integer: ["INTEGER", "SMALLINT", "TINYINT", "USMALLINT", "UTINYINT"],
  bigint: ["BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"],
  real: ["FLOAT"],
  double: ["DOUBLE", "FLOAT"],
  boolean: ["BOOLEAN"],
  varchar: ["VARCHAR"],
  date: ["DATE"],
  timestamp: ["TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"],
  array: ["NESTED"],
};

function checkReadable(name: string, declared: Type, actual: string): void {
  const accepted = declared.kind === "decimal" ? [duckdbType(declared)] : (readable[declared.kind] ?? []);
  if (accepted.includes(actual)) return;
  throw new StatementFailed(
    `HIVE_BAD_DATA: Field ${name}'s type ${actual} in parquet file is incompatible with type ${typeText(declared)} defined in table schema`,
  );
}
