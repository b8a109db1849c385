/** Random questions, the same in every run, and the answers they must get. Imports nothing of `src`. */
import { expect } from "vitest";
import { ask, type Json } from "./client.ts";
import { pick, type Random } from "../property/random.ts";
import { type AskedRange, randomRange } from "../property/range.ts";
import { type Cell, sqlOf, type Truth } from "../property/truth.ts";
import { isPinning, randomWhere, type Where, whereSql } from "../property/where.ts";
import type { Spec } from "./other-specs.ts";

export interface Question {
  readonly where: Where;
  readonly range: AskedRange | null;
  readonly grain: string | null;
}

const hour = 3_600_000;
const widths = { hour, day: 24 * hour, month: 24 * hour } as const;
const seriesGrains = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] as const;

export function randomQuestion(random: Random, spec: Spec): Question {
  const range = randomRange(random, spec);
  return {
    where: randomWhere(random, spec),
    range,
    grain: random() < 0.4 ? pick(random, seriesGrains) : null,
  };
}

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

/** From which source the stored measures of a question are to come, as far as covered ranges go. */
export function sourceOf(spec: Spec, { where, range }: Question): "EDITION" | "ATHENA" | "either" {
  const columns = Object.keys(where).sort().join();
  const rollup = spec.rollups.find(({ dimensions }) => [...dimensions].sort().join() === columns);
  if (!isPinning(where) || rollup === undefined) return "ATHENA";
  if (range === null || range.last !== undefined || rollup.finest === "month") return "either";
  const unit = widths[rollup.finest];
  const cut = (at: string | undefined): boolean =>
    at === undefined || Date.parse(at) % unit === 0 || at <= spec.from || at >= spec.until;
  return cut(range.from) && cut(range.to) ? "EDITION" : "ATHENA";
}
