/**
 * Pieces of Athena SQL (Trino's dialect). Identifiers come from the model only and are quoted; values from clients
 * become `?` with a checked literal as parameter.
 */
import { UserInputError } from "../model/errors.ts";
import type { Condition, Filter } from "../model/filter.ts";
import type { Column, Source } from "../model/source.ts";
import { formatInstant, type Instant } from "../model/time.ts";
import { assertText, type ColumnType, type Value } from "../model/values.ts";

/** A quoted identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function tableName(source: Source): string {
  return `${identifier(source.database)}.${identifier(source.table)}`;
}

/** A value as exactly one SQL literal. */
export function literal(value: Exclude<Value, null>, type: ColumnType): string {
  switch (type) {
    case "datetime":
      return timestampLiteral(value as Instant);
    case "string":
      return stringLiteral(String(value));
    case "boolean":
      return value === true ? "TRUE" : "FALSE";
    case "int":
      return BigInt(value).toString();
    case "float":
      // the exponent makes it a DOUBLE; without it Trino reads a DECIMAL
      return (value as number).toExponential();
  }
}

export function stringLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function timestampLiteral(at: Instant): string {
  return `TIMESTAMP '${formatInstant(at).replace("T", " ").replace("Z", "")}'`;
}

/** How a value is written into a statement: inline for the model's own, as a parameter for a client's. */
export type Render = (value: Exclude<Value, null>, type: ColumnType) => string;

export const inline: Render = literal;

/** Athena's limit for one execution parameter. */
const maxParameter = 1_024;

/** A renderer that leaves `?` in the text and collects the literals in order. */
export function parameterised(parameters: string[]): Render {
  const parameter: Render = (value, type) => {
    if (typeof value === "string") assertText(value);
    const text = literal(value, type);
    if (text.length > maxParameter)
      throw new UserInputError(
        `A value is at most ${maxParameter} characters as an SQL literal, quotes included (Athena). Got ${text.length}. Use a shorter value or startsWith.`,
      );
    parameters.push(text);
    return "?";
  };
  return (value, type) => {
    if (typeof value !== "string" || !value.includes("\0")) return parameter(value, type);
    // clients' texts have no U+0000, those of the data may: a group is asked for by its own
    const standIn = unusedIn(value);
    return `replace(${parameter(value.replaceAll("\0", standIn), type)}, ${parameter(standIn, type)}, chr(0))`;
  };
}

/** A character of private use that is not in the text. */
function unusedIn(text: string): string {
  let point = 0xe000;
  while (text.includes(String.fromCodePoint(point))) point++;
  return String.fromCodePoint(point);
}

/** The conjunction of a filter's conditions; TRUE of none. Same meaning as `matcher` in the model. */
export function filterSql(source: Source, filter: Filter, render: Render): string {
  if (filter.length === 0) return "TRUE";
  return filter
    .map((condition) => conditionSql(columnOf(source, condition.column), condition, render))
    .join(" AND ");
}

function conditionSql(column: Column, condition: Condition, render: Render): string {
  const name = identifier(column.name);
  switch (condition.op) {
    case "eq":
      return `${name} = ${render(condition.value, column.type)}`;
    case "ne":
      return `${name} <> ${render(condition.value, column.type)}`;
    case "gte":
      return `${name} >= ${render(condition.value, column.type)}`;
    case "lt":
      return `${name} < ${render(condition.value, column.type)}`;
    case "in":
      if (condition.values.length === 0) return "FALSE";
      return `${name} IN (${condition.values.map((value) => render(value, column.type)).join(", ")})`;
    case "notIn":
      if (condition.values.length === 0) return `${name} IS NOT NULL`;
      return `${name} NOT IN (${condition.values.map((value) => render(value, column.type)).join(", ")})`;
    case "startsWith":
      return `starts_with(${name}, ${render(condition.value, "string")})`;
    case "isNull":
      return `${name} IS ${condition.value ? "" : "NOT "}NULL`;
  }
}

export function columnOf(source: Source, property: string): Column {
  const column = source.columns.find((candidate) => candidate.property === property);
  if (column === undefined) throw new TypeError(`Source "${source.name}" has no column "${property}".`);
  return column;
}
