/** What the audit holds against the source: that gold has its columns, and what each rollup totals. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { SluiceError } from "../model/errors.ts";
import { componentType, goldColumns, goldKeyColumns } from "../model/gold.ts";
import type { Product } from "../model/product.ts";
import type { ColumnType } from "../model/values.ts";
import { name } from "./gold-rows.duckdb.ts";
import type { GoldTotal } from "./gold.ts";

/** The types of DuckDB that a column of the model may have in gold. */
const duckTypes = {
  int: /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$/,
  float: /^(FLOAT|DOUBLE)$/,
  string: /^VARCHAR$/,
  boolean: /^BOOLEAN$/,
  datetime: /^TIMESTAMP/,
} as const satisfies Record<ColumnType, RegExp>;

/** Rejects `REFRESH` when a column that is read is missing or of another type. */
export async function checkColumns(
  connection: DuckDBConnection,
  product: Product,
  table: string,
): Promise<void> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${table}`);
  const types = new Map(
    described.getRows().map(([column, type]) => [String(column).toLowerCase(), String(type)]),
  );
  for (const { column, type } of columnsRead(product)) {
    const found = types.get(column.toLowerCase());
    if (found === undefined) throw incompatible(product, `has no column "${column}"`);
    if (duckTypes[type].test(found)) continue;
    // a column of nulls may be written as any type
    const result = await connection.runAndReadAll(`SELECT count(${name(column)}) FROM ${table}`);
    const [values] = result.getRows()[0]!;
    if (Number(values) > 0) throw incompatible(product, `has "${column}" as ${found}, not as ${type}`);
  }
}

function columnsRead(product: Product): { column: string; type: ColumnType }[] {
  const columns = goldColumns(product);
  const keys = product.rollups.flatMap((rollup) => goldKeyColumns(product, rollup).dimensions);
  return [
    { column: columns.rollup, type: "string" },
    { column: columns.bucket, type: "datetime" },
    ...keys.map((key) => ({ column: key.name, type: key.type })),
    ...product.components.map((component, i) => ({
      column: columns.components[i]!,
      type: componentType(product.source, component),
    })),
  ];
}

function incompatible(product: Product, what: string): SluiceError {
  return new SluiceError(
    "REFRESH",
    `Gold has the columns of the product's dimensions and measures. That of "${product.name}" ${what}. Nothing was published. Refresh with --full; if it stays, the warehouse wrote something else than its UNLOAD says.`,
  );
}

/** Per object and rollup. The buckets of the row that counts the source are null. */
export async function readTotals(
  connection: DuckDBConnection,
  product: Product,
  table: string,
  files: readonly { readonly object: string; readonly file: string }[],
): Promise<GoldTotal[]> {
  const columns = goldColumns(product);
  const { components } = product;
  const bucket = `epoch_ms(CAST(${name(columns.bucket)} AS TIMESTAMP))`;
  const merged = { add: "sum", min: "min", max: "max" } as const;
  const totals = components.map(({ merge }, i) => `${merged[merge]}(${name(columns.components[i]!)})`);
  const magnitudes = components.map((component, i) =>
    component.merge === "add" && componentType(product.source, component) === "float"
      ? `coalesce(sum(abs(${name(columns.components[i]!)})), 0)`
      : "0",
  );
  const result = await connection.runAndReadAll(
    `SELECT "gold file", ${name(columns.rollup)}, min(${bucket}), max(${bucket}), ${[...totals, ...magnitudes].join(", ")}
FROM ${table} GROUP BY 1, 2`,
  );
  const objects = new Map(files.map(({ object, file }) => [file, object]));
  const types = components.map((component) => componentType(product.source, component));
  return result.getRows().map(([file, rollup, first, last, ...cells]) => ({
    object: objects.get(String(file))!,
    rollup: String(rollup),
    values: types.map((type, i) => total(cells[i], type)),
    magnitudes: cells.slice(types.length).map(Number),
    first: first === null ? null : Number(first),
    last: last === null ? null : Number(last),
  }));
}

function total(cell: unknown, type: "int" | "float"): bigint | number | null {
  if (cell === null) return null;
  return type === "int" ? BigInt(cell as bigint | number) : Number(cell);
}
