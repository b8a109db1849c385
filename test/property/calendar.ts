/** Buckets of series and periods of comparisons, as plain DuckDB reckons them. Imports nothing of `src`. */
import type { Period, SeriesGrain } from "./question.ts";
import type { Range } from "./sources.ts";
import { sqlOf, type Truth } from "./truth.ts";

const steps = {
  HOUR: "1 HOUR",
  DAY: "1 DAY",
  WEEK: "7 DAY",
  MONTH: "1 MONTH",
  QUARTER: "3 MONTH",
  YEAR: "1 YEAR",
};

const timestamp = (at: number): string => sqlOf(new Date(at).toISOString());

/** The buckets that touch the range, their edges cut to it. */
export async function buckets(truth: Truth, { from, to }: Range, grain: SeriesGrain): Promise<Range[]> {
  if (from >= to) return [];
  const first = `date_trunc('${grain}', ${timestamp(from)})::TIMESTAMP`;
  const step = `INTERVAL ${steps[grain]}`;
  const rows = await truth.rows(
    `SELECT edge AS "from", edge + ${step} AS "to" FROM (SELECT unnest(range(${first}, ${timestamp(to)}, ${step})) AS edge) ORDER BY edge`,
  );
  return rows
    .map(rangeOf)
    .map((bucket) => ({ from: Math.max(bucket.from, from), to: Math.min(bucket.to, to) }));
}

const shifts = {
  DAY: "1 DAY",
  WEEK: "7 DAY",
  MONTH: "1 MONTH",
  QUARTER: "3 MONTH",
  YEAR: "1 YEAR",
  YEAR_WEEKDAY: "364 DAY",
} as const satisfies Partial<Record<Period, string>>;

/**
 * Each range a period earlier. A day that a month does not have is its last one; a range that would end there on a
 * midnight, or before it begins, ends with the month.
 */
export async function earlier(truth: Truth, ranges: readonly Range[], period: Period): Promise<Range[]> {
  if (ranges.length === 0) return [];
  const values = ranges.map(({ from, to }, i) => `(${i}, ${timestamp(from)}, ${timestamp(to)})`);
  const rows = await truth.rows(
    `SELECT ${shiftSql(period)} FROM (VALUES ${values.join(", ")}) AS r(i, a, b) ORDER BY i`,
  );
  return rows.map(rangeOf);
}

function shiftSql(period: Period): string {
  if (period === "PREVIOUS") return `a - (b - a) AS "from", a AS "to"`;
  const by = `INTERVAL ${shifts[period]}`;
  if (!["MONTH", "QUARTER", "YEAR"].includes(period)) return `a - ${by} AS "from", b - ${by} AS "to"`;
  return `a - ${by} AS "from", CASE WHEN day(b - ${by}) <> day(b) AND (b = date_trunc('day', b) OR b - ${by} <= a - ${by})
    THEN date_trunc('month', b - ${by})::TIMESTAMP + INTERVAL 1 MONTH ELSE b - ${by} END AS "to"`;
}

const rangeOf = ({ from, to }: Readonly<Record<string, unknown>>): Range => ({
  from: Date.parse(String(from)),
  to: Date.parse(String(to)),
});
