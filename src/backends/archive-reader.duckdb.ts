/**
 * Reads archive files in an embedded DuckDB over local copies, which are gone when they are read.
 *
 * Delivery guarantee: reads only; every event of the files once.
 */
import path from "node:path";
import { DuckDBBlobValue, type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import type { Column, Source } from "../model/source.ts";
import type { Event, Value } from "../model/values.ts";
import type { ArchiveReader } from "./archive-reader.ts";
import { GoldCopies } from "./gold-copies.ts";
import { name, text } from "./gold-rows.duckdb.ts";
import type { Lake, LakeObject } from "./lake.ts";

export interface DuckDbArchiveOptions {
  readonly lake: Lake;
  /** For copies of files while they are read. */
  readonly tempFolder: string;
}

export function duckdbArchiveReader({ lake, tempFolder }: DuckDbArchiveOptions): ArchiveReader & {
  close(): Promise<void>;
} {
  const copies = new GoldCopies({ lake, tempFolder, maxBytes: 0 });
  return {
    read: (source, files) => read(copies, source, files),
    close: () => copies.clear(),
  };
}

async function* read(
  copies: GoldCopies,
  source: Source,
  objects: readonly LakeObject[],
): AsyncIterable<readonly Event[]> {
  if (objects.length === 0) return;
  const files = await copies.take(objects);
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    temp_directory: path.join(await copies.folder(), "spilled"),
  });
  const duck = await instance.connect();
  try {
    const rows = `read_parquet([${files.map(text).join(", ")}], union_by_name = true, hive_partitioning = false)`;
    const present = await columnsOf(duck, rows);
    const columns = source.ownColumns.map((column) => columnSql(column, present));
    const result = await duck.stream(`SELECT ${columns.join(", ")} FROM ${rows}`);
    for await (const batch of result.yieldRows()) yield batch.map((cells) => eventOf(source, cells));
  } catch (error) {
    throw refused(source, objects, error);
  } finally {
    duck.closeSync();
    instance.closeSync();
    await copies.release(objects);
  }
}

/** The names of the files' columns, by themselves in lower case: the lake's tables do not tell "Depot" from "depot". */
async function columnsOf(duck: DuckDBConnection, rows: string): Promise<ReadonlyMap<string, string>> {
  const described = await duck.runAndReadAll(`DESCRIBE SELECT * FROM ${rows}`);
  return new Map(described.getRows().map(([column]) => [String(column).toLowerCase(), String(column)]));
}

/** Texts are read as bytes: DuckDB's binding takes a U+FEFF at their beginning for a mark of its encoding. */
const readAs = {
  int: (column: string) => `CAST(${column} AS BIGINT)`,
  float: (column: string) => `CAST(${column} AS DOUBLE)`,
  boolean: (column: string) => `CAST(${column} AS BOOLEAN)`,
  string: (column: string) => `encode(CAST(${column} AS VARCHAR))`,
  datetime: (column: string) => `epoch_ms(CAST(${column} AS TIMESTAMP))`,
} as const satisfies Record<Column["type"], (column: string) => string>;

function columnSql({ name: declared, type }: Column, present: ReadonlyMap<string, string>): string {
  const found = present.get(declared.toLowerCase());
  return found === undefined ? "NULL" : readAs[type](name(found));
}

function eventOf({ ownColumns }: Source, cells: readonly unknown[]): Event {
  return Object.fromEntries(ownColumns.map(({ property }, i) => [property, valueOf(cells[i])]));
}

function valueOf(cell: unknown): Value {
  if (cell instanceof DuckDBBlobValue) return Buffer.from(cell.bytes).toString();
  return typeof cell === "bigint" ? Number(cell) : (cell as Value);
}

function refused(source: Source, objects: readonly LakeObject[], error: unknown): unknown {
  if (error instanceof SluiceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError(
    "BACKEND_UNAVAILABLE",
    `The archive of source "${source.name}" cannot be read (${objects.length} files from ${objects[0]?.key} on): ${reason}`,
    { cause: error },
  );
}
