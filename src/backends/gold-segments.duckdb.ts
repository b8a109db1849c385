/**
 * Segments assembled of gold rows. DuckDB merges and gathers: one row per key and period, its buckets as a list of
 * structs. JavaScript reads those columns as they lie in memory and writes the packed text; there is no object per bucket.
 */
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBListVector,
  type DuckDBStructVector,
} from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import type { Component } from "../model/expression.ts";
import { componentType, goldKeyColumns, spansPartitions } from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import { periodRange, type StoredGrain } from "../model/time.ts";
import type { Value } from "../model/values.ts";
import { cellSql, keyColumns, keyReader, ordinals, periodName, periodUnit } from "./gold-rows.duckdb.ts";
import { boardDimensions } from "../model/leaderboard.ts";
import type { RankedSegment } from "./leaderboards.ts";
import { type Reader, SegmentText, type Shown } from "./segment-text.ts";

/** What is assembled: one rollup and grain over periods of one kind. */
export interface Assembly {
  readonly product: Product;
  readonly rollup: Rollup;
  readonly grain: StoredGrain;
  readonly periods: readonly string[];
}

/** In chunks; where the rollup has leaderboards, those of one `within` and period one after another. */
export async function* packedSegments(
  connection: DuckDBConnection,
  assembly: Assembly,
): AsyncIterable<readonly RankedSegment[]> {
  const pack = packer(assembly);
  const result = await connection.stream(gatheredSql(assembly));
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield pack(chunk);
  }
}

/** One row per key and period: the key's values, the period's start in epoch ms, the list of buckets. */
function gatheredSql(assembly: Assembly): string {
  const { product, rollup, grain, periods } = assembly;
  const keys = keyCells(product, rollup);
  const values = product.components.map((component, i) => `v${i} := ${doubleSql(component, `v${i}`)}`);
  const within = rollup.top && boardDimensions(rollup.dimensions, rollup.top).within;
  const order = within && [...within.map((position) => position + 1), keys.length + 1];
  return `SELECT ${[...keys, `epoch_ms(date_trunc('${periodUnit(periods)}', slot)) AS period`].join(", ")},
  list(struct_pack(i := CAST(${indexSql(grain)} AS UTINYINT), ${values.join(", ")}))
FROM (${slotsSql(assembly)})
GROUP BY ${ordinals(keys.length + 1)}${order === null ? "" : `\nORDER BY ${order.join(", ")}`}`;
}

/** The key's columns as they are read. */
function keyCells(product: Product, rollup: Rollup): string[] {
  const { dimensions } = goldKeyColumns(product, rollup);
  return keyColumns(product, rollup).map((column, i) => cellSql(dimensions[i]!, column));
}

/** One row per key and bucket of the grain: the key's columns, `slot` and the components, merged. */
function slotsSql({ product, rollup, grain, periods }: Assembly): string {
  const keys = keyColumns(product, rollup);
  const rows = `FROM gold_rows WHERE r = ${product.rollups.indexOf(rollup)} AND ${withinSql(periods)}`;
  const components = product.components.map((_, i) => `v${i}`);
  if (isWhole(product, rollup, grain))
    return `SELECT ${[...keys, "b AS slot", ...components].join(", ")} ${rows}`;
  const merged = product.components.map((component, i) => `${mergeSql(component)}(v${i}) AS v${i}`);
  return `SELECT ${[...keys, `date_trunc('${grain}', b) AS slot`, ...merged].join(", ")} ${rows}
  GROUP BY ${ordinals(keys.length + 1)}`;
}

/**
 * A bucket of the rollup's own finest grain within one lake partition is one row of gold. Floats as keys are merged all
 * the same: -0 and 0 may be told apart by whoever wrote them.
 */
function isWhole(product: Product, rollup: Rollup, grain: StoredGrain): boolean {
  const types = new Map(product.dimensions.map(({ property, type }) => [property, type]));
  const hasFloat = rollup.dimensions.some((property) => types.get(property) === "float");
  return grain === rollup.finest && !spansPartitions(product, rollup) && !hasFloat;
}

function withinSql(periods: readonly string[]): string {
  const ranges = periods.map(periodRange).sort((a, b) => a.from - b.from);
  const [from, to] = [ranges[0]!.from, ranges.at(-1)!.to];
  const span = `b >= make_timestamp_ms(${from}) AND b < make_timestamp_ms(${to})`;
  const isContiguous = ranges.every((range, i) => i === 0 || ranges[i - 1]!.to === range.from);
  if (isContiguous) return span;
  return `${span} AND epoch_ms(date_trunc('${periodUnit(periods)}', b)) IN (${ranges.map((range) => range.from).join(", ")})`;
}

