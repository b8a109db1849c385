/** The measures of readings, computed twice: by the SQL of their aggregates in DuckDB, and by folding in JavaScript. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { type Aggregate, aggregateId, aggregatesOf } from "../../src/model/expression.ts";
import {
  adder,
  contributor,
  emptyState,
  mergeState,
  readMeasure,
  type State,
  stateReader,
} from "../../src/model/fold.ts";
import {
  type DimensionKey,
  keyText,
  mergeBuckets,
  packBuckets,
  unpackColumns,
} from "../../src/model/layout.ts";
import { declaredProducts, type Measure, type Rollup } from "../../src/model/product.ts";
import {
  bucketIndex,
  bucketsOf,
  floorTo,
  periodOf,
  periodRange,
  type Range,
  type StoredGrain,
} from "../../src/model/time.ts";
import type { Value } from "../../src/model/values.ts";
import { aggregateSql } from "../../src/sql/aggregates.ts";
import { columnOf, identifier, timestampLiteral } from "../../src/sql/fragments.ts";
import { ReadingActivity, type ReadingEvent, select } from "./readings.ts";

export const product = declaredProducts().find((each) => each.target === ReadingActivity)!;
const { components, source } = product;

/** Measures by name. */
export type Answer = Readonly<Record<string, number | null>>;
/** By `keyText` of the dimensions' values, and the bucket's start where the grouping has buckets. */
export type Answers = ReadonlyMap<string, Answer>;
type States = Map<string, State>;

const aggregates = [
  ...new Map(
    product.measures
      .flatMap((measure) => aggregatesOf(measure.expression))
      .map((aggregate): [string, Aggregate] => [aggregateId(aggregate), aggregate]),
  ),
];

/** Every group's answer, by key and, with a grain, bucket. SQL answers one row for a total of nothing. */
export async function answersInSql(
  duckDb: DuckDBConnection,
  dimensions: readonly string[],
  grain: StoredGrain | null,
  range?: Range,
): Promise<Answers> {
  const groups = [
    ...dimensions.map(dimensionSql),
    ...(grain === null ? [] : [`epoch_ms(date_trunc('${grain.toLowerCase()}', "at"))`]),
  ];
  const list = [...groups, ...aggregates.map(([, aggregate]) => aggregateSql(source, aggregate))];
  const within =
    range === undefined
      ? ""
      : `WHERE "at" >= ${timestampLiteral(range.from)} AND "at" < ${timestampLiteral(range.to)}`;
  const grouping = groups.length === 0 ? "" : `GROUP BY ${groups.map((_, i) => i + 1).join(", ")}`;
  const rows = await select(duckDb, `SELECT ${list.join(", ")} FROM readings ${within} ${grouping}`);
  return new Map(
    rows.map((row) => [keyText(row.slice(0, groups.length)), answerOfRow(row.slice(groups.length))]),
  );
}

function dimensionSql(property: string): string {
  const column = columnOf(source, property);
  return column.type === "datetime" ? `epoch_ms(${identifier(column.name)})` : identifier(column.name);
}

function answerOfRow(cells: readonly Value[]): Answer {
  const values = new Map(aggregates.map(([id], i) => [id, cells[i] as number | null]));
  return answer(product.measures, (id) => values.get(id) ?? null);
}

function answer(measures: readonly Measure[], aggregate: (id: string) => number | null): Answer {
  return Object.fromEntries(
    measures.map((measure) => [measure.name, readMeasure(product, measure.expression, aggregate)]),
  );
}

/** The mergeable measures of folded states; the total of nothing is answered as SQL does. */
export function answersOf(states: States, expected: Answers): Answers {
  const mergeable = product.measures.filter((measure) => measure.mergeable);
  if (expected.has("[]")) stateIn(states, "[]");
  return new Map([...states].map(([key, state]) => [key, answer(mergeable, stateReader(components, state))]));
}

const contribute = contributor(components);
const add = adder(components);

