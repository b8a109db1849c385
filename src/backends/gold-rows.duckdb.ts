/** Gold rows in DuckDB: the table they are read into, how keys and periods are named in SQL, and cells as values of the model. */
import { DuckDBBlobValue } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import {
  componentType,
  type GoldColumns,
  type GoldKeyColumn,
  goldKeyColumns,
  sourceRollup,
} from "../model/gold.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Value } from "../model/values.ts";

/**
 * Gold as it is assembled from: `r` the position of the rollup, `b` the bucket, `d0…` the product's dimensions and
 * `v0…` its components. As a table it is read once, for all rollups and grains; as a view each of them reads the files.
 */
export function rowsSql(
  kind: "TABLE" | "VIEW",
  product: Product,
  columns: GoldColumns,
  files: string,
): string {
  const rollups = product.rollups.map(({ name: rollup }, i) => `WHEN ${text(rollup)} THEN ${i}`);
  const carried = new Set(product.rollups.flatMap((rollup) => rollup.dimensions));
  const dimensions = product.dimensions.map(({ property, type }, i) =>
    // what no rollup carries may have been declared after the gold was written
    carried.has(property) ? `${keySql({ name: columns.dimensions[i]!, type })} AS d${i}` : `NULL AS d${i}`,
  );
  const components = product.components.map((component, i) => {
    const value = name(columns.components[i]!);
    // a real NaN must not pass for the null that NaN stands for further on: it is refused as an infinity is
    const isNaN = componentType(product.source, component) === "float";
    return `${isNaN ? `CASE WHEN isnan(${value}) THEN CAST('Infinity' AS DOUBLE) ELSE ${value} END` : value} AS v${i}`;
  });
  return `CREATE ${kind} gold_rows AS SELECT CAST(CASE ${name(columns.rollup)} ${rollups.join(" ")} END AS UTINYINT) AS r,
  CAST(${name(columns.bucket)} AS TIMESTAMP) AS b, ${[...dimensions, ...components].join(", ")}
FROM ${files} WHERE ${name(columns.rollup)} <> ${text(sourceRollup)}`;
}

/** The columns of a rollup's key in the table of rows, in the rollup's order. */
export function keyColumns(product: Product, rollup: Pick<Rollup, "dimensions">): string[] {
  return rollup.dimensions.map(
    (dimension) => `d${product.dimensions.findIndex(({ property }) => property === dimension)}`,
  );
}

/** What a row of gold says about a key's period: days, months and years have names of 10, 7 and 4 characters. */
export function periodUnit([period]: readonly string[]): "day" | "month" | "year" {
  const units = { 10: "day", 7: "month", 4: "year" } as const;
  return units[period!.length as keyof typeof units];
}

/** The name of the period that starts at `at`, one of `periods`' kind. */
export function periodName(at: number, [period]: readonly string[]): string {
  return new Date(at).toISOString().slice(0, period!.length);
}

/** A key's column as `dimensionValue` reads it. */
export function keySql({ name: column, type }: GoldKeyColumn): string {
  return type === "datetime" ? `epoch_ms(CAST(${name(column)} AS TIMESTAMP))` : name(column);
}

/**
 * What is selected of a key's column, for `keyReader`. Texts are read as bytes: DuckDB's binding takes a U+FEFF at the
 * beginning of a text for a mark of its encoding, and drops it.
 */
export function cellSql({ type }: Pick<GoldKeyColumn, "type">, column: string): string {
  return type === "string" ? `encode(${column})` : column;
}

/** How the cells of a rollup's key are read. */
export function keyReader(
  product: Product,
  rollup: Pick<Rollup, "dimensions">,
): (cells: readonly unknown[]) => Value[] {
  return keyReaderOf(goldKeyColumns(product, rollup).dimensions);
}

export function keyReaderOf(dimensions: readonly GoldKeyColumn[]): (cells: readonly unknown[]) => Value[] {
  return (cells) => dimensions.map((column, i) => dimensionValue(column, cells[i]));
}

/** A cell of DuckDB as a value of the model. Throws `REFRESH` where it is none: the audit refuses such keys before. */
function dimensionValue(column: GoldKeyColumn, cell: unknown): Value {
  if (isDimensionValue(column, cell)) return plainValue(cell);
  throw new SluiceError(
    "REFRESH",
    `A dimension's value is a finite number, an integer at most 2^53. "${column.name}" is ${String(cell)}. Declare it as a String, or clean the lake.`,
  );
}

/** Whether a key can have it: a finite number, an integer at most 2^53. */
export function isDimensionValue({ type }: GoldKeyColumn, cell: unknown): boolean {
  if (cell === null || cell instanceof DuckDBBlobValue || typeof cell === "boolean") return true;
  return type === "float" ? Number.isFinite(Number(cell)) : Number.isSafeInteger(Number(cell));
}

/** A cell as it is shown: what is no value of the model as text. */
export function shownDimension(column: GoldKeyColumn, cell: unknown): Value {
  if (isDimensionValue(column, cell)) return plainValue(cell);
  return typeof cell === "bigint" ? cell.toString() : String(Number(cell));
}

function plainValue(cell: unknown): Value {
  if (cell instanceof DuckDBBlobValue) return Buffer.from(cell.bytes).toString();
  return cell === null || typeof cell === "boolean" ? cell : Number(cell);
}

export function ordinals(count: number): string {
  return Array.from({ length: count }, (_, i) => i + 1).join(", ");
}

export function name(column: string): string {
  return `"${column.replaceAll('"', '""')}"`;
}

export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
