/** What a statement will scan, before it runs: Athena charges the columns that are read, of the partitions that are. */
import type { LakePartition } from "../model/control.ts";
import type { Column, Source } from "../model/source.ts";
import type { ColumnType } from "../model/values.ts";

/** Bytes of one value in a file, roughly: what a column is of a row. */
const widths: Readonly<Record<ColumnType, number>> = {
  boolean: 1,
  int: 8,
  float: 8,
  datetime: 8,
  string: 16,
};

/** Bytes that a statement over these partitions scans that uses these columns (by property) beside the source's time. */
export function estimateBytes(
  source: Source,
  properties: readonly string[],
  partitions: Iterable<Pick<LakePartition, "rows" | "bytes">>,
): number {
  const read = widthOf(readColumns(source, properties));
  const share = read / widthOf(source.ownColumns);
  let bytes = 0;
  for (const partition of partitions)
    bytes += partition.bytes === undefined ? partition.rows * read : partition.bytes * share;
  return Math.ceil(bytes);
}

/** Own columns only: for what is looked up, those that it is looked up by. */
function readColumns(
  { ownColumns, lookups, time }: Source,
  properties: readonly string[],
): readonly Column[] {
  const used = new Set([time.property, ...properties]);
  for (const { on, take } of lookups)
    if (take.some(({ column }) => used.has(column.property)))
      for (const { property } of on) used.add(property);
  return ownColumns.filter(({ property }) => used.has(property));
}

function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, { type }) => sum + widths[type], 0);
}
