/**
 * UNLOAD and CREATE TABLE AS: the rows of a query as Parquet files below a location.
 *
 * Delivery guarantee: files are written aside and appear by renaming, each as a whole, after all were written; a
 * statement that fails before that leaves nothing.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { StatementFailed, unsupported } from "./failure.ts";
import { dataFiles, partitionFolder, pathOf } from "./files.ts";
import type { QueryPlan } from "./query-plan.ts";
import { quote, text } from "./scope.ts";
import type { Token, TokenReader } from "./tokens.ts";
import type { Type } from "./types.ts";

export interface UnloadTarget {
  readonly location: string;
  readonly partitionedBy: readonly string[];
  readonly compression: string;
}

const maxOpenPartitions = 100; // per statement, Athena's limit
const compressions = ["SNAPPY", "ZSTD", "GZIP", "NONE", "LZ4"];

/** Options as `WITH (name = 'value', partitioned_by = ARRAY['a', 'b'])`. */
export function withOptions(reader: TokenReader): Map<string, readonly string[]> {
  const options = new Map<string, readonly string[]>();
  reader.expectSymbol("(");
  do {
    const name = reader.expectName();
    reader.expectSymbol("=");
    options.set(name, optionValues(reader));
  } while (reader.takeSymbol(","));
  reader.expectSymbol(")");
  return options;
}

function optionValues(reader: TokenReader): string[] {
  if (reader.peek()?.kind === "number") return [reader.next().text];
  if (!reader.takeWords("array")) return [reader.expectString()];
  const values: string[] = [];
  reader.expectSymbol("[");
  do values.push(reader.expectString().toLowerCase());
  while (reader.takeSymbol(","));
  reader.expectSymbol("]");
  return values;
}

/** What the options say about the files. Throws `StatementFailed` for other formats and unknown options. */
export function unloadTarget(
  location: string,
  options: ReadonlyMap<string, readonly string[]>,
): UnloadTarget {
  const known = [
    "format",
    "partitioned_by",
    "compression",
    "write_compression",
    "parquet_compression",
    "compression_level",
    "external_location",
  ];
  const stranger = [...options.keys()].find((name) => !known.includes(name));
  if (stranger !== undefined) throw unsupported(`the option ${stranger}`, `Known: ${known.join(", ")}`);
  const format = options.get("format")?.[0]?.toUpperCase() ?? "";
  if (format !== "PARQUET")
    throw unsupported(`the format ${format || "that is the default"}`, "Write format = 'PARQUET'");
  const named =
    options.get("compression") ?? options.get("write_compression") ?? options.get("parquet_compression");
  const compression = (named?.[0] ?? "GZIP").toUpperCase();
  if (!compressions.includes(compression))
    throw unsupported(`the compression ${compression}`, `Known: ${compressions.join(", ")}`);
  return { location, partitionedBy: options.get("partitioned_by") ?? [], compression };
}

