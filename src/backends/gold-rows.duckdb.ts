/** Gold rows in DuckDB: how keys and periods are named in SQL, and cells as values of the model. */
import { SluiceError } from "../model/errors.ts";
import type { GoldKeyColumn } from "../model/gold.ts";
import type { Value } from "../model/values.ts";

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

/** A cell of DuckDB as a value of the model. */
export function dimensionValue({ name: column, type }: GoldKeyColumn, cell: unknown): Value {
  if (cell === null || typeof cell === "string" || typeof cell === "boolean") return cell;
  const number = Number(cell);
  const representable = type === "float" ? Number.isFinite(number) : Number.isSafeInteger(number);
  if (!representable)
    throw new SluiceError(
      "REFRESH",
      `A dimension's value is a finite number, an integer at most 2^53. "${column}" is ${number}. Declare it as a String, or clean the lake.`,
    );
  return number;
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
