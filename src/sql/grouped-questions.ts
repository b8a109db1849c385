/**
 * Ad-hoc questions that ask for one result per combination of dimensions, as parts of the one statement: typed columns
 * that are NULL for questions not grouped by them, and a rank that cuts what is beyond the page.
 */
import { pinning } from "../model/filter.ts";
import type { Reading } from "../model/fold.ts";
import type { DimensionKey } from "../model/layout.ts";
import type { Source } from "../model/source.ts";
import type { ColumnType, Value } from "../model/values.ts";
import { columnOf, filterSql, identifier, literal, type Render } from "./fragments.ts";
import type { Direction } from "./plan-groups.ts";

export type AdHocGroups = RankedGroups | ListedGroups;

/** The groups with `from < rank <= to`, and the first one. */
export interface RankedGroups {
  readonly kind: "ranked";
  /** Ties are broken by these, in this order. */
  readonly dimensions: readonly string[];
  /** Null: by the dimensions only. What it is read from is among the aggregates asked for. */
  readonly order: { readonly by: Reading; readonly direction: Direction } | null;
  readonly from: number;
  readonly to: number;
  /** Only those whose first dimension, as text, contains this, case aside. */
  readonly containing?: string;
}

/** These groups, in no order; those without events are absent. There may be others among the rows. */
export interface ListedGroups {
  readonly kind: "listed";
  readonly dimensions: readonly string[];
  readonly keys: readonly DimensionKey[];
}

export type GroupColumns = readonly { readonly property: string; readonly type: ColumnType }[];

interface Asked {
  readonly groups?: AdHocGroups;
}

/** What any of the questions is grouped by, each dimension once. */
export function groupColumns(source: Source, questions: readonly Asked[]): GroupColumns {
  const properties = new Set(questions.flatMap(({ groups }) => groups?.dimensions ?? []));
  return [...properties].map((property) => ({ property, type: columnOf(source, property).type }));
}

/** `CASE WHEN n IN (2, 3) THEN "origin" END`: typed, and NULL for all other questions. */
export function groupSql(
  source: Source,
  questions: readonly Asked[],
  property: string,
  number: string,
): string {
  const numbers = questions.flatMap(({ groups }, i) =>
    groups?.dimensions.includes(property) ? [i + 1] : [],
  );
  return `CASE WHEN ${number} IN (${numbers.join(", ")}) THEN ${identifier(columnOf(source, property).name)} END`;
}

/** The condition that leaves the groups asked for, as far as it can be said of events. */
export function groupsSql(source: Source, groups: AdHocGroups, render: Render): string[] {
  if (groups.kind === "listed") return [listedSql(source, groups, render)];
  if (groups.containing === undefined) return [];
  const text = `CAST(${identifier(columnOf(source, groups.dimensions[0]!).name)} AS varchar)`;
  return [`strpos(lower(${text}), lower(${render(groups.containing, "string")})) > 0`];
}

function listedSql(source: Source, { dimensions, keys }: ListedGroups, render: Render): string {
  const [only, ...others] = dimensions;
  const short = keys.filter((key) => key.every((value) => !isLong(value)));
  const conditions =
    only !== undefined && others.length === 0
      ? inList(source, only, short.flat(), render)
      : short.map((key) => filterSql(source, pinning(dimensions, key), render));
  const prefixed = keys
    .filter((key) => key.some(isLong))
    .map((key) => filterSql(source, prefixes(dimensions, key), render));
  return `(${[...conditions, ...prefixed].join(" OR ") || "FALSE"})`;
}

function inList(source: Source, column: string, values: readonly Value[], render: Render): string[] {
  const known = values.filter((value) => value !== null);
  return [
    ...(known.length > 0 ? [filterSql(source, [{ op: "in", column, values: known }], render)] : []),
    ...(known.length < values.length ? [filterSql(source, pinning([column], [null]), render)] : []),
  ];
}

/** Characters that always fit Athena's limit for a parameter, whatever must be escaped in them. */
const longest = 250;

const isLong = (value: Value): boolean => typeof value === "string" && value.length > longest;

/** The data may hold texts that no parameter can: they are found by how they begin. */
function prefixes(dimensions: readonly string[], key: DimensionKey) {
  return pinning(dimensions, key).map((condition) =>
    condition.op === "eq" && isLong(condition.value)
      ? {
          op: "startsWith" as const,
          column: condition.column,
          value: Array.from(String(condition.value)).slice(0, longest).join(""),
        }
      : condition,
  );
}

