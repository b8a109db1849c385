/** The values of a dimension, for search boxes: one statement over the dimension's column. */
import type { Column, Source } from "../model/source.ts";
import { identifier, parameterised } from "./fragments.ts";
import { fromSql } from "./lookups.ts";
import { partitionsSql } from "./statement.ts";

/** Of a column whose text is not the warehouse's to search: so many of its values are looked through. */
const maxSearched = 10_000;

/** `isSearched`: what is found contains the text that was searched for. */
export function dimensionValuesStatement(
  source: Source,
  column: Column,
  coverage: { readonly from: number; readonly until: number },
  search: string | null,
  first: number,
): { sql: string; parameters: string[]; database: string; isSearched: boolean } {
  const parameters: string[] = [];
  const name = identifier(column.name);
  // warehouses write floats in ways of their own
  const text = column.type === "float" ? name : `CAST(${name} AS varchar)`;
  const within = partitionsSql(source, [{ from: coverage.from, to: coverage.until }], parameters);
  const isSearched = search !== null && search !== "" && column.type !== "float";
  const found = isSearched
    ? ` AND strpos(lower(${text}), lower(${parameterised(parameters)(search, "string")})) > 0`
    : "";
  const sql = `SELECT DISTINCT ${text} AS "value" FROM ${fromSql(source, [column.property])}
WHERE ${within} AND ${name} IS NOT NULL${found}
ORDER BY 1 LIMIT ${search === "" || search === null || isSearched ? first : maxSearched}`;
  return { sql, parameters, database: source.database, isSearched };
}
