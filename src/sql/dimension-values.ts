/** The values of a dimension, for search boxes: one statement over the dimension's column. */
import type { Column, Source } from "../model/source.ts";
import { identifier, parameterised } from "./fragments.ts";
import { fromSql } from "./lookups.ts";
import { partitionsSql } from "./statement.ts";

const maxValues = 1_000;

export function dimensionValuesStatement(
  source: Source,
  column: Column,
  coverage: { readonly from: number; readonly until: number },
  search: string | null,
  first: number,
): { sql: string; parameters: string[]; database: string } {
  const parameters: string[] = [];
  const text = `CAST(${identifier(column.name)} AS varchar)`;
  const within = partitionsSql(source, [{ from: coverage.from, to: coverage.until }], parameters);
  const found =
    search === null || search === ""
      ? ""
      : ` AND strpos(lower(${text}), lower(${parameterised(parameters)(search, "string")})) > 0`;
  const sql = `SELECT DISTINCT ${column.type === "float" && found === "" ? identifier(column.name) : text} AS "value" FROM ${fromSql(source, [column.property])}
WHERE ${within} AND ${identifier(column.name)} IS NOT NULL${found}
ORDER BY 1 LIMIT ${Math.min(Math.max(Math.trunc(first), 0), maxValues)}`;
  return { sql, parameters, database: source.database };
}
