/** Lookups in SQL: the FROM clause that joins them, and the tables behind it. */
import { freeNames } from "../model/gold.ts";
import type { Lookup, LookupTable, Taken } from "../model/lookup.ts";
import type { Source } from "../model/source.ts";
import { type ColumnDdl, createDatabaseSql, createTableOfSql, setTableLocationSql } from "./catalogue.ts";
import { identifier, tableName } from "./fragments.ts";

/**
 * The source's table, joined to what `properties` are looked up in: one row per event, whichever are joined, and every
 * column under its own name. Nothing is joined for columns that are not used.
 */
export function fromSql(source: Source, properties: readonly string[]): string {
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  const joins = source.lookups.flatMap((lookup, i) => {
    const taken = lookup.take.filter(({ column }) => properties.includes(column.property));
    return taken.length === 0
      ? []
      : [joinSql(source, lookup, taken, (name) => identifier(free(`sluice_${name}${i}`)))];
  });
  return [tableName(source), ...joins].join("\n  ");
}

/** At most one row of a lookup counts for a key and an instant, so an event stays one row. */
function joinSql(
  source: Source,
  { table, on }: Lookup,
  taken: readonly Taken[],
  name: (wanted: string) => string,
): string {
  const keys = on.map((column, i) => ({
    own: identifier(column.name),
    key: name(`key${i}_`),
    column: keyColumn(i),
  }));
  const [first, last] = [name("first"), name("last")];
  const selected = [
    ...keys.map(({ key, column }) => `${column} AS ${key}`),
    `${firstColumn} AS ${first}`,
    `${lastColumn} AS ${last}`,
    ...taken.map(({ column, position }) => `${takenColumn(position)} AS ${identifier(column.name)}`),
  ];
  const matches = keys.map(({ own, key }) => `${own} = ${key}`);
  return `LEFT JOIN (SELECT ${selected.join(", ")} FROM ${qualified(rowsTable(source, table))}) AS ${name("lookup")}
    ON ${matches.join(" AND ")} AND ${identifier(source.time.name)} BETWEEN ${first} AND ${last}`;
}

interface TableName {
  readonly database: string;
  readonly table: string;
}

/** What events are joined to: `orders__lookup_1f2e3d4c` beside the source's table. */
function rowsTable({ database, table }: Source, { id }: LookupTable): TableName {
  return { database, table: `${table}__lookup_${id}` };
}

/** The dimension table as its owner wrote it, under a name of ours: theirs may have one of its own. */
function dimensionTable({ database, table }: Source, { id }: LookupTable): TableName {
  return { database, table: `${table}__dimension_${id}` };
}

function qualified({ database, table }: TableName): string {
  return `${identifier(database)}.${identifier(table)}`;
}

const keyColumn = (position: number): string => identifier(`k${position}`);
const takenColumn = (position: number): string => identifier(`v${position}`);
const firstColumn = identifier("valid_first");
const lastColumn = identifier("valid_last");

/** Of the table that events are joined to, in the order of a packed row. */
export function rowColumns({ keys, taken }: LookupTable): ColumnDdl[] {
  return [
    ...keys.map(({ type }, i) => ({ name: `k${i}`, type })),
    { name: "valid_first", type: "datetime" },
    { name: "valid_last", type: "datetime" },
    ...taken.map(({ type }, i) => ({ name: `v${i}`, type })),
  ];
}

/** Makes the table unless it is there, and points it to the rows of a version. */
export function registerRowsSql(source: Source, table: LookupTable, location: string): string[] {
  const rows = rowsTable(source, table);
  return [
    createDatabaseSql(source),
    createTableOfSql(rows, rowColumns(table), location),
    setTableLocationSql(rows, location),
  ];
}

/** Makes the table over the dimension table's files unless it is there. */
export function registerDimensionSql(source: Source, table: LookupTable, location: string): string[] {
  const byName = new Map(readColumns(table).map((column) => [column.name.toLowerCase(), column]));
  return [
    createDatabaseSql(source),
    createTableOfSql(dimensionTable(source, table), [...byName.values()], location),
  ];
}

/** Rows of `readColumns`. */
export function dimensionRowsSql(source: Source, table: LookupTable): string {
  const columns = readColumns(table).map(({ name }) => identifier(name));
  return `SELECT ${columns.join(", ")} FROM ${qualified(dimensionTable(source, table))}`;
}

/** The columns of a dimension table that are read: its keys, the validity where it has one, what is taken. */
export function readColumns({ keys, valid, taken }: LookupTable): ColumnDdl[] {
  const validity = valid === null ? [] : [valid.from, valid.to];
  return [...keys, ...validity.map((name) => ({ name, type: "datetime" as const })), ...taken];
}
