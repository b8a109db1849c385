/** Rows in tables of a plain DuckDB: what answers are held against. Imports nothing of `src`. */
import { DuckDBInstance } from "@duckdb/node-api";

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

export interface Truth<Table extends string = string> {
  run(sql: string): Promise<void>;
  add(table: Table, rows: readonly Row[]): Promise<void>;
  /** Integers as numbers, timestamps as ISO text. */
  rows(sql: string): Promise<Record<string, Cell>[]>;
  close(): void;
}

/** Empty tables with columns of these types. */
export async function openTruth<Table extends string>(
  columnTypes: Readonly<Record<Table, string>>,
): Promise<Truth<Table>> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const duck = await instance.connect();
  const run = async (sql: string): Promise<void> => void (await duck.run(sql));
  for (const [table, types] of Object.entries(columnTypes))
    await run(`CREATE TABLE ${table} (${String(types)})`);
  return {
    run,
    add: async (table, rows) => {
      if (rows.length === 0) return;
      const values = rows.map((row) => `(${Object.values(row).map(sqlOf).join(", ")})`);
      await run(`INSERT INTO ${table} VALUES ${values.join(",\n")}`);
    },
    rows: async (sql) => {
      const result = await duck.runAndReadAll(sql);
      const types = result.columnTypes().map(String);
      return result
        .getRowObjects()
        .map((row) =>
          Object.fromEntries(Object.entries(row).map(([name, value], i) => [name, plain(value, types[i]!)])),
        );
    },
    close: () => (duck.closeSync(), instance.closeSync()),
  };
}

const instant = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** A value as an SQL literal; text that is an ISO instant as a timestamp. */
export function sqlOf(value: Cell): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toExponential();
  if (typeof value === "boolean") return String(value);
  return instant.test(value)
    ? `TIMESTAMP '${value.replace("T", " ").replace("Z", "")}'`
    : `'${value.replaceAll("'", "''")}'`;
}

function plain(value: unknown, type: string): Cell {
  if (value !== null && type === "TIMESTAMP")
    return new Date(Number((value as { micros: bigint }).micros / 1_000n)).toISOString();
  return typeof value === "bigint" ? Number(value) : (value as Cell);
}
