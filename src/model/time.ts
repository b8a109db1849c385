/**
 * Grains, buckets and periods. Instants are epoch milliseconds, UTC; every interval is half-open, [from, to).
 * A bucket is one grain wide; a period is what one stored segment spans: the day of HOUR buckets, the month of DAY
 * buckets, the year of MONTH buckets.
 */
import { UserInputError } from "./errors.ts";

export type Grain = "HOUR" | "DAY" | "WEEK" | "MONTH" | "QUARTER" | "YEAR";
export type StoredGrain = "HOUR" | "DAY" | "MONTH";

export const grains: readonly Grain[] = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
/** Finest first. */
export const storedGrains: readonly StoredGrain[] = ["HOUR", "DAY", "MONTH"];

/** Epoch milliseconds, UTC. */
export type Instant = number;

/** What a period, a partition and an SQL timestamp can name: the years 1 to 9999. */
export const firstInstant = Date.parse("0001-01-01T00:00:00Z");
export const lastInstant = Date.parse("9999-12-31T23:59:59.999Z");

export function isInstant(value: unknown): value is Instant {
  return Number.isSafeInteger(value) && Number(value) >= firstInstant && Number(value) <= lastInstant;
}

/** Throws `UserInputError` for an instant outside of the years 1 to 9999. */
export function assertInstant(at: Instant): Instant {
  if (isInstant(at)) return at;
  throw new UserInputError(
    `An instant lies in the years 1 to 9999, UTC. Got ${Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : at}.`,
  );
}

export interface Range {
  readonly from: Instant;
  readonly to: Instant;
}

export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** The start of the bucket of `grain` that holds `at`. Weeks are ISO weeks: they start on Monday. */
export function floorTo(at: Instant, grain: Grain): Instant {
  switch (grain) {
    case "HOUR":
      return Math.floor(at / hourMs) * hourMs;
    case "DAY":
      return Math.floor(at / dayMs) * dayMs;
    case "WEEK": {
      const day = floorTo(at, "DAY");
      return day - ((new Date(day).getUTCDay() + 6) % 7) * dayMs;
    }
    case "MONTH":
      return monthStart(at, 1, 0);
    case "QUARTER":
      return monthStart(at, 3, 0);
    case "YEAR":
      return monthStart(at, 12, 0);
  }
}

/** The start of the bucket after the one that holds `at`. */
export function nextBucket(at: Instant, grain: Grain): Instant {
  switch (grain) {
    case "HOUR":
      return floorTo(at, "HOUR") + hourMs;
    case "DAY":
      return floorTo(at, "DAY") + dayMs;
    case "WEEK":
      return floorTo(at, "WEEK") + 7 * dayMs;
    case "MONTH":
      return monthStart(at, 1, 1);
    case "QUARTER":
      return monthStart(at, 3, 1);
    case "YEAR":
      return monthStart(at, 12, 1);
  }
}

/** The first edge of `grain` at or after `at`. */
export function ceilTo(at: Instant, grain: Grain): Instant {
  return isAligned(at, grain) ? at : nextBucket(at, grain);
}

export function isAligned(at: Instant, grain: Grain): boolean {
  return floorTo(at, grain) === at;
}

function monthStart(at: Instant, width: number, step: number): Instant {
  const date = new Date(at);
  const month = Math.floor(date.getUTCMonth() / width) * width + step * width;
  // Date.UTC maps the years 0–99 to 1900–1999; setUTCFullYear does not
  return new Date(0).setUTCFullYear(date.getUTCFullYear(), month, 1);
}

/** The buckets of `grain` that touch the range, their edges cut to it. */
export function bucketsOf(range: Range, grain: Grain): Range[] {
  const buckets: Range[] = [];
  for (let from = range.from; from < range.to; ) {
    const to = Math.min(nextBucket(from, grain), range.to);
    buckets.push({ from, to });
    from = to;
  }
  return buckets;
}

