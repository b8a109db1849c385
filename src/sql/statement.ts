/**
 * The Athena fallback: any number of questions about one source as one statement that scans each partition once.
 * Questions become rows of a small table joined to the source; what differs between them stands in the WHERE clause,
 * where Athena takes parameters.
 */
import type { Aggregate } from "../model/expression.ts";
import { aggregateId, columnsOf } from "../model/expression.ts";
import type { Filter } from "../model/filter.ts";
import { freeNames } from "../model/gold.ts";
import type { Source } from "../model/source.ts";
import { floorTo, formatInstant, type Grain, type Instant, nextBucket, type Range } from "../model/time.ts";
import { aggregateSql } from "./aggregates.ts";
import { filterSql, identifier, parameterised, stringLiteral } from "./fragments.ts";
import {
  type AdHocGroups,
  type GroupColumns,
  groupColumns,
  groupSql,
  groupsSql,
  instantOf,
  rankedSql,
} from "./grouped-questions.ts";
import { fromSql } from "./lookups.ts";

/** One row of the statement: a slice over a range, whole or by bucket. */
export interface AdHocQuestion {
  readonly where: Filter;
  /** Not empty, and within the coverage. */
  readonly range: Range;
  /** One result per bucket of this grain; null for one over the whole range. */
  readonly by: Grain | null;
  /** One result per combination of dimensions, over the whole range. */
  readonly groups?: AdHocGroups;
}

export interface AdHocStatement {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly layout: AdHocLayout;
}

/** What the columns of a result hold, behind those of the question's number and the bucket. Plain JSON: jobs keep it. */
export interface AdHocLayout {
  /** Ids of aggregates. */
  readonly aggregates: readonly string[];
  /** What the questions with groups are grouped by; then their rank and the number of groups, where one is ranked. */
  readonly groups: GroupColumns;
}

export type StatementRows = readonly (readonly (string | null)[])[];

/** Per bucket start (0 for a question over its whole range) the aggregates by id. */
export type AdHocResult = ReadonlyMap<Instant, ReadonlyMap<string, number | null>>;

/** The column that numbers the questions, named as no column of the source. */
function numberOf(source: Source): string {
  const free = freeNames([...source.columns.map(({ name }) => name), source.partition.column]);
  return identifier(free("sluice_question"));
}

export function adHocStatement(
  source: Source,
  questions: readonly AdHocQuestion[],
  aggregates: readonly Aggregate[],
): AdHocStatement {
  const parameters: string[] = [];
  const number = numberOf(source);
  const groups = groupColumns(source, questions);
  const columns = [
    number,
    bucketSql(source, questions, number),
    ...aggregates.map((aggregate) => aggregateSql(source, aggregate)),
    ...groups.map(({ property }) => groupSql(source, questions, property, number)),
  ];
  const keys = ["1", "2", ...groups.map((_, i) => String(3 + aggregates.length + i))];
  const from = fromSql(source, usedProperties(questions, aggregates));
  const isRanked = questions.some((question) => question.groups?.kind === "ranked");
  const aliases = columns.map((_, i) => identifier(`c${i}`));
  const [shownNumber, bucket, ...others] = isRanked
    ? columns.map((column, i) => `${column} AS ${aliases[i]}`)
    : columns;
  const flat = [
    `SELECT ${shownNumber}, ${bucket},`,
    `  ${others.join(",\n  ")}`,
    `FROM ${from} CROSS JOIN UNNEST(ARRAY[${questions.map((_, i) => i + 1).join(", ")}]) AS ${identifier("sluice")}(${number})`,
    `WHERE ${partitionsSql(
      source,
      questions.map(({ range }) => range),
      parameters,
    )}`,
    `  AND (${questions.map((question, i) => `(${number} = ${i + 1} AND ${questionSql(source, question, parameters)})`).join("\n    OR ")})`,
    `GROUP BY ${keys.join(", ")}`,
  ].join("\n");
  const ids = aggregates.map(aggregateId);
  const layout = { aggregates: ids, groups };
  if (!isRanked) return { sql: flat, parameters, layout };
  const ranked = {
    all: aliases,
    aggregate: (id: string) => aliases[2 + ids.indexOf(id)]!,
    dimension: (wanted: string) =>
      aliases[2 + ids.length + groups.findIndex(({ property }) => property === wanted)]!,
  };
  return { sql: rankedSql(flat, questions, ranked, parameters), parameters, layout };
}

