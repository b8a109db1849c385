/**
 * Databases, tables and partitions: what Glue is to Athena. One JSON file per table below `folder`.
 *
 * Delivery guarantee: a change is on disk as a whole before its statement succeeds, and survives a killed process.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TableShape } from "./analysis.ts";
import { StatementFailed } from "./failure.ts";
import { writeWhole } from "./files.ts";
import { hiveType } from "./types.ts";

export interface HiveColumn {
  readonly name: string;
  /** As declared: `string`, `decimal(10,2)`. */
  readonly type: string;
}

export interface Partition {
  /** One per partition key; null is Hive's default partition. */
  readonly values: readonly (string | null)[];
  /** `s3://…`, wherever it may be. */
  readonly location: string;
}

export interface Table {
  readonly database: string;
  readonly name: string;
  readonly columns: readonly HiveColumn[];
  readonly partitionKeys: readonly HiveColumn[];
  readonly location: string;
  readonly partitions: readonly Partition[];
}

export interface Catalogue {
  databases(): string[];
  tables(database: string): Table[];
  find(database: string, name: string): Table | undefined;
  /** Throws `StatementFailed` with TABLE_NOT_FOUND. */
  table(database: string, name: string): Table;
  hasDatabase(name: string): boolean;
  addDatabase(name: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  put(table: Table): Promise<void>;
  drop(table: Table): Promise<void>;
}

/** Reads the catalogue of a folder; an empty one has the database `default`. */
export async function openCatalogue(folder: string): Promise<Catalogue> {
  await mkdir(join(folder, "default"), { recursive: true });
  const databases = await readCatalogue(folder);
  const file = (table: Table): string =>
    join(folder, fileName(table.database), `${fileName(table.name)}.json`);
  const find = (database: string, name: string): Table | undefined => databases.get(database)?.get(name);
  return {
    find,
    databases: () => [...databases.keys()].sort(),
    tables: (database) =>
      [...(databases.get(database)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1)),
    hasDatabase: (name) => databases.has(name),
    table(database, name) {
      const table = find(database, name);
      if (!table) throw notFound(database, name, databases.has(database));
      return table;
    },
    async addDatabase(name) {
      await mkdir(join(folder, fileName(name)), { recursive: true });
      databases.set(name, new Map());
    },
    async dropDatabase(name) {
      await rm(join(folder, fileName(name)), { recursive: true, force: true });
      databases.delete(name);
    },
    async put(table) {
      await writeWhole(file(table), JSON.stringify(table));
      databases.get(table.database)?.set(table.name, table);
    },
    async drop(table) {
      await rm(file(table), { force: true });
      databases.get(table.database)?.delete(table.name);
    },
  };
}

async function readCatalogue(folder: string): Promise<Map<string, Map<string, Table>>> {
  const databases = new Map<string, Map<string, Table>>();
  for (const entry of await readdir(folder)) {
    const files = await readdir(join(folder, entry));
    const read = files.filter((file) => file.endsWith(".json") && !file.startsWith("."));
    const tables = await Promise.all(
      read.map(async (file) => JSON.parse(await readFile(join(folder, entry, file), "utf8")) as Table),
    );
    databases.set(decodeURIComponent(entry), new Map(tables.map((table) => [table.name, table])));
  }
  return databases;
}

function fileName(name: string): string {
  return encodeURIComponent(name).replaceAll(".", "%2E");
}

function notFound(database: string, name: string, hasDatabase: boolean): StatementFailed {
  if (!hasDatabase) return new StatementFailed(`SCHEMA_NOT_FOUND: Schema '${database}' does not exist`);
  return new StatementFailed(`TABLE_NOT_FOUND: Table 'awsdatacatalog.${database}.${name}' does not exist`);
}

/** The table as the analysis of queries needs it. */
export function shapeOf(table: Table): TableShape {
  const typed = (column: HiveColumn) => ({ name: column.name, type: typeOf(column) });
  return { ...table, columns: table.columns.map(typed), partitionKeys: table.partitionKeys.map(typed) };
}

/** Throws `StatementFailed` for a type that is not supported. */
export function typeOf(column: HiveColumn): NonNullable<ReturnType<typeof hiveType>> {
  const type = hiveType(column.type);
  if (type) return type;
  throw new StatementFailed(
    `NOT_SUPPORTED: not supported by the embedded Athena: the type ${column.type} of column ${column.name}`,
  );
}
