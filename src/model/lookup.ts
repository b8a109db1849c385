/**
 * `lookup({ table, on, take })`: columns that a source takes from a dimension table, as a join in the batch and as a
 * map in the micro-batch. What an event is given follows from its own columns and its time alone.
 */
import { createHash } from "node:crypto";
import { DeclarationError, suggestion } from "./errors.ts";
import type { Column } from "./source.ts";
import type { ColumnType } from "./values.ts";

export interface LookupOptions {
  /** The dimension table in the lake, "database.table": a folder of Parquet files without partitions. */
  readonly table: string;
  /** The source's own columns (by property) -> the columns of the table that they are looked up in. */
  readonly on: Readonly<Record<string, string>>;
  /** The columns that the lookup fills (by property) -> the columns of the table that they are taken from. */
  readonly take: Readonly<Record<string, string>>;
  /** Datetime columns of the table: a row counts for events in [from, to); null is open. */
  readonly valid?: { readonly from: string; readonly to: string };
}

/** A lookup of a source, checked. */
export interface Lookup {
  readonly table: LookupTable;
  /** The source's own columns, in the order of the table's keys. */
  readonly on: readonly Column[];
  /** The enriched columns, each with its position in the table's `taken`. */
  readonly take: readonly Taken[];
}

export interface Taken {
  readonly column: Column;
  readonly position: number;
}

/** What a source reads of a dimension table. Lookups that read the same share it. */
export interface LookupTable {
  /** A hash of all the rest: names what is stored of it. */
  readonly id: string;
  readonly database: string;
  readonly name: string;
  readonly keys: readonly TableColumn[];
  readonly taken: readonly TableColumn[];
  readonly valid: { readonly from: string; readonly to: string } | null;
}

export interface TableColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** Declares columns that are taken from a dimension table, for the `lookups` of `@Source`. */
export function lookup(options: LookupOptions): LookupOptions {
  return Object.freeze(options);
}

/** The lookups of a source. Throws `DeclarationError` with the rule, what arrived and the way out. */
export function lookupsOf(
  source: string,
  columns: readonly Column[],
  time: Column,
  declared: readonly LookupOptions[],
): readonly Lookup[] {
  const enriched = declared.flatMap(({ take }) => Object.keys(take));
  const twice = enriched.find((property, i) => enriched.indexOf(property) !== i);
  if (twice !== undefined)
    throw new DeclarationError(
      `A column is filled by one lookup. Source "${source}" takes "${twice}" twice. Drop it from one of them.`,
    );
  return declared.map((options) => {
    const whose = `The lookup of source "${source}" in "${options.table}"`;
    const on = pairs(whose, "on", columns, options.on);
    const take = pairs(whose, "take", columns, options.take);
    checkTable(whose, options);
    checkOn(whose, on, enriched);
    checkTaken(whose, take, time);
    checkTypes(whose, [...on, ...take], options);
    return lookupOf(options, on, take);
  });
}

/** A column of the source and its counterpart in the table. */
interface Pair {
  readonly column: Column;
  readonly name: string;
}

function pairs(
  whose: string,
  option: "on" | "take",
  columns: readonly Column[],
  declared: LookupOptions["on"],
): Pair[] {
  const properties = columns.map(({ property }) => property);
  const found = Object.entries(declared).map(([property, name]): Pair => {
    const column = columns.find((candidate) => candidate.property === property);
    if (column !== undefined) return { column, name };
    throw new DeclarationError(
      `"${option}" names columns of the source, then those of the table. ${whose} names "${property}", which the source does not have.${suggestion(property, properties)}`,
    );
  });
  if (found.length > 0) return found;
  throw new DeclarationError(
    `A lookup goes by at least one column and takes at least one. ${whose} has none. Write ${option}: { property: "column of the table" }.`,
  );
}

function checkTable(whose: string, { table, valid }: LookupOptions): void {
  if (!/^[^.]+\.[^.]+$/.test(table))
    throw new DeclarationError(
      `A lookup's table is "database.table". ${whose} names another. Write for example "lake.${table.split(".").at(-1)}".`,
    );
  if (valid !== undefined && sameName(valid.from, valid.to))
    throw new DeclarationError(
      `A validity has a column for its beginning and one for its end. ${whose} has "${valid.from}" for both.`,
    );
}

function checkOn(whose: string, on: readonly Pair[], enriched: readonly string[]): void {
  const taken = on.find(({ column }) => enriched.includes(column.property));
  if (taken !== undefined)
    throw new DeclarationError(
      `A lookup goes by the source's own columns. ${whose} goes by "${taken.column.property}", which is itself taken from a table. Take what is needed from one table.`,
    );
  const twin = on.find(({ name }, i) => on.findIndex((other) => sameName(other.name, name)) !== i);
  if (twin !== undefined)
    throw new DeclarationError(
      `A key column of a table is compared with one column of the source. ${whose} compares "${twin.name}" twice.`,
    );
}

function checkTaken(whose: string, take: readonly Pair[], time: Column): void {
  for (const { column } of take) {
    if (column === time)
      throw new DeclarationError(
        `The time of an event is its own. ${whose} takes "${column.property}", the time of the source. Take another column.`,
      );
    if (!column.nullable)
      throw new DeclarationError(
        `What is looked up may be missing. ${whose} takes "${column.property}", which is not nullable. Declare it with @Column(…, { nullable: true }).`,
      );
  }
}

function checkTypes(whose: string, all: readonly Pair[], { valid }: LookupOptions): void {
  const types = [
    ...all.map(({ column, name }) => ({ name, type: column.type })),
    ...Object.values(valid ?? {}).map((name: string) => ({ name, type: "datetime" as const })),
  ];
  for (const { name, type } of types) {
    const other = types.find((each) => sameName(each.name, name) && each.type !== type);
    if (other !== undefined)
      throw new DeclarationError(
        `A column of a table has one type. ${whose} reads "${name}" as ${type} and as ${other.type}.`,
      );
  }
}

/** Athena folds the case of names. */
function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function lookupOf({ table, valid }: LookupOptions, on: readonly Pair[], take: readonly Pair[]): Lookup {
  const [database, name] = table.split(".") as [string, string];
  const byKey = on.toSorted(byName);
  const keys = byKey.map(tableColumn);
  const taken = [...new Map(take.map((pair) => [pair.name, tableColumn(pair)])).values()].toSorted(byName);
  const read = { database, name, keys, taken, valid: valid ?? null };
  const id = createHash("sha256").update(JSON.stringify(read)).digest("hex").slice(0, 8);
  const position = (wanted: string) => taken.findIndex((each) => each.name === wanted);
  return Object.freeze({
    table: Object.freeze({ id, ...read }),
    on: byKey.map(({ column }) => column),
    take: take.map((pair) => ({ column: pair.column, position: position(pair.name) })),
  });
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function tableColumn({ column, name }: Pair): TableColumn {
  return { name, type: column.type };
}

/** The tables of lookups, each once. */
export function lookupTables(lookups: readonly Lookup[]): readonly LookupTable[] {
  return [...new Map(lookups.map(({ table }) => [table.id, table])).values()];
}

/** Where a column is looked up, by what, and what is taken; null for one of the source's own. */
export function lookupText(
  lookups: readonly Lookup[],
  { property }: Pick<Column, "property">,
): string | null {
  for (const { table, on, take } of lookups) {
    const taken = take.find(({ column }) => column.property === property);
    if (taken !== undefined)
      return `${table.database}.${table.name}#${table.id}(${on.map(({ name }) => name).join(",")})[${taken.position}]`;
  }
  return null;
}
