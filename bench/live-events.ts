/** Events of the first declared product that has a stream, as its replay sends them, and the rows that they are looked up in. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadProducts } from "../bin/load-products.ts";
import { buildSampleTable, heldBackRows, withDuckDb } from "../bin/sample-lake.ts";
import { encodeReplayed } from "../etl/live/wire.ts";
import type { LookupTable } from "../src/model/lookup.ts";
import { type LookupRow, validity } from "../src/model/lookup-rows.ts";
import type { Product } from "../src/model/product.ts";
import { declaredSamples, declaredTables, type SampleOptions } from "../src/model/sample.ts";
import { type Source, sourceFor } from "../src/model/source.ts";
import type { Value } from "../src/model/values.ts";
import { identifier, stringLiteral } from "../src/sql/fragments.ts";

export interface LiveSubject {
  readonly source: Source;
  readonly products: readonly Product[];
  readonly sample: SampleOptions;
}

const productsFolder = new URL("../products", import.meta.url).pathname;

export async function liveSubject(): Promise<LiveSubject> {
  const declared = await loadProducts(productsFolder);
  const sample = declaredSamples().find(({ replayFrom }) => replayFrom !== undefined)!;
  const source = sourceFor(sample.source);
  return { source, sample, products: declared.filter((product) => product.source === source) };
}

/** The first `count` events in order of time, each as a replayed one. */
export async function replayedEvents({ source, sample }: LiveSubject, count: number): Promise<Uint8Array[]> {
  const events: Uint8Array[] = [];
  const { latenessMs } = source.stream!;
  for await (const { row, event } of heldBackRows(sample, 0)) {
    const arrival = Number(event[source.time.property]) + latenessMs;
    events.push(encodeReplayed(source, { row, arrival, event }));
    if (events.length === count) break;
  }
  return events;
}

/** A sample table whose rows count at all times. */
export async function sampleRows(table: LookupTable): Promise<LookupRow[]> {
  const name = `${table.database}.${table.name}`;
  const sample = declaredTables().find((each) => each.table === name)!;
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    await buildSampleTable(sample, [table], folder);
    const columns = [...table.keys, ...table.taken].map((column) => identifier(column.name));
    const file = join(folder, table.database, table.name, "rows.parquet");
    const cells = await withDuckDb(async (duck) =>
      (
        await duck.runAndReadAll(`SELECT ${columns.join(", ")} FROM read_parquet(${stringLiteral(file)})`)
      ).getRows(),
    );
    const always = validity(null, null);
    return (cells as Value[][]).map((row) => ({
      key: row.slice(0, table.keys.length),
      ...always,
      taken: row.slice(table.keys.length),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
