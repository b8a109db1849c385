/** The truth about the demo's flights: plain DuckDB over the original file. Imports nothing of ours. */
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";

const file = fileURLToPath(
  new URL("../../node_modules/vega-datasets/data/flights-3m.parquet", import.meta.url),
);

export interface Oracle {
  /** Rows of a query over the table `flights`, integers as numbers, timestamps as ISO text. */
  rows(sql: string): Promise<Record<string, number | string | null>[]>;
  row(sql: string): Promise<Record<string, number | string | null>>;
  close(): void;
}

export async function flightsOracle(): Promise<Oracle> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const duck = await instance.connect();
  await duck.run(`CREATE TABLE flights AS SELECT * FROM read_parquet('${file}')`);
  const rows = async (sql: string) => {
    const result = await duck.runAndReadAll(sql);
    return result
      .getRowObjectsJson()
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
  };
  return {
    rows,
    row: async (sql) => (await rows(sql))[0]!,
    close: () => {
      duck.closeSync();
      instance.closeSync();
    },
  };
}

function plain(value: unknown): number | string | null {
  if (typeof value !== "string") return value as number | null;
  if (/^-?\d+$/.test(value)) return Number(value);
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value) ? `${value.replace(" ", "T")}.000Z` : value;
}
