/** How far back a comparison looks: a range shifted by a period, calendar-true. UTC. */
import { dayMs, type Instant, isAligned, type Range } from "./time.ts";

export type Period = "PREVIOUS" | "DAY" | "WEEK" | "MONTH" | "QUARTER" | "YEAR" | "YEAR_WEEKDAY";

export const periods: readonly Period[] = [
  "PREVIOUS",
  "DAY",
  "WEEK",
  "MONTH",
  "QUARTER",
  "YEAR",
  "YEAR_WEEKDAY",
];

/**
 * The range one period earlier; never empty unless the range is. Months, quarters and years keep the day of the month and
 * the time of day, so that whole ones become whole ones. It may begin before the year 1.
 */
export function shiftBack(range: Range, period: Period): Range {
  switch (period) {
    case "PREVIOUS":
      return by(range, range.to - range.from);
    case "DAY":
      return by(range, dayMs);
    case "WEEK":
      return by(range, 7 * dayMs);
    case "YEAR_WEEKDAY":
      return by(range, 364 * dayMs);
    case "MONTH":
      return byMonths(range, 1);
    case "QUARTER":
      return byMonths(range, 3);
    case "YEAR":
      return byMonths(range, 12);
  }
}

function by({ from, to }: Range, ms: number): Range {
  return { from: from - ms, to: to - ms };
}

/**
 * A day that the earlier month does not have (a 31st, February 29) is its last one. A midnight that ends the range belongs
 * to the day before it: where its own day does not exist, the range ends with the month. So it does where both ends would
 * fall on the last day, the later one earlier on it.
 */
function byMonths({ from, to }: Range, months: number): Range {
  const start = monthsBack(from, months);
  if (from >= to) return { from: start.at, to: start.at };
  const end = monthsBack(to, months);
  const endsWithMonth = end.isClamped && (isAligned(to, "DAY") || end.at <= start.at);
  return { from: start.at, to: endsWithMonth ? end.nextMonth : end.at };
}

interface MonthsBack {
  /** The same day of the month and time of day, on the last day where there is no such day. */
  readonly at: Instant;
  readonly isClamped: boolean;
  readonly nextMonth: Instant;
}

function monthsBack(at: Instant, months: number): MonthsBack {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth() - months;
  const nextMonth = dayOf(year, month + 1, 1);
  const day = Math.min(date.getUTCDate(), new Date(nextMonth - dayMs).getUTCDate());
  return {
    at: dayOf(year, month, day) + (((at % dayMs) + dayMs) % dayMs),
    isClamped: day < date.getUTCDate(),
    nextMonth,
  };
}

/** Date.UTC maps the years 0–99 to 1900–1999; setUTCFullYear does not. */
function dayOf(year: number, month: number, day: number): Instant {
  return new Date(0).setUTCFullYear(year, month, day);
}