function fold(state: State, event: ReadingEvent): void {
  const contributions = new Float64Array(components.length);
  contribute(event, contributions, 0);
  add(state, 0, contributions, 0);
}

/** States by key and bucket: each event is folded into the part that `parts` names, and all parts are merged. */
export function foldInParts(
  rows: readonly ReadingEvent[],
  rollup: Rollup,
  grain: StoredGrain,
  parts: Iterator<number>,
): States {
  const folded = new Map<number, States>();
  for (const row of rows) {
    const part = entry(folded, parts.next().value as number, () => new Map());
    fold(stateIn(part, keyText([...keyOf(row, rollup), floorTo(row.at, grain)])), row);
  }
  const merged: States = new Map();
  for (const part of folded.values())
    for (const [key, state] of part) mergeState(components, stateIn(merged, key), state);
  return merged;
}

/** Packed segments by key and period, as the refresh stores them. */
export type Segments = ReadonlyMap<string, ReadonlyMap<string, string>>;

export function packSegments(rows: readonly ReadingEvent[], rollup: Rollup, grain: StoredGrain): Segments {
  const byKey = new Map<string, Map<string, Map<number, State>>>();
  for (const row of rows) {
    const periods = entry(byKey, keyText(keyOf(row, rollup)), () => new Map());
    const buckets = entry(periods, periodOf(row.at, grain), () => new Map<number, State>());
    fold(stateIn(buckets, bucketIndex(row.at, grain)), row);
  }
  const pack = (periods: ReadonlyMap<string, Map<number, State>>) =>
    new Map([...periods].map(([period, buckets]) => [period, packBuckets(buckets, components.length)]));
  return new Map([...byKey].map(([key, periods]) => [key, pack(periods)]));
}

/** The states by key over an aligned range, read from the buckets of each segment that lie in it. */
export function readSegments(segments: Segments, range: Range, grain: StoredGrain): States {
  const states: States = new Map();
  for (const [key, periods] of segments) {
    const state = emptyState(components);
    for (const [period, packed] of periods)
      mergeBuckets(components, state, unpackColumns(packed), ...indexesWithin(range, period, grain));
    if (state[0] !== 0) states.set(key, state);
  }
  return states;
}

/** Which buckets of a period lie in an aligned range, [first, end): counted one by one, independently of the planner. */
function indexesWithin(range: Range, period: string, grain: StoredGrain): [first: number, end: number] {
  const whole = periodRange(period);
  const from = Math.min(Math.max(range.from, whole.from), whole.to);
  const to = Math.min(Math.max(range.to, from), whole.to);
  const first = bucketsOf({ from: whole.from, to: from }, grain).length;
  return [first, first + bucketsOf({ from, to }, grain).length];
}

function keyOf(row: ReadingEvent, rollup: Rollup): DimensionKey {
  return rollup.dimensions.map((dimension) => row[dimension as keyof ReadingEvent]);
}

function stateIn<K>(states: Map<K, State>, key: K): State {
  return entry(states, key, () => emptyState(components));
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** Where two sets of answers differ: groups, integers, or floats by more than 1e-9 (the order of additions differs). */
export function differences(actual: Answers, expected: Answers): string[] {
  const keys = new Set([...actual.keys(), ...expected.keys()]);
  return [...keys].flatMap((key) => {
    const [got, want] = [actual.get(key), expected.get(key)];
    if (got === undefined || want === undefined)
      return [`${key}: ${got === undefined ? "missing" : "too much"}`];
    return Object.keys(got)
      .filter((name) => !isSame(got[name]!, want[name]!, product.measure(name).type))
      .map((name) => `${key} ${name}: expected ${want[name]}, got ${got[name]}`);
  });
}

function isSame(got: number | null, want: number | null, type: "int" | "float"): boolean {
  if (got === want) return true;
  if (type === "int" || got === null || want === null) return false;
  return Math.abs(got - want) <= 1e-9 * Math.max(1, Math.abs(want));
}