/** Fails where the location holds files already, as Athena does. */
export async function requireEmpty(s3Folder: string, location: string): Promise<void> {
  const entries = await readdir(pathOf(s3Folder, location), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  if (!entries.some((entry) => entry.isFile())) return;
  throw new StatementFailed(
    `HIVE_PATH_ALREADY_EXISTS: Target directory already exists and is not empty: ${location}`,
  );
}

export interface Unloaded {
  readonly rows: number;
  /** As `s3://…`. */
  readonly files: readonly string[];
}

export async function unload(
  connection: DuckDBConnection,
  plan: QueryPlan,
  target: UnloadTarget,
  folders: { s3: string; staging: string },
): Promise<Unloaded> {
  const names = columnNames(plan, target.partitionedBy);
  const staging = join(folders.staging, randomUUID());
  await mkdir(staging, { recursive: true });
  try {
    const result = await connection.runAndReadAll(copySql(plan, names, target, staging));
    const rows = Number(result.value(0, 0));
    const files = rows === 0 ? [] : await publish(staging, target, folders.s3);
    return { rows, files };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** The names of the columns. Throws where one is missing or the partition columns are not the last. */
export function columnNames(plan: QueryPlan, partitionedBy: readonly string[]): string[] {
  const names = plan.columns.map(({ name, type }, index) => {
    if (name === undefined)
      throw new StatementFailed(`MISSING_COLUMN_NAME: Column name not specified at position ${index + 1}`);
    if (type.kind === "unknown")
      throw new StatementFailed(`COLUMN_TYPE_UNKNOWN: Column type is unknown: ${name}. Cast it`);
    return name.toLowerCase();
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new StatementFailed(`DUPLICATE_COLUMN_NAME: Column name '${twice}' specified more than once`);
  const last = names.slice(names.length - partitionedBy.length);
  if (names.length > partitionedBy.length && partitionedBy.every((name, index) => name === last[index]))
    return names;
  throw new StatementFailed(
    `HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same order as the table properties: [${partitionedBy.join(", ")}], got columns [${names.join(", ")}]`,
  );
}

function copySql(plan: QueryPlan, names: readonly string[], target: UnloadTarget, staging: string): string {
  const columns = plan.columns
    .map(({ type }, index) => `${storedColumn(type, index)} AS ${quote(names[index] ?? "")}`)
    .join(", ");
  const compression = target.compression === "NONE" ? "UNCOMPRESSED" : target.compression;
  const query = `COPY (SELECT ${columns} FROM (${plan.sql}) AS unloaded) TO`;
  if (target.partitionedBy.length === 0) {
    return `${query} ${text(join(staging, `${randomUUID()}.parquet`))} (FORMAT parquet, COMPRESSION ${compression})`;
  }
  const by = target.partitionedBy.map(quote).join(", ");
  return `${query} ${text(staging)} (FORMAT parquet, COMPRESSION ${compression}, PARTITION_BY (${by}), FILENAME_PATTERN '{uuid}')`;
}

// in Athena's milliseconds, not in DuckDB's microseconds
function storedColumn(type: Type, index: number): string {
  return type.kind.startsWith("timestamp") ? `CAST("c${index}" AS TIMESTAMP_MS)` : `"c${index}"`;
}

async function publish(staging: string, target: UnloadTarget, s3Folder: string): Promise<string[]> {
  const files = (await dataFiles(staging)).map((file) => relative(staging, file.path));
  const partitions = new Set(files.map((file) => dirname(file)));
  if (partitions.size > maxOpenPartitions) {
    throw new StatementFailed(
      `HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of ${maxOpenPartitions} open writers for partitions/buckets`,
    );
  }
  await requireEmpty(s3Folder, target.location);
  const root = pathOf(s3Folder, target.location);
  const keys = files.map(hivePath);
  for (const [index, file] of files.entries()) {
    const path = join(root, keys[index] ?? file);
    await mkdir(dirname(path), { recursive: true });
    await rename(join(staging, file), path);
  }
  return keys.map((key) => `${target.location.replace(/\/?$/, "/")}${key}`);
}

/** DuckDB escapes more in the names of partition folders than Hive does. */
function hivePath(file: string): string {
  return file
    .split("/")
    .map((level) => {
      const equals = level.indexOf("=");
      if (equals < 0) return level;
      return partitionFolder(
        decodeURIComponent(level.slice(0, equals)),
        decodeURIComponent(level.slice(equals + 1)),
      );
    })
    .join("/");
}

/** The query of `UNLOAD (query) TO 's3://…' WITH (…)` and its target. */
export function parseUnload(reader: TokenReader): { query: readonly Token[]; target: UnloadTarget } {
  reader.expectWords("unload");
  const query = reader.takeBracketed();
  reader.expectWords("to");
  const location = reader.expectString();
  const options = reader.takeWords("with") ? withOptions(reader) : new Map<string, readonly string[]>();
  reader.expectEnd();
  return { query, target: unloadTarget(location, options) };
}