/** The columns that a statement reads beside time and partition, by property. */
export function usedProperties(
  questions: readonly AdHocQuestion[],
  aggregates: readonly Aggregate[],
): string[] {
  const filtered = questions.flatMap(({ where }) => where.map(({ column }) => column));
  const grouped = questions.flatMap(({ groups }) => groups?.dimensions ?? []);
  return [...filtered, ...grouped, ...aggregates.flatMap(columnsOf)];
}

/** The start of a row's bucket, per question; NULL for a question over its whole range. */
function bucketSql(source: Source, questions: readonly AdHocQuestion[], number: string): string {
  const time = identifier(source.time.name);
  const cases = questions.flatMap(({ by }, i) =>
    by === null ? [] : [`WHEN ${i + 1} THEN date_trunc('${by.toLowerCase()}', ${time})`],
  );
  return cases.length === 0 ? "CAST(NULL AS timestamp)" : `CASE ${number} ${cases.join(" ")} END`;
}

function questionSql(source: Source, question: AdHocQuestion, parameters: string[]): string {
  const { where, range, groups } = question;
  const render = parameterised(parameters);
  const time = identifier(source.time.name);
  const within = `${time} >= ${render(range.from, "datetime")} AND ${time} < ${render(range.to, "datetime")}`;
  const filtered = where.length === 0 ? [] : [filterSql(source, where, render)];
  const grouped = groups === undefined ? [] : groupsSql(source, groups, render);
  return [within, ...filtered, ...grouped].join(" AND ");
}

/** The partitions that the ranges touch, and no others: what Athena charges for. */
export function partitionsSql(source: Source, ranges: readonly Range[], parameters: string[]): string {
  const column = identifier(source.partition.column);
  const spans = union(ranges.map((range) => wholePartitions(source, range))).map(({ from, to }) => {
    parameters.push(
      stringLiteral(partitionValue(source, from)),
      stringLiteral(partitionValue(source, to - 1)),
    );
    return `${column} BETWEEN ? AND ?`;
  });
  return spans.length === 1 ? spans[0]! : `(${spans.join(" OR ")})`;
}

function wholePartitions(source: Source, range: Range): Range {
  const { grain } = source.partition;
  return { from: floorTo(range.from, grain), to: nextBucket(range.to - 1, grain) };
}

/** The ranges as few disjoint ones, in order. */
function union(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else merged.push(range);
  }
  return merged;
}

const partitionLength = { DAY: 10, MONTH: 7, YEAR: 4 } as const;

/** The value of the partition column for events at `at`: 2001-06-27, 2001-06 or 2001. */
export function partitionValue(source: Source, at: Instant): string {
  return formatInstant(at).slice(0, partitionLength[source.partition.grain]);
}

/** What the result of a statement says of its `question`th question, from 1. */
export function readResult({ aggregates }: AdHocLayout, rows: StatementRows, question: number): AdHocResult {
  const result = new Map<Instant, ReadonlyMap<string, number | null>>();
  for (const [number, bucket, ...cells] of rows) {
    if (Number(number) !== question) continue;
    const start = bucket == null ? 0 : instantOf(bucket);
    const values = aggregates.map((_, i) => (cells[i] == null ? null : Number(cells[i])));
    result.set(start, new Map(aggregates.map((id, i) => [id, values[i]!])));
  }
  return result;
}
