/**
 * Assembles segments and leaderboards in an embedded DuckDB over local copies of gold objects.
 *
 * Delivery guarantee: reads only; gold objects are immutable, so opening the same ones again assembles the same segments.
 */
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import { goldColumns, type GoldKeyColumns } from "../model/gold.ts";
import type { DimensionKey } from "../model/layout.ts";
import type { Product, Rollup } from "../model/product.ts";
import { periodRange } from "../model/time.ts";
import { inParallel } from "./batches.ts";
import { GoldCopies } from "./gold-copies.ts";
import { checkColumns, readTotals } from "./gold-audit.duckdb.ts";
import {
  isDimensionValue,
  cellSql,
  keyReaderOf,
  keySql,
  name,
  periodName,
  periodUnit,
  rowsSql,
  text,
} from "./gold-rows.duckdb.ts";
import { type Assembly, packedSegments } from "./gold-segments.duckdb.ts";
import { violations } from "./gold-violations.duckdb.ts";
import type { Assembled, Gold, GoldReader } from "./gold.ts";
import type { Lake, LakeObject } from "./lake.ts";
import { Leaderboards } from "./leaderboards.ts";

export interface DuckDbGoldOptions {
  readonly lake: Lake;
  /** For copies of gold objects and what does not fit in memory. */
  readonly tempFolder: string;
  /** Of copies that are kept for the next one who opens them; 1 GiB by default. */
  readonly maxCopyBytes?: number;
  /**
   * Of Parquet that is read into memory once, where it takes ten times as much; more is read again for each rollup and
   * grain. 48 MiB by default.
   */
  readonly maxTableBytes?: number;
  /** DuckDB's memory_limit, for example "1GB". */
  readonly memory?: string;
  /** One by default: it keeps ahead of what is written, and two take more CPU for the same rows. */
  readonly threads?: number;
}

const parallelListings = 16;

export function duckdbGoldReader(options: DuckDbGoldOptions): GoldReader {
  const { lake, tempFolder, maxCopyBytes: maxBytes = 1024 ** 3 } = options;
  const copies = new GoldCopies({ lake, tempFolder, maxBytes });
  return {
    open: (product, folders) => openGold(options, copies, product, folders),
    close: () => copies.clear(),
  };
}

async function openGold(
  { lake, memory = "512MB", threads = 1, maxTableBytes = 48 * 1024 ** 2 }: DuckDbGoldOptions,
  copies: GoldCopies,
  product: Product,
  folders: readonly string[],
): Promise<Gold> {
  const objects = await objectsBelow(lake, folders);
  const taken = await copies.take(objects);
  const files = objects.map(({ key }, i) => ({ object: key, file: taken[i]! }));
  const bytes = objects.reduce((sum, { size }) => sum + size, 0);
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: memory,
    threads: String(threads),
    temp_directory: path.join(await copies.folder(), "spilled"),
  });
  const connection = await instance.connect();
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  const columns = goldColumns(product);
  const table = rowsOf(files.map(({ file }) => file));
  const rows = once(() =>
    connection.run(rowsSql(bytes > maxTableBytes ? "VIEW" : "TABLE", product, columns, table)),
  );
  const isEmpty = (periods: readonly string[]): boolean => files.length === 0 || periods.length === 0;
  return {
    assemble: (rollup, grain, periods) =>
      isEmpty(periods) ? none() : assemble(instance, rows, { product, rollup, grain, periods }),
    totals: async () => {
      if (files.length === 0) return [];
      await checkColumns(connection, product, table);
      return readTotals(connection, product, table, files);
    },
    violations: async (rules, rollups, until) =>
      files.length === 0 ? [] : violations(connection, product, table, rules, rollups, until),
    keys: (rollup, keyed, periods) =>
      isEmpty(periods) ? none() : keys(instance, table, rollup, keyed, periods),
    close: async () => {
      connection.closeSync();
      instance.closeSync();
      await copies.release(objects);
    },
  };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => (running ??= work());
}

/** Folders that stand together are listed together: an edition writes a hundred beside each other. */
async function objectsBelow(lake: Lake, folders: readonly string[]): Promise<LakeObject[]> {
  const wanted = new Set(folders);
  const objects: LakeObject[] = [];
  await inParallel(new Set(folders.map(parentOf)), parallelListings, async (parent) => {
    for await (const object of lake.list(parent)) if (wanted.has(folderOf(object.key))) objects.push(object);
  });
  return objects.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);
const parentOf = (folder: string): string => folderOf(folder.slice(0, -1));

/** The rows of the files, columns by name: an all-null column may be missing or of another type in one of them. */
function rowsOf(files: readonly string[]): string {
  return `read_parquet([${files.map(text).join(", ")}], union_by_name = true, hive_partitioning = false, filename = 'gold file')`;
}

async function* none(): AsyncIterable<never> {}

/** A board follows when its last segment has come by, the last ones at the end. */
async function* assemble(
  instance: DuckDBInstance,
  rows: () => Promise<unknown>,
  assembly: Assembly,
): AsyncIterable<Assembled> {
  const connection = await instance.connect();
  const { product, rollup } = assembly;
  const boards = rollup.top === null ? null : new Leaderboards(product, rollup, rollup.top);
  try {
    await rows();
    for await (const segments of packedSegments(connection, assembly))
      yield { segments, leaderboards: boards?.add(segments) ?? [] };
    if (boards !== null) yield { segments: [], leaderboards: boards.finish() };
  } catch (error) {
    throw refused(product, rollup, error);
  } finally {
    connection.closeSync();
  }
}

/** The distinct keys of a rollup in periods: those that a segment can have. */
async function* keys(
  instance: DuckDBInstance,
  table: string,
  rollup: string,
  { rollup: rollupColumn, bucket, dimensions }: GoldKeyColumns,
  periods: readonly string[],
): AsyncIterable<{ key: DimensionKey; period: string }> {
  const connection = await instance.connect();
  const period = `epoch_ms(date_trunc('${periodUnit(periods)}', CAST(${name(bucket)} AS TIMESTAMP)))`;
  const starts = periods.map((each) => periodRange(each).from);
  const readKey = keyReaderOf(dimensions);
  try {
    const result = await connection.stream(
      `SELECT DISTINCT ${[...dimensions.map((column) => cellSql(column, keySql(column))), period].join(", ")} FROM ${table}
WHERE ${name(rollupColumn)} = ${text(rollup)} AND ${period} IN (${starts.join(", ")})`,
    );
    for await (const rows of result.yieldRows())
      for (const cells of rows)
        if (dimensions.every((column, i) => isDimensionValue(column, cells[i])))
          yield { key: readKey(cells), period: periodName(Number(cells[dimensions.length]), periods) };
  } finally {
    connection.closeSync();
  }
}

function refused(product: Product, rollup: Rollup, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError(
    "REFRESH",
    `Segments of rollup "${rollup.name}" of "${product.name}" cannot be assembled: ${reason}`,
    { cause: error },
  );
}