/** The columns of the statement that is ranked, by their aliases. */
export interface RankedColumns {
  /** Of every column, the question's number first. */
  readonly all: readonly string[];
  aggregate(id: string): string;
  dimension(property: string): string;
}

/** The statement with the rank of each group and the number of groups behind its columns, cut to the ranks asked for. */
export function rankedSql(
  flat: string,
  questions: readonly Asked[],
  columns: RankedColumns,
  parameters: string[],
): string {
  const [number] = columns.all as [string];
  const ranked = questions.flatMap(({ groups }, i) =>
    groups?.kind === "ranked" ? [{ groups, question: i + 1 }] : [],
  );
  const ranks = ranked.map(
    ({ groups, question }) =>
      `WHEN ${question} THEN row_number() OVER (PARTITION BY ${number} ORDER BY ${orderSql(groups, columns)})`,
  );
  const cuts = ranked.map(({ groups: { from, to }, question }) => {
    parameters.push(literal(from, "int"), literal(to, "int"));
    return `(${number} = ${question} AND "rank" > ? AND "rank" <= ?)`;
  });
  return `SELECT ${columns.all.join(", ")}, "rank", "groups"
FROM (
SELECT ${columns.all.join(", ")},
  CASE ${number} ${ranks.join("\n    ")} END AS "rank",
  count(*) OVER (PARTITION BY ${number}) AS "groups"
FROM (
${flat}
)
)
WHERE "rank" IS NULL OR "rank" = 1
  OR ${cuts.join("\n  OR ")}`;
}

function orderSql({ order, dimensions }: RankedGroups, columns: RankedColumns): string {
  const ties = dimensions.map((property) => `${columns.dimension(property)} ASC NULLS LAST`);
  const by = order === null ? [] : [`${readingSql(order.by, columns)} ${order.direction} NULLS LAST`];
  return [...by, ...ties].join(", ");
}

function readingSql(reading: Reading, columns: RankedColumns): string {
  if ("aggregate" in reading) return columns.aggregate(reading.aggregate);
  const [dividend, divisor] = reading.divide.map((side) => `CAST(${readingSql(side, columns)} AS double)`);
  return `(${dividend} / nullif(${divisor}, 0e0))`;
}

/** One group as a statement's row has it. */
export interface AdHocGroup {
  readonly key: DimensionKey;
  readonly aggregates: ReadonlyMap<string, number | null>;
}

export interface AdHocGroupList {
  /** In the order asked where they are ranked. */
  readonly groups: readonly AdHocGroup[];
  /** Of all groups, where they are ranked. */
  readonly total: number;
}

interface GroupedLayout {
  readonly aggregates: readonly string[];
  readonly groups: GroupColumns;
}

/** What the result of a statement says of its `question`th question, from 1, which asked for these groups. */
export function readGroups(
  layout: GroupedLayout,
  rows: readonly (readonly (string | null)[])[],
  question: number,
  asked: AdHocGroups,
): AdHocGroupList {
  const start = 2 + layout.aggregates.length;
  const own = rows.filter(([number]) => Number(number) === question);
  const rankOf = (row: (typeof rows)[number]): number => Number(row[start + layout.groups.length] ?? 0);
  const shown =
    asked.kind === "listed"
      ? own
      : own
          .filter((row) => rankOf(row) > asked.from && rankOf(row) <= asked.to)
          .sort((a, b) => rankOf(a) - rankOf(b));
  return {
    groups: shown.map((row) => ({
      key: asked.dimensions.map((dimension) => {
        const at = layout.groups.findIndex(({ property }) => property === dimension);
        return valueOf(row[start + at] ?? null, layout.groups[at]!.type);
      }),
      aggregates: new Map(
        layout.aggregates.map((id, i) => [id, row[i + 2] == null ? null : Number(row[i + 2])]),
      ),
    })),
    total: asked.kind === "listed" ? own.length : Number(own[0]?.[start + layout.groups.length + 1] ?? 0),
  };
}

/** A cell as the value of its column. */
function valueOf(cell: string | null, type: ColumnType): Value {
  if (cell === null) return null;
  switch (type) {
    case "string":
      return cell;
    case "boolean":
      return cell === "true";
    case "datetime":
      return instantOf(cell);
    case "int":
    case "float":
      // -0 is 0
      return Number(cell) + 0;
  }
}

/** Of a timestamp as the warehouse writes it: 2001-06-27 00:00:00.000, with more digits where it holds more. */
export function instantOf(cell: string): number {
  return Date.parse(`${cell.slice(0, 23).replace(" ", "T")}Z`);
}
