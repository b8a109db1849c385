/** What answers are held against: the measures of the demo in plain SQL, and how numbers are compared. */
import { DuckDBInstance } from "@duckdb/node-api";
import { expect } from "vitest";
import type { Json } from "./client.ts";
import type { Demo } from "./demo.ts";
import type { Oracle } from "./oracle.ts";

/** What the suites share: one demo, and the truth. */
export interface Stage {
  readonly demo: Demo;
  readonly oracle: Oracle;
}

export const heldBackFrom = "2001-06-28T00:00:00Z";
export const wholeFile = `range: {from: "2001-01-01T00:00:00Z", to: "2001-07-02T00:00:00Z"}`;
export const inLake = `range: {from: "2001-01-01T00:00:00Z", to: "${heldBackFrom}"}`;
export const stored = "flights delayMinutes distanceMiles lateFlights maxDelay meanDelay lateShare";
export const storedSql = `count(*) AS flights, coalesce(sum(delay), 0) AS "delayMinutes", coalesce(sum(distance), 0) AS "distanceMiles",
  count(*) FILTER (WHERE delay >= 15) AS "lateFlights", max(delay) AS "maxDelay",
  sum(delay) / count(*) AS "meanDelay", count(*) FILTER (WHERE delay >= 15) / count(*) AS "lateShare"`;

/** Floats are compared to 1e-9 relative, everything else exactly. */
export function expectSame(actual: Json, expected: Record<string, number | string | null>): void {
  for (const [name, value] of Object.entries(expected)) {
    if (typeof value === "number" && !Number.isInteger(value))
      expect(Math.abs(actual[name] - value)).toBeLessThanOrEqual(1e-9 * Math.abs(value));
    else expect({ [name]: actual[name] }).toEqual({ [name]: value });
  }
}

export const between = (from: string, to: string): string =>
  `date >= TIMESTAMP '${from}' AND date < TIMESTAMP '${to}'`;

export function dayRange(first: string, last: string): string[] {
  const days: string[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

/** The compressed bytes of some columns of some partitions, read from the Parquet footers by DuckDB. */
export async function columnBytes(
  lake: string,
  days: readonly string[],
  columns: readonly string[],
): Promise<number> {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  const files = days.map((day) => `'${lake}/aviation/flights/day=${day}/*.parquet'`);
  const names = columns.map((column) => `'${column}'`);
  const result = await duck.runAndReadAll(
    `SELECT sum(total_compressed_size) FROM parquet_metadata([${files.join(", ")}]) WHERE path_in_schema IN (${names.join(", ")})`,
  );
  instance.closeSync();
  return Number(result.getRows()[0]![0]);
}
