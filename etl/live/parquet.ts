/** Events as Parquet, in the schema of the source's lake table: its columns by name, without the partition column. */
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Column, Source } from "../../src/model/source.ts";
import type { ColumnType, Event, Value } from "../../src/model/values.ts";

type WriteOptions = Parameters<typeof parquetWriteBuffer>[0];
type SchemaElement = NonNullable<WriteOptions["schema"]>[number];

export function encodeParquet(source: Source, events: readonly Event[]): Uint8Array {
  const root: SchemaElement = { name: "root", num_children: source.columns.length };
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [root, ...source.columns.map(schemaElement)],
      columnData: source.columns.map((column) => ({
        name: column.name,
        data: events.map((event) => stored(column, event[column.property] ?? null)),
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

function schemaElement({ name, type, nullable }: Column): SchemaElement {
  return { name, ...types[type], repetition_type: nullable ? "OPTIONAL" : "REQUIRED" };
}

function stored({ type }: Column, value: Value): Value | bigint {
  if (value === null) return null;
  if (type === "int") return BigInt(value);
  return type === "datetime" ? BigInt(value) * 1_000n : value;
}
