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

const samples: SampleOptions[] = [];

/** Declares sample data for a source. `sluice start` builds the lake of it. */
export function sampleData(options: SampleOptions): void {
  samples.push(Object.freeze(options));
}

/** Every sample whose file was loaded, in order of declaration. */
export function declaredSamples(): readonly SampleOptions[] {
  return samples;
}
