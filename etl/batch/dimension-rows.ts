/** The rows of a dimension table, from the warehouse's cells. Pure functions. */
import { SluiceError } from "../../src/model/errors.ts";
import type { LookupTable } from "../../src/model/lookup.ts";
import { type LookupRow, validity } from "../../src/model/lookup-rows.ts";
import { typeProblem, type Value } from "../../src/model/values.ts";
import { readColumns } from "../../src/sql/lookups.ts";

type Cells = readonly (string | null)[];

/**
 * Cells come in the order of `readColumns`. A row with a null in its key is found by no event, and one that ends before
 * it begins counts for none: both are left out. Rejects `REFRESH` for a value that no event can have.
 */
export function dimensionRows(table: LookupTable, rows: readonly Cells[]): LookupRow[] {
  const columns = readColumns(table);
  const taken = columns.length - table.taken.length;
  return rows.flatMap((cells) => {
    const values = columns.map(({ type }, i) => valueOf(cells[i] ?? null, type));
    columns.forEach((column, i) => checkValue(table, column, values[i]!, cells[i]));
    const key = values.slice(0, table.keys.length);
    const [from = null, to = null] = values.slice(table.keys.length, taken);
    const { first, last } = validity(from as number | null, to as number | null);
    if (key.includes(null) || first > last) return [];
    return [{ key, first, last, taken: values.slice(taken) }];
  });
}

type Column = ReturnType<typeof readColumns>[number];

/** A cell as Athena writes it: `2001-06-28 01:02:03.000`, `true`, `1.0E10`. */
function valueOf(cell: string | null, type: Column["type"]): Value {
  if (cell === null) return null;
  switch (type) {
    case "int":
    case "float":
      return Number(cell);
    case "boolean":
      return cell === "true";
    case "datetime":
      return Date.parse(`${cell.slice(0, 23).replace(" ", "T")}Z`);
    case "string":
      return cell;
  }
}

function checkValue(
  { database, name }: LookupTable,
  column: Column,
  value: Value,
  cell: string | null | undefined,
) {
  const problem = value === null ? null : typeProblem(value, column.type);
  if (problem !== null)
    throw new SluiceError(
      "REFRESH",
      `A lookup takes values that an event can have. Column "${column.name}" of "${database}.${name}" holds ${cell}, which ${problem}. Correct the table, or declare the column as another type.`,
    );
}
