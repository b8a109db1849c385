/** Random questions, the same in every run, and the answers they must get. Imports nothing of `src`. */
import { expect } from "vitest";
import { ask, type Json } from "./client.ts";
import { type Cell, pick, sqlOf, type Truth } from "./other-rows.ts";
import type { ColumnKind, Spec } from "./other-specs.ts";

const operators = {
  string: ["eq", "in", "ne", "notIn", "startsWith", "isNull"],
  int: ["eq", "in", "gte", "lt", "isNull"],
  float: ["eq", "in", "gte", "lt", "isNull"],
  datetime: ["eq", "in", "gte", "lt", "isNull"],
  boolean: ["eq", "isNull"],
} as const satisfies Record<ColumnKind, readonly string[]>;

type Where = Record<string, Record<string, unknown>>;

export interface Question {
  readonly where: Where;
  readonly range: { from?: string; to?: string; last?: string } | null;
  readonly grain: string | null;
}

const hour = 3_600_000;
const widths = { hour, day: 24 * hour, month: 24 * hour } as const;
const seriesGrains = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] as const;

export function randomQuestion(random: () => number, spec: Spec): Question {
  const range = randomRange(random, spec);
  return {
    where: randomWhere(random, spec),
    range,
    grain: random() < 0.4 ? pick(random, seriesGrains) : null,
  };
}

function randomWhere(random: () => number, spec: Spec): Where {
  if (random() < 0.6) {
    const { dimensions } = pick(random, spec.rollups);
    return Object.fromEntries(dimensions.map((each) => [each, pinning(random, spec, each)]));
  }
  const chosen = Object.keys(spec.columns).filter(() => random() < 2 / Object.keys(spec.columns).length);
  return Object.fromEntries(chosen.map((each) => [each, condition(random, spec, each)]));
}

const known = (spec: Spec, column: string): Cell[] =>
  spec.columns[column]![1].filter((each) => each !== null);
/** Athena takes no parameter of more than 1,024 characters. */
const short = (value: Cell): boolean => typeof value !== "string" || value.length < 1_000;

function pinning(random: () => number, spec: Spec, column: string): Record<string, unknown> {
  const values = known(spec, column);
  const how = random();
  if (how < 0.25) return { isNull: true };
  if (how < 0.5 && spec.columns[column]![0] !== "boolean") return { in: values.filter(() => random() < 0.5) };
  return { eq: pick(random, values) };
}

function condition(random: () => number, spec: Spec, column: string): Record<string, unknown> {
  const values = known(spec, column).filter(short);
  const op = pick(random, operators[spec.columns[column]![0]]);
  if (op === "isNull") return { isNull: random() < 0.5 };
  if (op === "in" || op === "notIn") return { [op]: values.filter(() => random() < 0.4) };
  if (op === "startsWith") return { startsWith: String(pick(random, values)).slice(0, 2) };
  const also = op === "gte" && random() < 0.3 ? { lt: pick(random, values) } : {};
  return { [op]: pick(random, values), ...also };
}

function randomRange(random: () => number, spec: Spec): Question["range"] {
  const first = Date.parse(spec.from);
  const span = Date.parse(spec.until) - first;
  const any = (): number => first + (random() * 1.4 - 0.2) * span;
  const kind = random();
  if (kind < 0.12) return null;
  const unit = pick(random, [hour, hour, 24 * hour, 24 * hour, 60_000, 1_000, "month"] as const);
  const [a, b] = [any(), any()].sort((x, y) => x - y) as [number, number];
  const from = onEdge(a, unit);
  const to = onEdge(b, unit);
  if (kind < 0.2) return { from: iso(from) };
  if (kind < 0.26) return { to: iso(to) };
  if (kind < 0.32) return { last: pick(random, ["PT1H", "PT36H", "P3D", "P5W", "PT90M"]) };
  return from < to ? { from: iso(from), to: iso(to) } : { from: iso(from), to: iso(from + hour) };
}

