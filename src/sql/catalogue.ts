/**
 * DDL of lake tables, as Athena runs it (Hive's grammar: names in backquotes). Athena folds names to lower case and
 * reads Parquet columns by name.
 */
import { freeNames } from "../model/gold.ts";
import type { Source } from "../model/source.ts";
import type { ColumnType } from "../model/values.ts";
import { stringLiteral } from "./fragments.ts";

/** A registered partition: its value (2001-06-27, 2001-06 or 2001) and the `s3://` folder of its files. */
export interface PartitionLocation {
  readonly value: string;
  readonly location: string;
}

const hiveTypes = {
  int: "bigint",
  float: "double",
  string: "string",
  boolean: "boolean",
  datetime: "timestamp",
} as const satisfies Record<ColumnType, string>;

/** Athena: statements have at most 262,144 bytes; a hundred partitions stay far below. */
const partitionsPerStatement = 100;

/** A table that is partitioned by one column: a source's own, or one of gold. */
export interface PartitionedTable {
  readonly database: string;
  readonly table: string;
  readonly partition: { readonly column: string };
}

export interface ColumnDdl {
  readonly name: string;
  readonly type: ColumnType;
}

export function createDatabaseSql({ database }: Pick<PartitionedTable, "database">): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoted(database)}`;
}

/** The source's table over the folder of its partitions. */
export function createTableSql(source: Source, location: string): string {
  return createSql(source, source.ownColumns, [source.partition.column], location);
}

/** A table of other columns than a source's. */
export function createPartitionedTableSql(
  table: PartitionedTable,
  columns: readonly ColumnDdl[],
  location: string,
): string {
  return createSql(table, columns, [table.partition.column], location);
}

/** A table without partitions. */
export function createTableOfSql(
  table: Pick<PartitionedTable, "database" | "table">,
  columns: readonly ColumnDdl[],
  location: string,
): string {
  return createSql(table, columns, [], location);
}

/** Points a table without partitions elsewhere. */
export function setTableLocationSql(
  { database, table }: Pick<PartitionedTable, "database" | "table">,
  location: string,
): string {
  return `ALTER TABLE ${quoted(database)}.${quoted(table)} SET LOCATION ${stringLiteral(location)}`;
}

export function dropTableSql({ database, table }: Pick<PartitionedTable, "database" | "table">): string {
  return `DROP TABLE IF EXISTS ${quoted(database)}.${quoted(table)}`;
}

/** The catalogue forgets the source's tables; the files stay. */
export function dropTablesSql(source: Source): string[] {
  const { database } = source;
  return [source.table, partsTable(source)].map((table) => dropTableSql({ database, table }));
}

/** The helper table that holds a partition's lake files and archived files side by side, for compaction. */
export function partsTable(source: Source): string {
  return `${source.table}__parts`;
}

/** The helper table's second partition column: `lake` or `archive`. */
export function partColumn(source: Source): string {
  return freeNames([...source.ownColumns.map(({ name }) => name), source.partition.column])("part");
}

export function createPartsTableSql(source: Source, location: string): string {
  const parts = { database: source.database, table: partsTable(source) };
  return createSql(parts, source.ownColumns, [source.partition.column, partColumn(source)], location);
}

function createSql(
  { database, table }: Pick<PartitionedTable, "database" | "table">,
  declared: readonly ColumnDdl[],
  partitions: readonly string[],
  location: string,
): string {
  const columns = declared.map(({ name, type }) => `${quoted(name)} ${hiveTypes[type]}`);
  const keys = partitions.map((column) => `${quoted(column)} string`);
  const partitionedBy = keys.length === 0 ? "" : `PARTITIONED BY (${keys.join(", ")})\n`;
  return `CREATE EXTERNAL TABLE IF NOT EXISTS ${quoted(database)}.${quoted(table)} (
  ${columns.join(",\n  ")}
)
${partitionedBy}STORED AS PARQUET
LOCATION ${stringLiteral(location)}`;
}

/** Registers partitions that are not yet, a hundred per statement. */
export function addPartitionsSql(
  source: PartitionedTable,
  partitions: readonly PartitionLocation[],
): string[] {
  return inHundreds(partitions).map(
    (some) =>
      `ALTER TABLE ${alterable(source, source.table)} ADD IF NOT EXISTS
${some.map(({ value, location }) => `PARTITION (${partition(source, value)}) LOCATION ${stringLiteral(location)}`).join("\n")}`,
  );
}

/** Registers the folders of lake files and archived files of partitions in the helper table. */
export function addPartsSql(
  source: Source,
  parts: readonly (PartitionLocation & { readonly part: "lake" | "archive" })[],
): string[] {
  const column = quoted(partColumn(source));
  return inHundreds(parts).map(
    (some) =>
      `ALTER TABLE ${alterable(source, partsTable(source))} ADD IF NOT EXISTS
${some.map(({ value, part, location }) => `PARTITION (${partition(source, value)}, ${column} = '${part}') LOCATION ${stringLiteral(location)}`).join("\n")}`,
  );
}

export function setLocationSql(source: PartitionedTable, { value, location }: PartitionLocation): string {
  return `ALTER TABLE ${alterable(source, source.table)} PARTITION (${partition(source, value)}) SET LOCATION ${stringLiteral(location)}`;
}

export function dropPartitionsSql(source: PartitionedTable, values: readonly string[]): string[] {
  return inHundreds(values).map(
    (some) =>
      `ALTER TABLE ${alterable(source, source.table)} DROP IF EXISTS ${some.map((value) => `PARTITION (${partition(source, value)})`).join(", ")}`,
  );
}

function partition(source: Pick<PartitionedTable, "partition">, value: string): string {
  return `${quoted(source.partition.column)} = ${stringLiteral(value)}`;
}

function alterable(source: Pick<PartitionedTable, "database">, table: string): string {
  return `${quoted(source.database)}.${quoted(table)}`;
}

function inHundreds<T>(items: readonly T[]): T[][] {
  const chunks = Math.ceil(items.length / partitionsPerStatement);
  return Array.from({ length: chunks }, (_, i) =>
    items.slice(i * partitionsPerStatement, (i + 1) * partitionsPerStatement),
  );
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
