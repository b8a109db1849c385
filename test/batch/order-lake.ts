/** A lake of orders, and what is right about it: plain DuckDB over the same files, knowing nothing of src/. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";

/**
 * Writes `count` orders of one day as a Parquet file, seconds apart, the first and the last millisecond of the day and
 * the edge of an hour among them.
 */
export async function writeOrders(
  duck: DuckDBConnection,
  folder: string,
  day: string,
  count: number,
  seed = 0,
): Promise<string> {
  const partition = path.join(folder, `c1=${day}`);
  await mkdir(partition, { recursive: true });
  const file = path.join(partition, `orders-${seed}.parquet`);
  const random = (column: number) => `CAST(hash(i, ${column}, ${seed}) % 1000003 AS BIGINT)`;
  await duck.run(`COPY (
    SELECT
      CASE i WHEN 0 THEN TIMESTAMP '${day} 00:00:00'
             WHEN 1 THEN TIMESTAMP '${day} 23:59:59.999'
             WHEN 2 THEN TIMESTAMP '${day} 07:00:00'
             ELSE TIMESTAMP '${day} 00:00:00' + to_seconds(${random(1)} % 86400) END AS "Ordered At",
      [NULL, 'DE', 'FR', 'a "quoted" #land', 'null', ''][1 + ${random(2)} % 6] AS "Country ""$""",
      ${random(3)} % 3 = 0 AS express,
      CASE ${random(4)} % 4 WHEN 0 THEN NULL ELSE ${random(4)} % 4 - 2 END AS bucket,
      CASE ${random(5)} % 5 WHEN 0 THEN NULL ELSE ${random(5)} % 100 - 20 END AS quantity,
      CASE ${random(6)} % 7 WHEN 0 THEN NULL ELSE ${random(6)} % 100000 / 7 - 100 END AS "Cost Total $",
      CAST(NULL AS VARCHAR) AS unused
    FROM range(${count}) AS t(i)
  ) TO '${file}' (FORMAT parquet)`);
  return file;
}

export async function removeDay(folder: string, day: string): Promise<void> {
  await rm(path.join(folder, `c1=${day}`), { recursive: true });
}

/** Rollup -> the columns of its dimensions, and its grains. */
export const rollups = {
  total: { columns: [], grains: ["HOUR", "DAY", "MONTH"] },
  country: { columns: ['"Country ""$"""'], grains: ["HOUR", "DAY"] },
  "country+express": { columns: ['"Country ""$"""', "express"], grains: ["DAY", "MONTH"] },
  bucket: { columns: ["bucket"], grains: ["MONTH"] },
} as const;

/** Bucket -> values: `country DAY ["DE"] 2024-02-29T00:00:00.000Z` -> orders, express, items, revenue, … */
export type Numbers = Map<string, (number | null)[]>;

/** All buckets that end at or before `until`, over the files of the given folders. */
export async function expectedBuckets(
  duck: DuckDBConnection,
  folders: readonly string[],
  until: string,
): Promise<Numbers> {
  const numbers: Numbers = new Map();
  const files = folders.map((folder) => `'${folder}/**/*.parquet'`).join(", ");
  for (const [rollup, { columns, grains }] of Object.entries(rollups))
    for (const grain of grains) {
      const keys = columns.map((column) => `${column}, `).join("");
      const result = await duck.runAndReadAll(`
        SELECT ${keys} epoch_ms(date_trunc('${grain}', "Ordered At")), count(*), count(CASE WHEN express THEN 1 END),
          coalesce(sum(quantity), 0), coalesce(sum("Cost Total $"), 0), min("Cost Total $"), max(quantity), count(quantity)
        FROM read_parquet([${files}], hive_partitioning = false) WHERE "Ordered At" < TIMESTAMP '${until}'
        GROUP BY ALL HAVING date_trunc('${grain}', any_value("Ordered At")) + INTERVAL 1 ${grain} <= TIMESTAMP '${until}'`);
      for (const row of result.getRows()) {
        const cells = row.map((cell) => (typeof cell === "bigint" ? Number(cell) : cell));
        const key = JSON.stringify(cells.slice(0, columns.length));
        const at = new Date(Number(cells[columns.length])).toISOString();
        numbers.set(`${rollup} ${grain} ${key} ${at}`, cells.slice(columns.length + 1) as (number | null)[]);
      }
    }
  return numbers;
}
