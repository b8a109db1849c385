/** What the footers of Parquet files say: columns, their types and compressed sizes. Each file version is read once. */
import type { Planner } from "./engine.ts";
import type { DataFile } from "./files.ts";
import { quote, text } from "./scope.ts";

export interface ParquetColumn {
  /** DuckDB's type; `NESTED` for lists and structs. */
  readonly type: string;
  /** Whether there are timestamps with more than milliseconds; "maybe" until `read` was asked for the column. */
  readonly fine: "yes" | "no" | "maybe";
  readonly compressedBytes: number;
}

/** Columns by their lower-cased names. */
export type Footer = ReadonlyMap<string, ParquetColumn>;

export interface Footers {
  /** One footer per file, in order; `columns` are those that will be read. Paths must be readable by DuckDB. */
  read(files: readonly LinkedFile[], columns: ReadonlySet<string>): Promise<Footer[]>;
}

export type LinkedFile = DataFile & { readonly link: string };

type MutableFooter = Map<string, ParquetColumn>;

const maxCached = 50_000; // files

export function createFooters(planner: Planner): Footers {
  const cache = new Map<string, MutableFooter>();
  const cached = ({ path, bytes, modifiedMs }: DataFile): string => `${path}\n${bytes}\n${modifiedMs}`;
  return {
    async read(files, columns) {
      const missing = files.filter((file) => !cache.has(cached(file)));
      const read = await readFooters(
        planner,
        missing.map(({ link }) => link),
      );
      for (const file of missing) cache.set(cached(file), read.get(file.link) ?? new Map());
      const footers = new Map(
        files.map((file) => [file.link, cache.get(cached(file)) ?? (new Map() as MutableFooter)]),
      );
      await refine(planner, footers, columns);
      for (const key of cache.keys()) {
        if (cache.size <= maxCached) break;
        cache.delete(key);
      }
      return [...footers.values()];
    },
  };
}

async function readFooters(planner: Planner, links: readonly string[]): Promise<Map<string, MutableFooter>> {
  if (links.length === 0) return new Map();
  const list = `[${links.map(text).join(", ")}]`;
  const schema = await planner.rows(
    `SELECT file_name, name, coalesce(num_children, 0)::INTEGER, coalesce(duckdb_type, 'NESTED'),
            coalesce(converted_type, '') || coalesce(logical_type, '') FROM parquet_schema(${list})`,
  );
  const sizes = await planner.rows(
    `SELECT file_name, path_in_schema, sum(total_compressed_size)::DOUBLE FROM parquet_metadata(${list}) GROUP BY ALL`,
  );
  const bytes = new Map<string, number>();
  for (const [file, path, size] of sizes) {
    // a nested column has one entry per leaf
    const key = `${String(file)}\n${topLevel(String(path))}`;
    bytes.set(key, (bytes.get(key) ?? 0) + Number(size));
  }
  return footersOf(
    schema.map((row) => row.map(String)),
    bytes,
  );
}

/**
 * Files in microseconds mostly hold whole milliseconds. Looking once per file spares every later query the rounding,
 * which would also hide the column from the statistics of the file.
 */
async function refine(
  planner: Planner,
  footers: ReadonlyMap<string, MutableFooter>,
  columns: ReadonlySet<string>,
): Promise<void> {
  for (const name of columns) {
    const unsure = [...footers]
      .filter(([, footer]) => footer.get(name)?.fine === "maybe")
      .map(([link]) => link);
    if (unsure.length === 0) continue;
    const inspected = await planner.rows(
      // nanoseconds end in the year 2262
      `SELECT filename, coalesce(bool_or(epoch_us(${quote(name)}) % 1000 <> 0 OR ${finer(name, footers, unsure)}), false)
         FROM read_parquet([${unsure.map(text).join(", ")}], hive_partitioning = false, filename = true) GROUP BY 1`,
    );
    const fine = new Set(inspected.flatMap(([link, isFine]) => (isFine === true ? [String(link)] : [])));
    for (const link of unsure) {
      const column = footers.get(link)?.get(name);
      if (column) footers.get(link)?.set(name, { ...column, fine: fine.has(link) ? "yes" : "no" });
    }
  }
}

/** Whether values hold parts of a microsecond, where the files are in nanoseconds. */
function finer(name: string, footers: ReadonlyMap<string, MutableFooter>, links: readonly string[]): string {
  const isFiner = links.some((link) => footers.get(link)?.get(name)?.type === "TIMESTAMP_NS");
  return isFiner ? `epoch_ns(${quote(name)}) % 1000 <> 0` : "false";
}

function topLevel(path: string): string {
  return path.split(", ")[0] ?? path;
}

function footersOf(
  rows: readonly (readonly string[])[],
  bytes: ReadonlyMap<string, number>,
): Map<string, MutableFooter> {
  const footers = new Map<string, MutableFooter>();
  let nestedLeft = 0; // schema rows that belong to the column before
  for (const [file = "", name = "", children = "0", type = "", details = ""] of rows) {
    const footer = footers.get(file);
    if (!footer) {
      footers.set(file, new Map());
      nestedLeft = 0;
      continue; // the root of the schema
    }
    if (nestedLeft > 0) {
      nestedLeft += Number(children) - 1;
      continue;
    }
    nestedLeft = Number(children);
    const fine =
      type.startsWith("TIMESTAMP") && !/MILLIS=MilliSeconds|TIMESTAMP_MILLIS/.test(details) ? "maybe" : "no";
    footer.set(name.toLowerCase(), { type, fine, compressedBytes: bytes.get(`${file}\n${name}`) ?? 0 });
  }
  return footers;
}
