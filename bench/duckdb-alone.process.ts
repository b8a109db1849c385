/** The aggregates of a product from the same files by DuckDB alone: one GROUP BY per rollup, to Parquet. Argument: the data folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aggregateSql } from "../src/sql/aggregates.ts";
import { columnOf, identifier, stringLiteral } from "../src/sql/fragments.ts";
import { ownCpu } from "./processes.ts";
import { withDuckDb } from "../bin/sample-lake.ts";
import { lakeFiles, subject } from "./subject.ts";

const data = process.argv[2]!;
const { product } = await subject();
const { source } = product;
const files = `read_parquet(${stringLiteral(lakeFiles(data, product))}, hive_partitioning = true)`;
const target = mkdtempSync(join(tmpdir(), "sluice-alone-"));
const statements = product.rollups.map((rollup, i) => {
  const keys = [
    identifier(source.partition.column),
    `date_trunc('${rollup.finest}', ${identifier(source.time.name)})`,
    ...rollup.dimensions.map((dimension) => identifier(columnOf(source, dimension).name)),
  ];
  const values = product.components.map(({ aggregate }) => aggregateSql(source, aggregate));
  const columns = [...keys, ...values].map((column, c) => `${column} AS c${c}`);
  return `COPY (SELECT ${columns.join(", ")} FROM ${files} GROUP BY ${keys.map((_, k) => k + 1).join(", ")}) TO ${stringLiteral(join(target, `${i}.parquet`))} (FORMAT parquet, COMPRESSION snappy)`;
});
const cpu = await withDuckDb(async (duck) => {
  const before = ownCpu();
  for (const statement of statements) await duck.run(statement);
  return ownCpu() - before;
});
rmSync(target, { recursive: true });
process.send?.(cpu);
process.disconnect?.();
