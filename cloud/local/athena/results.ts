/** Results as files: CSV with every value in quotes (a NULL has none) for queries, lines of text for definitions. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { QueryPlan } from "./query-plan.ts";
import { valueText } from "./values.ts";

export type Row = readonly (string | null)[];

/** Runs a query into a CSV file, its header first; the file appears when it is whole. Resolves to the number of rows. */
export async function writeResult(
  connection: DuckDBConnection,
  plan: QueryPlan,
  names: readonly string[],
  path: { final: string; aside: string },
): Promise<number> {
  await mkdir(dirname(path.final), { recursive: true });
  const file = createWriteStream(path.aside);
  const done = finished(file);
  done.catch(() => undefined); // reported where it is awaited
  let rows = 0;
  try {
    file.write(csvLine(names));
    const result = await connection.stream(withBytes(plan));
    for (
      let chunk = await result.fetchChunk();
      chunk && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const lines = chunk
        .getRows()
        .map((row) => csvLine(plan.columns.map(({ type }, at) => valueText(row[at] ?? null, type))));
      rows += lines.length;
      if (!file.write(lines.join(""))) await Promise.race([once(file, "drain"), done]);
    }
  } finally {
    file.end();
  }
  await done;
  await rename(path.aside, path.final);
  return rows;
}

/** Texts as bytes: DuckDB's binding takes a U+FEFF at the beginning of a text for a mark of its encoding. */
function withBytes({ sql, columns }: QueryPlan): string {
  const cells = columns.map(({ type }, at) => (type.kind === "varchar" ? `encode(c${at})` : `c${at}`));
  return `SELECT ${cells.join(", ")} FROM (${sql})`;
}

/** One row of CSV. */
export function csvLine(row: Row): string {
  return `${row.map((value) => (value === null ? "" : `"${value.replaceAll('"', '""')}"`)).join(",")}\n`;
}

/** A part of a result and where the next part begins; undefined at the end. */
export interface Page {
  readonly rows: readonly Row[];
  readonly next: number | undefined;
}

const readAhead = 256 * 1024; // bytes

/** Reads up to `limit` rows of a result file from an offset in bytes. */
export async function readPage(path: string, offset: number, limit: number, lines: boolean): Promise<Page> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    for (let bytes = readAhead; ; bytes *= 2) {
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(Math.min(bytes, Math.max(0, size - offset))),
        0,
        undefined,
        offset,
      );
      const parsed = (lines ? parseLines : parseCsv)(buffer.subarray(0, bytesRead), limit);
      const atEnd = offset + bytesRead >= size;
      if (parsed.rows.length < limit && !atEnd) continue;
      const next = offset + parsed.consumed;
      return { rows: parsed.rows, next: next < size ? next : undefined };
    }
  } finally {
    await file.close();
  }
}

interface Parsed {
  readonly rows: Row[];
  readonly consumed: number;
}

function parseLines(bytes: Buffer, limit: number): Parsed {
  const rows: Row[] = [];
  let consumed = 0;
  for (let end = bytes.indexOf("\n"); end >= 0 && rows.length < limit; end = bytes.indexOf("\n", consumed)) {
    rows.push([bytes.subarray(consumed, end).toString()]);
    consumed = end + 1;
  }
  return { rows, consumed };
}

const [quoteByte, commaByte, newlineByte] = [0x22, 0x2c, 0x0a];

/** Whole rows only: what follows the last line break outside of quotes is left. */
function parseCsv(bytes: Buffer, limit: number): Parsed {
  const rows: Row[] = [];
  let row: (string | null)[] = [];
  let [consumed, start, quoted] = [0, 0, false];
  for (let at = 0; at < bytes.length && rows.length < limit; at += 1) {
    const byte = bytes[at];
    if (byte === quoteByte) quoted = !quoted;
    if (quoted || (byte !== commaByte && byte !== newlineByte)) continue;
    row.push(field(bytes.subarray(start, at).toString()));
    start = at + 1;
    if (byte === commaByte) continue;
    rows.push(row);
    row = [];
    consumed = start;
  }
  return { rows, consumed };
}

function field(written: string): string | null {
  return written === "" ? null : written.slice(1, -1).replaceAll('""', '"');
}
