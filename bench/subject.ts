/** What is refreshed: a declared product without its stream, over its sample, or over that sample repeated in time. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { lakeFolder } from "../bin/cloud.ts";
import { loadProducts } from "../bin/load-products.ts";
import { buildSampleLake, withDuckDb } from "../bin/sample-lake.ts";
import { buildSamples } from "../bin/system.ts";
import type { Product } from "../src/model/product.ts";
import { declaredSamples, type SampleOptions } from "../src/model/sample.ts";
import { sourceFor } from "../src/model/source.ts";
import { dayMs } from "../src/model/time.ts";
import { identifier, stringLiteral } from "../src/sql/fragments.ts";

const productsFolder = new URL("../products", import.meta.url).pathname;

/** A batch alone: no micro-batches that a refresh would wait for. */
export async function subject(): Promise<{ product: Product; sample: SampleOptions }> {
  const [declared] = await loadProducts(productsFolder);
  const product: Product = {
    ...declared!,
    source: { ...declared!.source, stream: null },
    rollups: declared!.rollups.map((rollup) => ({ ...rollup, live: false })),
  };
  const own = declaredSamples().find((each) => sourceFor(each.source) === declared!.source);
  const { replayFrom: _, ...sample } = own!;
  return { product, sample };
}

/** The lake of the sample, `copies` times one after another. */
export async function buildLake(data: string, copies: number): Promise<void> {
  const { product, sample } = await subject();
  mkdirSync(lakeFolder(data), { recursive: true });
  await buildSampleLake(sample, lakeFolder(data));
  await buildSamples([product], lakeFolder(data));
  if (copies === 1) return;
  await withDuckDb(async (duck) => {
    const days = await spannedDays(duck, data, product);
    for (let copy = 1; copy < copies; copy++) await duck.run(shiftedSql(data, product, copy * days, copy));
  });
}

export const lakeFiles = (data: string, { source }: Product): string =>
  join(lakeFolder(data), source.database, source.table, "**", "*.parquet");

async function spannedDays(duck: DuckDBConnection, data: string, product: Product): Promise<number> {
  const time = identifier(product.source.time.name);
  const [row] = (
    await duck.runAndReadAll(
      `SELECT epoch_ms(max(${time}) - min(${time}) + min(${time})) - epoch_ms(min(${time})) FROM read_parquet(${stringLiteral(lakeFiles(data, product))}, hive_partitioning = false)`,
    )
  ).getRows();
  return Math.floor(Number(row![0]) / dayMs) + 1;
}

/** Files of a copy have names of their own, so that copies may share a partition. */
function shiftedSql(data: string, { source }: Product, days: number, copy: number): string {
  const time = identifier(source.time.name);
  const partition = identifier(source.partition.column);
  const format = { DAY: "%Y-%m-%d", MONTH: "%Y-%m", YEAR: "%Y" }[source.partition.grain];
  const files = join(lakeFolder(data), source.database, source.table, "*", "data_*.parquet");
  return `COPY (
    SELECT * REPLACE (CAST(${time} + to_days(${days}) AS TIMESTAMP_MS) AS ${time}), strftime(${time} + to_days(${days}), '${format}') AS ${partition}
    FROM read_parquet(${stringLiteral(files)}, hive_partitioning = false)
  ) TO ${stringLiteral(dirname(dirname(files)))} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (${partition}), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'copy_${copy}_{i}')`;
}
