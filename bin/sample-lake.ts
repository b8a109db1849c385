/** Builds the lake of a sample, and reads the events that are held back for its replay. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { SluiceError } from "../src/model/errors.ts";
import type { LookupTable } from "../src/model/lookup.ts";
import type { SampleOptions, SampleTableOptions } from "../src/model/sample.ts";
import { type Column, type Source, sourceFor } from "../src/model/source.ts";
import type { Event, Value } from "../src/model/values.ts";
import { identifier, stringLiteral, timestampLiteral } from "../src/sql/fragments.ts";
import { readColumns } from "../src/sql/lookups.ts";

const partitionFormat = { DAY: "%Y-%m-%d", MONTH: "%Y-%m", YEAR: "%Y" } as const;
const duckTypes = {
  int: "BIGINT",
  float: "DOUBLE",
  string: "VARCHAR",
  boolean: "BOOLEAN",
  datetime: "TIMESTAMP_MS",
} as const;

/**
 * Writes a sample as the Parquet partitions of its table, unless they are there. The folder appears whole or not at
 * all. Resolves to whether it was built.
 */
export async function buildSampleLake(sample: SampleOptions, lakeFolder: string): Promise<boolean> {
  const source = sourceFor(sample.source);
  const folder = join(lakeFolder, source.database, source.table);
  if (existsSync(folder)) return false;
  const building = join(lakeFolder, `.building-${source.database}-${source.table}`);
  rmSync(building, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(building, { recursive: true });
  const partition = `strftime(${identifier(source.time.name)}, '${partitionFormat[source.partition.grain]}')`;
  await withDuckDb(async (duck) => {
    await duck.run(`COPY (
      SELECT *, ${partition} AS ${identifier(source.partition.column)} FROM (${sampleSql(sample, source)})
      WHERE ${heldBack(sample, source, "<")}
    ) TO ${stringLiteral(building)} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (${identifier(source.partition.column)}), OVERWRITE_OR_IGNORE)`);
  });
  renameSync(building, folder);
  return true;
}

/**
 * Writes the sample of a dimension table as one Parquet file, unless the table is there. A CSV file holds text: what
 * lookups read as another type is cast to it. Resolves to whether it was built.
 */
export async function buildSampleTable(
  sample: SampleTableOptions,
  read: readonly LookupTable[],
  lakeFolder: string,
): Promise<boolean> {
  const folder = join(lakeFolder, ...sample.table.split("."));
  if (existsSync(folder)) return false;
  const building = join(lakeFolder, `.building-${sample.table}`);
  rmSync(building, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(building, { recursive: true });
  const typed = new Map(read.flatMap(readColumns).map(({ name, type }) => [name, duckTypes[type]]));
  const casts = [...typed].map(
    ([name, type]) => `CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`,
  );
  const columns = casts.length === 0 ? "*" : `* REPLACE (${casts.join(", ")})`;
  await withDuckDb(async (duck) => {
    await duck.run(`COPY (SELECT ${columns} FROM ${fileSql(sample.file, "all_varchar = true")})
      TO ${stringLiteral(join(building, "rows.parquet"))} (FORMAT parquet, COMPRESSION snappy)`);
  });
  renameSync(building, folder);
  return true;
}

/** The held-back events with numbers above `after`, numbered from 1 in order of time; the same at every call. */
export async function* heldBackRows(
  sample: SampleOptions,
  after: number,
): AsyncIterable<{ row: number; event: Event }> {
  const source = sourceFor(sample.source);
  const names = source.ownColumns.map(({ name }) => identifier(name));
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  try {
    const times = source.ownColumns.map(({ name, type }) =>
      type === "datetime" ? `epoch_ms(${identifier(name)}) AS ${identifier(name)}` : identifier(name),
    );
    const result = await duck.stream(
      `SELECT ${times.join(", ")} FROM (${sampleSql(sample, source)}) WHERE ${heldBack(sample, source, ">=")}
       ORDER BY ${[identifier(source.time.name), ...names].join(", ")} OFFSET ${after}`,
    );
    let row = after;
    for await (const rows of result.yieldRows())
      for (const cells of rows) yield { row: ++row, event: eventOf(source.ownColumns, cells) };
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}

function eventOf(columns: readonly Column[], cells: readonly unknown[]): Event {
  const value = (cell: unknown): Value => (typeof cell === "bigint" ? Number(cell) : (cell as Value));
  return Object.fromEntries(columns.map(({ property }, i) => [property, value(cells[i])]));
}

/** The sample's file with the source's columns, by their names in the lake. */
function sampleSql(sample: SampleOptions, source: Source): string {
  const columns = source.ownColumns.map(({ property, name, type }) => {
    const expression = sample.columns?.[property] ?? identifier(name);
    return `CAST(${expression} AS ${duckTypes[type]}) AS ${identifier(name)}`;
  });
  return `SELECT ${columns.join(", ")} FROM ${fileSql(sample.file)}`;
}

function fileSql(sampleFile: string, csvOption?: string): string {
  const file = resolveFile(sampleFile);
  if (!file.endsWith(".csv")) return `read_parquet(${stringLiteral(file)})`;
  return `read_csv(${[stringLiteral(file), csvOption].filter(Boolean).join(", ")})`;
}

function heldBack(sample: SampleOptions, source: Source, side: "<" | ">="): string {
  if (sample.replayFrom === undefined) return side === "<" ? "TRUE" : "FALSE";
  return `${identifier(source.time.name)} ${side} ${timestampLiteral(Date.parse(sample.replayFrom))}`;
}

/** An absolute path, or `package/path` of an installed npm package. */
function resolveFile(file: string): string {
  if (isAbsolute(file)) return file;
  const [name, ...path] = file.split("/");
  const folders = createRequire(import.meta.url).resolve.paths(name!) ?? [];
  const found = folders
    .map((folder) => join(folder, name!, ...path))
    .find((candidate) => existsSync(candidate));
  if (found === undefined)
    throw new SluiceError(
      "DECLARATION",
      `A sample's file is an absolute path or a file of an installed package. There is no "${file}".`,
    );
  return found;
}

/** A DuckDB of its own for as long as the work takes. */
export async function withDuckDb<T>(work: (duck: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  try {
    return await work(duck);
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}
