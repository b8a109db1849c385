/** Sample data for development: how the embedded lake and stream of a source are filled from a file. */
import type { Class } from "./source.ts";

export interface SampleOptions {
  readonly source: Class;
  /** A Parquet or CSV file: an absolute path, or `package/path` of an installed npm package. */
  readonly file: string;
  /** DuckDB expressions over the file's columns, by property; the default is the column's own name. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Events from this instant on (ISO 8601) are not in the lake but replayed into the source's stream. */
  readonly replayFrom?: string;
}

export interface SampleTableOptions {
  /** A dimension table of a lookup, "database.table". */
  readonly table: string;
  /** A Parquet or CSV file: an absolute path, or `package/path` of an installed npm package. */
  readonly file: string;
}

const samples: SampleOptions[] = [];
const tables: SampleTableOptions[] = [];

/** Declares sample data for a source. `sluice start` builds the lake of it. */
export function sampleData(options: SampleOptions): void {
  samples.push(Object.freeze(options));
}

/** Declares sample data for a dimension table that sources look up. `sluice start` builds it in the lake. */
export function sampleTable(options: SampleTableOptions): void {
  tables.push(Object.freeze(options));
}

export function declaredTables(): readonly SampleTableOptions[] {
  return tables;
}

/** Every sample whose file was loaded, in order of declaration. */
export function declaredSamples(): readonly SampleOptions[] {
  return samples;
}
