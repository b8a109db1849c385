/** Archive files of a lake in memory, read by hyparquet. */
import { parquetReadObjects } from "hyparquet";
import type { ArchiveReader } from "../../src/backends/archive-reader.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { Source } from "../../src/model/source.ts";
import type { Event, Value } from "../../src/model/values.ts";

export function memoryArchiveReader(lake: Lake): ArchiveReader {
  return {
    read: async function* (source, files) {
      for (const { key } of files) {
        const file = new Uint8Array(await lake.read(key)).buffer;
        const rows = await parquetReadObjects({ file });
        yield rows.map((row) => eventOf(source, row));
      }
    },
  };
}

function eventOf({ ownColumns }: Source, row: Record<string, unknown>): Event {
  return Object.fromEntries(ownColumns.map(({ property, name }) => [property, valueOf(row[name])]));
}

function valueOf(cell: unknown): Value {
  if (cell instanceof Date) return cell.getTime();
  return typeof cell === "bigint" ? Number(cell) : ((cell ?? null) as Value);
}