function onEdge(at: number, unit: number | "month"): number {
  if (unit !== "month") return Math.floor(at / unit) * unit;
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

const iso = (at: number): string => new Date(at).toISOString();

/** Asks some questions in one request and holds every value against the truth; `upTo` is where the events known end. */
export async function expectTrue(
  url: string,
  truth: Truth,
  spec: Spec,
  questions: readonly Question[],
  options: { readonly adHoc: boolean; readonly upTo?: string },
): Promise<Json> {
  const measures = { ...spec.stored, ...(options.adHoc ? spec.adHoc : {}) };
  const fields = Object.keys(measures).join(" ");
  const parts = questions.map(({ grain }, i) => {
    const series = grain === null ? "" : `series(grain: ${grain}) { from to ${fields} }`;
    return `q${i}: ${spec.field}(where: $w${i}, range: $r${i}) { from to complete ${fields} ${series} }`;
  });
  const type = spec.field.charAt(0).toUpperCase() + spec.field.slice(1);
  const declared = questions.map((_, i) => `$w${i}: ${type}Filter, $r${i}: TimeRange`);
  const variables = Object.fromEntries(
    questions.flatMap(({ where, range }, i) => [
      [`w${i}`, where],
      [`r${i}`, range],
    ]),
  );
  const answer = await ask(url, `query(${declared.join(", ")}) { ${parts.join("\n")} }`, variables);
  const context = (i: number) => `${spec.field} ${JSON.stringify(questions[i])}`.slice(0, 600);
  if (answer.errors)
    throw new Error(
      `${context(Number(String(answer.errors[0]?.path?.[0] ?? "q0").slice(1)))}: ${JSON.stringify(answer.errors).slice(0, 1_500)}`,
    );
  for (const [i, question] of questions.entries())
    await expectAnswer(truth, spec, measures, question, answer.data[`q${i}`], context(i), options.upTo);
  return answer;
}

async function expectAnswer(
  truth: Truth,
  spec: Spec,
  measures: Readonly<Record<string, string>>,
  { where, range, grain }: Question,
  given: Json,
  context: string,
  upTo = "9999-01-01T00:00:00Z",
): Promise<void> {
  if (range?.from) expectEqual(context, given.from, range.from);
  if (range?.to) expectEqual(context, given.to, range.to);
  if (!range?.from && !range?.last)
    expectEqual(context, given.from, range?.to && range.to < spec.from ? range.to : spec.from);
  const columns = Object.entries(measures)
    .map(([name, sql]) => `${sql} AS "${name}"`)
    .join(", ");
  const filter = `${whereSql(where)} AND "at" < ${sqlOf(upTo)}`;
  const within = `"at" >= ${sqlOf(given.from)} AND "at" < ${sqlOf(given.to)} AND ${filter}`;
  const [whole] = await truth.rows(`SELECT ${columns} FROM ${spec.table} WHERE ${within}`);
  expectRow(given, whole!, context);
  if (grain === null) return;
  const bucket = `date_trunc('${grain}', "at")`;
  const found = await truth.rows(
    `SELECT ${bucket}::TIMESTAMP AS "bucket!", ${columns} FROM ${spec.table} WHERE ${within} GROUP BY 1`,
  );
  const [nothing] = await truth.rows(`SELECT ${columns} FROM ${spec.table} WHERE FALSE`);
  const edges = await truth.rows(
    `SELECT e AS "from", date_trunc('${grain}', e)::TIMESTAMP AS "bucket!" FROM (SELECT DISTINCT greatest(x, ${sqlOf(given.from)}) AS e FROM
      (SELECT unnest(generate_series(date_trunc('${grain}', ${sqlOf(given.from)})::TIMESTAMP, ${sqlOf(given.to)}, INTERVAL ${grain === "QUARTER" ? "3 MONTH" : `1 ${grain}`})) AS x) WHERE greatest(x, ${sqlOf(given.from)}) < ${sqlOf(given.to)}) ORDER BY 1`,
  );
  expectEqual(
    context,
    given.series.map(({ from }: Json) => from),
    edges.map(({ from }) => from),
  );
  expectEqual(
    context,
    given.series.map(({ to }: Json) => to),
    [...edges.slice(1).map(({ from }) => from), ...(edges.length > 0 ? [given.to] : [])],
  );
  edges.forEach((edge, i) => {
    const row = found.find((each) => each["bucket!"] === edge["bucket!"]) ?? nothing!;
    expectRow(given.series[i], row, `${context} at ${edge["from"]}`);
  });
}

/** `toEqual`, with the question in the message. */
export function expectEqual(context: string, actual: unknown, expected: unknown): void {
  expect({ context, value: actual }).toEqual({ context, value: expected });
}

export function expectRow(given: Json, expected: Readonly<Record<string, Cell>>, context: string): void {
  for (const [name, value] of Object.entries(expected)) {
    if (name === "bucket!") continue;
    const actual = given[name];
    if (typeof value === "number" && typeof actual === "number" && !Number.isInteger(value)) {
      if (Math.abs(actual - value) <= 1e-9 * Math.max(1, Math.abs(value))) continue;
    } else if (actual === value) continue;
    // whole floats of sums that are all but whole
    if (
      typeof value === "number" &&
      typeof actual === "number" &&
      !Number.isInteger(actual) &&
      Math.abs(actual - value) < 1e-9
    )
      continue;
    throw new Error(`${context}: ${name} is ${String(value)}, got ${String(actual)}`);
  }
}

function whereSql(where: Where): string {
  const conditions = Object.entries(where).flatMap(([column, ops]) =>
    Object.entries(ops).map(([op, value]) => conditionSql(`"${column}"`, op, value)),
  );
  return conditions.length === 0 ? "TRUE" : conditions.join(" AND ");
}

function conditionSql(column: string, op: string, value: unknown): string {
  if (op === "isNull") return `${column} IS ${value === true ? "" : "NOT "}NULL`;
  if (op === "startsWith")
    return `${column}[1:${Array.from(String(value)).length}] = ${sqlOf(value as Cell)}`;
  if (op === "in" || op === "notIn") {
    const values = value as Cell[];
    if (values.length === 0) return op === "in" ? "FALSE" : `${column} IS NOT NULL`;
    return `${column} ${op === "in" ? "IN" : "NOT IN"} (${values.map(sqlOf).join(", ")})`;
  }
  return `${column} ${{ eq: "=", ne: "<>", gte: ">=", lt: "<" }[op]} ${sqlOf(value as Cell)}`;
}

/** From which source the stored measures of a question are to come, as far as covered ranges go. */
export function sourceOf(spec: Spec, { where, range }: Question): "EDITION" | "ATHENA" | "either" {
  const pinned = Object.entries(where).every(([, ops]) => {
    const [op, ...others] = Object.keys(ops);
    return others.length === 0 && (op === "eq" || op === "in" || (op === "isNull" && ops["isNull"] === true));
  });
  const columns = Object.keys(where).sort().join();
  const rollup = spec.rollups.find(({ dimensions }) => [...dimensions].sort().join() === columns);
  if (!pinned || rollup === undefined) return "ATHENA";
  if (range === null || range.last !== undefined || rollup.finest === "month") return "either";
  const unit = widths[rollup.finest];
  const cut = (at: string | undefined): boolean =>
    at === undefined || Date.parse(at) % unit === 0 || at <= spec.from || at >= spec.until;
  return cut(range.from) && cut(range.to) ? "EDITION" : "ATHENA";
}