/** As `bucketIndex` of the model. */
function indexSql(grain: StoredGrain): string {
  const index = { HOUR: "hour(slot)", DAY: "day(slot) - 1", MONTH: "month(slot) - 1" } as const;
  return index[grain];
}

function mergeSql({ merge }: Component): string {
  return { add: "sum", min: "min", max: "max" }[merge];
}

/** NaN stands for null: a column without nulls is read as the bytes that it is. */
function doubleSql({ merge }: Component, value: string): string {
  const double = `CAST(${value} AS DOUBLE)`;
  return merge === "add" ? double : `coalesce(${double}, CAST('NaN' AS DOUBLE))`;
}

function packer(assembly: Assembly): (chunk: DuckDBDataChunk) => RankedSegment[] {
  const { product, rollup, periods } = assembly;
  const width = rollup.dimensions.length;
  const readKey = keyReader(product, rollup);
  const nameOf = remembering((start: number) => periodName(start, periods));
  const text = new SegmentText();
  const order = new BucketOrder();
  let [key, period]: [Value[], string] = [[], ""];
  const shown: Shown = (column, value) =>
    numberText(assembly, product.components[column - 1]!, value, () => `${JSON.stringify(key)} in ${period}`);
  return (chunk) => {
    const keys = Array.from({ length: width }, (_, i) => chunk.getColumnVector(i));
    const starts = chunk.getColumnVector(width);
    const lists = chunk.getColumnVector(width + 1) as DuckDBListVector;
    const entries = lists.childVector as DuckDBStructVector;
    const columns = Array.from({ length: product.components.length + 1 }, (_, i) => reader(entries, i));
    const indexes = columns[0]!;
    return Array.from({ length: chunk.rowCount }, (_, row): RankedSegment => {
      key = readKey(keys.map((vector) => vector.getItem(row)));
      period = nameOf(Number(starts.getItem(row)));
      order.set(assembly, indexes, lists.getEntryOffset(row), lists.getEntryLength(row));
      return { key, period, packed: text.of(columns, order.positions, shown), buckets: order.buckets };
    });
  };
}

function reader(entries: DuckDBStructVector, position: number): Reader {
  const vector = entries.entryVectorAt(position) as { getItem(item: number): number | null };
  return (item) => vector.getItem(item)!;
}

function remembering<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = compute(key)));
    return value;
  };
}

/** The most buckets of a period: the days of a month. */
const mostBuckets = 31;

/** The positions of a list by their bucket: DuckDB gathers them as they come. One is used for all, anew for each list. */
class BucketOrder {
  readonly positions: number[] = [];
  /** Bit i: there is a bucket i. */
  buckets = 0;
  readonly #at = new Int32Array(mostBuckets);

  /** Throws `REFRESH` when the list holds a bucket twice. */
  set({ product, rollup }: Assembly, indexes: Reader, offset: number, length: number): void {
    this.positions.length = this.buckets = 0;
    this.#at.fill(-1);
    for (let position = offset; position < offset + length; position++)
      this.#at[indexes(position)] = position;
    for (let index = 0; index < mostBuckets; index++) {
      if (this.#at[index]! < 0) continue;
      this.positions.push(this.#at[index]!);
      this.buckets |= 1 << index;
    }
    if (this.positions.length < length)
      throw new SluiceError(
        "REFRESH",
        `Gold holds a bucket of a key once. That of rollup "${rollup.name}" of "${product.name}" holds one twice. Refresh again with --full.`,
      );
  }
}

/** As JSON.stringify writes it. Refuses what a JSON number cannot carry. */
function numberText(
  { product, rollup, grain }: Assembly,
  component: Component,
  value: number,
  where: () => string,
): string {
  if (component.merge !== "add" && Number.isNaN(value)) return "null";
  const isInt = componentType(product.source, component) === "int";
  if (isInt ? Math.abs(value) <= Number.MAX_SAFE_INTEGER : Number.isFinite(value)) return String(value);
  throw new SluiceError(
    "REFRESH",
    `Segments of rollup "${rollup.name}" of "${product.name}" hold finite numbers, and integers up to 2^53. ${component.id} by ${grain} of ${where()} is ${value}, which is ${isInt ? "beyond 2^53" : "not finite"}. Clean the lake, or declare the column as a Float.`,
  );
}