/** How many buckets of `grain` touch the range, at least approximately: to refuse a series before building it. */
export function bucketCount(range: Range, grain: Grain): number {
  const width = {
    HOUR: hourMs,
    DAY: dayMs,
    WEEK: 7 * dayMs,
    MONTH: 28 * dayMs,
    QUARTER: 90 * dayMs,
    YEAR: 365 * dayMs,
  };
  return Math.ceil((range.to - range.from) / width[grain]);
}

const periodLength = { HOUR: 10, DAY: 7, MONTH: 4 } as const satisfies Record<StoredGrain, number>;

/** The name of the period whose segment holds the bucket of `grain` at `at`: 2001-06-27, 2001-06 or 2001. */
export function periodOf(at: Instant, grain: StoredGrain): string {
  return new Date(at).toISOString().slice(0, periodLength[grain]);
}

/** The range of a day, month or year as `periodOf` names them. */
export function periodRange(period: string): Range {
  const from = Date.parse(`${period}${"-01-01".slice(period.length - 4)}T00:00:00Z`);
  const width = period.length === 10 ? "DAY" : period.length === 7 ? "MONTH" : "YEAR";
  return { from, to: nextBucket(from, width) };
}

/** The position of the bucket at `at` in its segment: the hour of the day, day of the month or month of the year, from 0. */
export function bucketIndex(at: Instant, grain: StoredGrain): number {
  const date = new Date(at);
  if (grain === "HOUR") return date.getUTCHours();
  return grain === "DAY" ? date.getUTCDate() - 1 : date.getUTCMonth();
}

/** The period that holds an instant, and the instant's bucket in it. */
export interface Place {
  readonly period: string;
  readonly bucket: number;
}

const maxPlaces = 1_000; // hours that a finder remembers

/** `periodOf` and `bucketIndex` at once, worked out once an hour of event time: a date takes longer than the rest of a fold. */
export function placeFinder(grain: StoredGrain): (at: Instant) => Place {
  const known = new Map<number, Place>();
  let lastHour = Number.NaN;
  let last: Place;
  return (at) => {
    const hour = Math.floor(at / hourMs);
    if (hour === lastHour) return last;
    lastHour = hour;
    last = known.get(hour) ?? { period: periodOf(at, grain), bucket: bucketIndex(at, grain) };
    if (known.size >= maxPlaces) known.clear();
    known.set(hour, last);
    return last;
  };
}

/** 2001-06-27T00:00:00.000Z: how instants are shown and sent. */
export function formatInstant(at: Instant): string {
  return new Date(at).toISOString();
}

const durationPattern = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Milliseconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds (PT1H, P7D). Throws `UserInputError`. */
export function parseDuration(text: string): number {
  const match = durationPattern.exec(text);
  const parts = match?.slice(1).map((part) => (part === undefined ? 0 : Number(part)));
  if (parts === undefined || !/\d/.test(text) || text.endsWith("T"))
    throw new UserInputError(
      `A duration is ISO 8601 in weeks, days, hours, minutes and seconds. Got "${text}". Use for example "PT1H" or "P7D".`,
    );
  const [weeks, days, hours, minutes, seconds] = parts as [number, number, number, number, number];
  return Math.round((weeks * 7 + days) * dayMs + hours * hourMs + minutes * 60_000 + seconds * 1_000);
}

/** The ISO 8601 duration of milliseconds: PT1H, P1DT12H, PT0S. */
export function formatDuration(ms: number): string {
  const days = Math.floor(ms / dayMs);
  const hours = Math.floor((ms % dayMs) / hourMs);
  const minutes = Math.floor((ms % hourMs) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  const time = `${hours ? `${hours}H` : ""}${minutes ? `${minutes}M` : ""}${seconds ? `${seconds}S` : ""}`;
  if (days === 0 && time === "") return "PT0S";
  return `P${days ? `${days}D` : ""}${time ? `T${time}` : ""}`;
}
