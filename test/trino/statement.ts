/**
 * Any statement that we send to Athena: DDL, which is Hive's and has the forms listed here and no others, an UNLOAD
 * around a query of Trino, or a query of Trino.
 */
import { type Parsed, parseStatement } from "./grammar.ts";

const name = "`(?:[^`]|``)+`";
const table = `${name}\\.${name}`;
// in Hive a backslash escapes, and two literals side by side are one
const text = "'[^'\\\\]*'";
const column = `${name} (?:bigint|double|string|boolean|timestamp)`;
const partition = `PARTITION \\(${name} = ${text}(?:, ${name} = ${text})*\\)`;

/** Of the "DDL statements" of the Athena User Guide. */
const ddlForms: readonly RegExp[] = [
  `CREATE DATABASE IF NOT EXISTS ${name}`,
  `CREATE EXTERNAL TABLE IF NOT EXISTS ${table} \\(${column}(?:, ${column})*\\)(?: PARTITIONED BY \\(${name} string(?:, ${name} string)*\\))? STORED AS PARQUET LOCATION ${text}`,
  `ALTER TABLE ${table} ADD IF NOT EXISTS(?: ${partition} LOCATION ${text})+`,
  `ALTER TABLE ${table} DROP IF EXISTS ${partition}(?:, ${partition})*`,
  `ALTER TABLE ${table}(?: ${partition})? SET LOCATION ${text}`,
  `DROP TABLE IF EXISTS ${table}`,
].map((form) => new RegExp(`^${form}$`));

const ddl = /^\s*(?:CREATE|ALTER|DROP|SHOW|MSCK|DESCRIBE)\b/i;
const unload =
  /^(UNLOAD \()([^]*)(\n\)\nTO '(?:[^']|'')+'\nWITH \(format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY\['(?:[^']|'')+'\]\))$/;

/** Faults have the positions of the statement as it stands, lines from 1 and columns from 0. */
export function parseSent(sql: string): Parsed {
  if (ddl.test(sql)) return { faults: ddlFaults(sql), uses: new Set() };
  if (!/^\s*UNLOAD\b/i.test(sql)) return parseStatement(sql);
  const [, opening, query] = unload.exec(sql) ?? [];
  if (query === undefined) return { faults: ["1:0 an UNLOAD of none of our forms"], uses: new Set() };
  return parseStatement(opening!.replaceAll(/\S/g, " ") + query);
}

function ddlFaults(sql: string): string[] {
  const line = sql.replaceAll(/\s+/g, " ").replaceAll("( ", "(").replaceAll(" )", ")");
  return ddlForms.some((form) => form.test(line)) ? [] : ["1:0 DDL of none of our forms"];
}

/**
 * Statements of the same form, which are parsed alike: they differ in what stands between quotes and in digits, but
 * not in the unit of a date function; and in how often a literal or a whole line is repeated.
 */
export function formOf(sql: string): string {
  const plain = sql.replaceAll(literals, (found, kept?: string) =>
    kept !== undefined
      ? found
      : found.startsWith("'")
        ? "''"
        : found.startsWith('"')
          ? '"x"'
          : found.replaceAll(/\d+/g, "0"),
  );
  return plain.replaceAll(/(\?|0|'')(?:, \1(?![.\w]))+/g, "$1").replaceAll(/^(.*)(?:\n\1)+$/gm, "$1");
}

const literals = /(date_\w+\('\w+')|'(?:[^']|'')*'|"(?:[^"]|"")+"|(?<![\w`])\d[\w.+-]*/g;
