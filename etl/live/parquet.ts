/** Rows as Parquet: the events of a source in the schema of its lake table, or the rows of a lookup. */
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Source } from "../../src/model/source.ts";
import type { ColumnType, Event, Value } from "../../src/model/values.ts";

type WriteOptions = Parameters<typeof parquetWriteBuffer>[0];
type SchemaElement = NonNullable<WriteOptions["schema"]>[number];

interface ParquetColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

/** The source's own columns by name, without the partition column. */
export function encodeEvents({ ownColumns }: Source, events: readonly Event[]): Uint8Array {
  return encodeParquet(ownColumns, events, (event, column) => event[ownColumns[column]!.property] ?? null);
}

export function encodeParquet<Row>(
  columns: readonly ParquetColumn[],
  rows: readonly Row[],
  cell: (row: Row, column: number) => Value,
): Uint8Array {
  const root: SchemaElement = { name: "root", num_children: columns.length };
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [root, ...columns.map(schemaElement)],
      columnData: columns.map((column, i) => ({
        name: column.name,
        data: rows.map((row) => stored(column, cell(row, i))),
      })),
    }),
  );
}

const types = {
  int: { type: "INT64" },
  float: { type: "DOUBLE" },
  boolean: { type: "BOOLEAN" },
  string: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  // a timestamp without time zone, as Athena's TIMESTAMP
  datetime: { type: "INT64", logical_type: { type: "TIMESTAMP", isAdjustedToUTC: false, unit: "MICROS" } },
} as const satisfies Record<ColumnType, Omit<SchemaElement, "name">>;

function schemaElement({ name, type, nullable }: ParquetColumn): SchemaElement {
  return { name, ...types[type], repetition_type: nullable ? "OPTIONAL" : "REQUIRED" };
}

function stored({ type }: ParquetColumn, value: Value): Value | bigint {
  if (value === null) return null;
  if (type === "int") return BigInt(value);
  return type === "datetime" ? BigInt(value) * 1_000n : value;
}
