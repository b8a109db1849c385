/** The truth about the demo's flights: plain DuckDB over the original file. Imports nothing of ours. */
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";

const dataset = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/vega-datasets/data/${name}`, import.meta.url));

export interface Oracle {
  /** Rows of a query over the tables `flights`, `airports` and `located` (both joined), integers as numbers, timestamps as ISO text. */
  rows(sql: string): Promise<Record<string, number | string | null>[]>;
  row(sql: string): Promise<Record<string, number | string | null>>;
  close(): void;
}

export async function flightsOracle(): Promise<Oracle> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const duck = await instance.connect();
  await duck.run(`CREATE TABLE flights AS SELECT * FROM read_parquet('${dataset("flights-3m.parquet")}');
    CREATE TABLE airports AS SELECT * FROM read_csv('${dataset("airports.csv")}', all_varchar = true);
    CREATE VIEW located AS SELECT f.*, o.city AS "originCity", o.state AS "originState", d.city AS "destinationCity", d.state AS "destinationState"
      FROM flights f LEFT JOIN airports o ON o.iata = origin LEFT JOIN airports d ON d.iata = destination`);
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
