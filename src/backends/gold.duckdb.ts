/**
 * Assembles segments in an embedded DuckDB over local copies of gold objects: merging and packing happen in SQL,
 * JavaScript receives one finished text per segment.
 *
 * Delivery guarantee: reads only; gold objects are immutable, so opening the same ones again assembles the same segments.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import type { Component } from "../model/expression.ts";
import { componentType, type GoldColumns, goldColumns, sourceRollup } from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Column } from "../model/source.ts";
import { periodOf, periodRange, type StoredGrain } from "../model/time.ts";
import type { Value } from "../model/values.ts";
import { inParallel } from "./batches.ts";
import type { AssembledSegment, Gold, GoldReader, GoldTotal } from "./gold.ts";
import type { Lake } from "./lake.ts";

export interface DuckDbGoldOptions {
  readonly lake: Lake;
  /** For copies of gold objects and what does not fit in memory; emptied by `close`. */
  readonly tempFolder: string;
  /** DuckDB's memory_limit, for example "1GB". */
  readonly memory?: string;
  readonly threads?: number;
}

const parallelDownloads = 16;

export function duckdbGoldReader(options: DuckDbGoldOptions): GoldReader {
  return { open: (product, folders) => openGold(options, product, folders) };
}

async function openGold(
  { lake, tempFolder, memory = "1GB", threads = 2 }: DuckDbGoldOptions,
  product: Product,
  folders: readonly string[],
): Promise<Gold> {
  const objects = await objectsBelow(lake, folders);
  const folder = await mkdtemp(path.join(tempFolder, "sluice-gold-"));
  const files = objects.map((object, i) => ({ object, file: path.join(folder, `${i}.parquet`) }));
  const download = inParallel(files, parallelDownloads, async ({ object, file }) =>
    writeFile(file, await lake.read(object)),
  );
  await download.catch(async (error: unknown) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: memory,
    threads: String(threads),
    temp_directory: folder,
  });
  const connection = await instance.connect();
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  const columns = goldColumns(product);
  const table = rowsOf(files.map(({ file }) => file));
  return {
    segments: (rollup, grain, periods) =>
      files.length === 0 || periods.length === 0
        ? none()
        : segments(
            instance,
            product,
            segmentsSql(product, columns, table, rollup, grain, periods),
            rollup,
            grain,
          ),
    totals: async () => (files.length === 0 ? [] : totals(connection, columns, table, files)),
    close: async () => {
      connection.closeSync();
      instance.closeSync();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function objectsBelow(lake: Lake, folders: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  await inParallel(folders, parallelDownloads, async (prefix) => {
    for await (const { key } of lake.list(prefix)) keys.push(key);
  });
  return keys.sort();
}

/** The rows of the files, columns by name: an all-null column may be missing or of another type in one of them. */
function rowsOf(files: readonly string[]): string {
  return `read_parquet([${files.map(text).join(", ")}], union_by_name = true, hive_partitioning = false, filename = 'gold file')`;
}

async function* none(): AsyncIterable<never> {}

async function* segments(
  instance: DuckDBInstance,
  product: Product,
  sql: string,
  rollup: Rollup,
  grain: StoredGrain,
): AsyncIterable<AssembledSegment> {
  const connection = await instance.connect();
  const keyColumns = rollup.dimensions.map((property) => dimensionOf(product, property).column);
  try {
    const result = await connection.stream(sql);
    for await (const rows of result.yieldRows())
      for (const cells of rows)
        yield {
          key: keyColumns.map((column, i) => dimensionValue(product, column, cells[i])),
          period: periodOf(Number(cells[keyColumns.length]), grain),
          packed: String(cells[keyColumns.length + 1]),
        };
  } catch (error) {
    throw refused(product, rollup, error);
  } finally {
    connection.closeSync();
  }
}

/** One row per key and period: the key's values, the period's start in epoch ms, the packed buckets. */
function segmentsSql(
  product: Product,
  columns: GoldColumns,
  table: string,
  rollup: Rollup,
  grain: StoredGrain,
  periods: readonly string[],
): string {
  const keys = rollup.dimensions.map((property) => keySql(product, columns, property));
  const ranges = periods.map((period) => periodRange(period, grain));
  const bucket = `CAST(${name(columns.bucket)} AS TIMESTAMP)`;
  const components = product.components.map((component, i) => mergedSql(component, columns.components[i]!));
  const inner = [
    ...keys.map((key, i) => `${key} AS k${i}`),
    `date_trunc('${grain}', ${bucket}) AS slot`,
    ...components.map((merged, i) => `${merged} AS v${i}`),
  ];
  // one sorted list of structs per segment: a list per column, each aggregated in order, takes ten times the memory
  const bucketOf = product.components.map((c, i) => `v${i} := ${valueSql(product, c, `v${i}`)}`);
  const buckets = `list_sort(list(struct_pack(${[`i := ${indexSql(grain)}`, ...bucketOf].join(", ")})))`;
  const fields = ["i", ...product.components.map((_, i) => `v${i}`)];
  const lists = fields.map(
    (field) => `'[' || array_to_string(list_transform(b, x -> x.${field}), ',') || ']'`,
  );
  const outer = [
    ...keys.map((_, i) => `k${i}`),
    `epoch_ms(date_trunc('${periodUnits[grain]}', slot)) AS period`,
  ];
  return `SELECT * EXCLUDE (b), '[' || ${lists.join(" || ',' || ")} || ']' AS packed FROM (
SELECT ${outer.join(", ")}, ${buckets} AS b
FROM (SELECT ${inner.join(", ")} FROM ${table}
  WHERE ${name(columns.rollup)} = ${text(rollup.name)}
    AND ${bucket} >= make_timestamp_ms(${Math.min(...ranges.map(({ from }) => from))})
    AND ${bucket} < make_timestamp_ms(${Math.max(...ranges.map(({ to }) => to))})
    AND epoch_ms(date_trunc('${periodUnits[grain]}', ${bucket})) IN (${ranges.map(({ from }) => from).join(", ")})
  GROUP BY ${ordinals(keys.length + 1)})
GROUP BY ${ordinals(keys.length + 1)})`;
}

const periodUnits = { HOUR: "day", DAY: "month", MONTH: "year" } as const satisfies Record<
  StoredGrain,
  string
>;

/** As `bucketIndex` of the model. */
function indexSql(grain: StoredGrain): string {
  const index = { HOUR: "hour(slot)", DAY: "day(slot) - 1", MONTH: "month(slot) - 1" } as const;
  return index[grain];
}

function mergedSql(component: Component, column: string): string {
  const merge = { add: "sum", min: "min", max: "max" } as const;
  return `${merge[component.merge]}(${name(column)})`;
}

const maxSafe = Number.MAX_SAFE_INTEGER;

/** A value as the JSON that JavaScript would write; a whole double as an integer, so -0 as 0. Shortest round-trip text. */
function valueSql(product: Product, component: Component, value: string): string {
  if (componentType(product.source, component) === "int")
    return `CASE WHEN ${value} IS NULL THEN 'null' WHEN ${value} BETWEEN -${maxSafe} AND ${maxSafe} THEN CAST(${value} AS VARCHAR)
      ELSE ${refusal(component, value, "is beyond 2^53")} END`;
  return `CASE WHEN ${value} IS NULL THEN 'null' WHEN NOT isfinite(${value}) THEN ${refusal(component, value, "is not finite")}
      WHEN ${value} = trunc(${value}) AND abs(${value}) <= ${maxSafe} THEN CAST(CAST(${value} AS BIGINT) AS VARCHAR)
      ELSE CAST(${value} AS VARCHAR) END`;
}

function refusal(component: Component, value: string, problem: string): string {
  return `error(${text(`${component.id} `)} || CAST(${value} AS VARCHAR) || ${text(` ${problem}`)})`;
}

function keySql(product: Product, columns: GoldColumns, property: string): string {
  const { column, position } = dimensionOf(product, property);
  const gold = name(columns.dimensions[position]!);
  return column.type === "datetime" ? `epoch_ms(CAST(${gold} AS TIMESTAMP))` : gold;
}

function dimensionOf(
  product: Product,
  property: string,
): { readonly column: Column; readonly position: number } {
  const position = product.dimensions.findIndex((candidate) => candidate.property === property);
  return { column: product.dimensions[position]!, position };
}

/** A cell of DuckDB as a value of the model. */
function dimensionValue(product: Product, column: Column, cell: unknown): Value {
  if (cell === null || typeof cell === "string" || typeof cell === "boolean") return cell;
  const number = Number(cell);
  const representable = column.type === "float" ? Number.isFinite(number) : Number.isSafeInteger(number);
  if (!representable)
    throw new SluiceError(
      "REFRESH",
      `A dimension's value is a finite number, an integer at most 2^53. "${column.property}" of "${product.name}" is ${number}. Declare it as a String, or clean the lake.`,
    );
  return number;
}

/** Per object and rollup. The buckets of the row that counts the source are null. */
async function totals(
  connection: DuckDBConnection,
  columns: GoldColumns,
  table: string,
  files: readonly { readonly object: string; readonly file: string }[],
): Promise<GoldTotal[]> {
  const bucket = `epoch_ms(CAST(${name(columns.bucket)} AS TIMESTAMP))`;
  const result = await connection.runAndReadAll(
    `SELECT "gold file", ${name(columns.rollup)}, sum(${name(columns.components[0]!)}), min(${bucket}), max(${bucket})
FROM ${table} GROUP BY 1, 2`,
  );
  const objects = new Map(files.map(({ object, file }) => [file, object]));
  return result.getRows().map(([file, rollup, events, first, last]) => ({
    object: objects.get(String(file))!,
    rollup: rollup === null ? sourceRollup : String(rollup),
    events: Number(events),
    first: first === null ? null : Number(first),
    last: last === null ? null : Number(last),
  }));
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

function ordinals(count: number): string {
  return Array.from({ length: count }, (_, i) => i + 1).join(", ");
}

function name(column: string): string {
  return `"${column.replaceAll('"', '""')}"`;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
