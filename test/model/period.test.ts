/** Ranges shifted back: golden cases, laws, and DuckDB's calendar for where they begin. */
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Period, periods, shiftBack } from "../../src/model/period.ts";
import {
  bucketsOf,
  dayMs,
  floorTo,
  formatInstant,
  type Grain,
  isAligned,
  nextBucket,
} from "../../src/model/time.ts";

const first = Date.UTC(1900, 0, 1);
const last = Date.UTC(2200, 0, 1);
/** Month ends and leap days are rare among random instants, and where shifts go wrong. */
const day = fc.oneof(
  fc.integer({ min: first / dayMs, max: last / dayMs - 1 }),
  fc
    .tuple(
      fc.integer({ min: 1900, max: 2199 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: -4, max: 1 }),
    )
    .map(([year, month, offset]) => Date.UTC(year, month, 1) / dayMs + offset),
);
const instant = fc
  .tuple(day, fc.oneof(fc.constant(0), fc.integer({ min: 0, max: dayMs - 1 })))
  .map(([days, time]) => days * dayMs + time);
const range = fc
  .tuple(instant, fc.oneof(fc.integer({ min: 1, max: 5 * dayMs }), instant))
  .map(([from, other]) => {
    const to = other < first ? from + other : other;
    return from <= to ? { from, to: Math.max(to, from + 1) } : { from: to, to: from };
  });
const period = fc.constantFrom(...periods);
const calendar = ["MONTH", "QUARTER", "YEAR"] as const;

function shown(from: string, to: string, by: Period): [string, string] {
  const at = (text: string) => Date.parse(text.length === 10 ? `${text}T00:00:00Z` : `${text}:00Z`);
  const shifted = shiftBack({ from: at(from), to: at(to) }, by);
  const short = (edge: number) => formatInstant(edge).slice(0, 16).replace("T00:00", "");
  return [short(shifted.from), short(shifted.to)];
}

test.each<[string, string, Period, string, string]>([
  ["2001-06-10", "2001-06-14", "PREVIOUS", "2001-06-06", "2001-06-10"],
  ["2001-03-01T12:00", "2001-03-01T18:00", "PREVIOUS", "2001-03-01T06:00", "2001-03-01T12:00"],
  ["2001-03-01", "2001-03-02", "DAY", "2001-02-28", "2001-03-01"],
  ["2000-03-01", "2000-03-02", "DAY", "2000-02-29", "2000-03-01"],
  ["2001-01-01", "2001-01-08", "WEEK", "2000-12-25", "2001-01-01"],
  ["2001-01-01", "2001-01-08", "YEAR_WEEKDAY", "2000-01-03", "2000-01-10"],
  // whole ones
  ["2001-02-01", "2001-03-01", "MONTH", "2001-01-01", "2001-02-01"],
  ["2001-03-01", "2001-04-01", "MONTH", "2001-02-01", "2001-03-01"],
  ["2001-01-01", "2001-02-01", "MONTH", "2000-12-01", "2001-01-01"],
  ["2001-01-01", "2001-04-01", "QUARTER", "2000-10-01", "2001-01-01"],
  ["2001-02-01", "2001-03-01", "YEAR", "2000-02-01", "2000-03-01"],
  ["2000-02-01", "2000-03-01", "YEAR", "1999-02-01", "1999-03-01"],
  ["2000-01-01", "2001-01-01", "YEAR", "1999-01-01", "2000-01-01"],
  // leap days
  ["2000-02-28", "2000-02-29", "YEAR", "1999-02-28", "1999-03-01"],
  ["2000-02-29", "2000-03-01", "YEAR", "1999-02-28", "1999-03-01"],
  ["2001-02-28", "2001-03-01", "YEAR", "2000-02-28", "2000-03-01"],
  ["2000-02-01", "2000-02-29", "YEAR", "1999-02-01", "1999-03-01"],
  ["2000-02-29T06:00", "2000-02-29T12:00", "YEAR", "1999-02-28T06:00", "1999-02-28T12:00"],
  ["2000-03-29", "2000-03-30", "MONTH", "2000-02-29", "2000-03-01"],
  // month ends
  ["2001-03-30T06:00", "2001-03-30T12:00", "MONTH", "2001-02-28T06:00", "2001-02-28T12:00"],
  ["2001-03-30", "2001-03-31", "MONTH", "2001-02-28", "2001-03-01"],
  ["2001-03-31", "2001-04-01", "MONTH", "2001-02-28", "2001-03-01"],
  ["2001-05-31", "2001-06-01", "MONTH", "2001-04-30", "2001-05-01"],
  ["2001-05-31", "2001-06-01", "QUARTER", "2001-02-28", "2001-03-01"],
  // both ends on the last day of February, the later one earlier on it
  ["2001-03-28T12:00", "2001-03-29T06:00", "MONTH", "2001-02-28T12:00", "2001-03-01"],
  ["2001-03-29T12:00", "2001-03-30T12:00", "MONTH", "2001-02-28T12:00", "2001-03-01"],
  // an empty one stays empty
  ["2001-03-31", "2001-03-31", "MONTH", "2001-02-28", "2001-02-28"],
])("[%s, %s) by %s is [%s, %s)", (from, to, by, shiftedFrom, shiftedTo) => {
  expect(shown(from, to, by)).toEqual([shiftedFrom, shiftedTo]);
});

test("a shift into the years 1 to 99 and before is no shift into the 20th century", () => {
  const at = (year: number, month: number) => new Date(0).setUTCFullYear(year, month, 1);
  expect(shiftBack({ from: at(100, 1), to: at(100, 2) }, "YEAR")).toEqual({ from: at(99, 1), to: at(99, 2) });
  expect(shiftBack({ from: at(1, 0), to: at(1, 3) }, "MONTH")).toEqual({ from: at(0, 11), to: at(1, 2) });
});

describe("for every range and period, the shifted range", () => {
  test("is not empty and lies earlier", () => {
    fc.assert(
      fc.property(range, period, (asked, by) => {
        const { from, to } = shiftBack(asked, by);
        expect(from).toBeLessThan(to);
        expect(from).toBeLessThan(asked.from);
        expect(to).toBeLessThan(asked.to);
      }),
      { seed: 9, numRuns: 5_000 },
    );
  });

  test("is aligned to hours and days where the range is", () => {
    const aligned = fc
      .tuple(range, fc.constantFrom<"HOUR" | "DAY">("HOUR", "DAY"))
      .map(([{ from, to }, grain]) => ({
        asked: { from: floorTo(from, grain), to: nextBucket(to, grain) },
        grain,
      }));
    fc.assert(
      fc.property(aligned, period, ({ asked, grain }, by) => {
        const { from, to } = shiftBack(asked, by);
        expect([from, to].filter((at) => !isAligned(at, grain))).toEqual([]);
      }),
      { seed: 14, numRuns: 2_000 },
    );
  });

  test("is aligned at one end where the range is, but by PREVIOUS", () => {
    fc.assert(
      fc.property(range, fc.constantFrom(...periods.slice(1)), (asked, by) => {
        const { from, to } = shiftBack(asked, by);
        const shifted = shiftBack({ from: asked.from, to: nextBucket(asked.to, "DAY") }, by);
        expect(isAligned(shifted.to, "DAY")).toBe(true);
        expect((asked.from - from) % dayMs).toBe(0);
        expect(isAligned(to, "DAY") || (asked.to - to) % dayMs === 0).toBe(true);
      }),
      { seed: 15, numRuns: 2_000 },
    );
  });

  test("keeps the length, the weekday and the time of day of WEEK and YEAR_WEEKDAY", () => {
    fc.assert(
      fc.property(range, fc.constantFrom<Period>("WEEK", "YEAR_WEEKDAY"), (asked, by) => {
        const { from, to } = shiftBack(asked, by);
        expect(to - from).toBe(asked.to - asked.from);
        expect((asked.from - from) % (7 * dayMs)).toBe(0);
      }),
      { seed: 10, numRuns: 500 },
    );
  });

  test("ends where the range begins for PREVIOUS, and is as long", () => {
    fc.assert(
      fc.property(range, ({ from, to }) => {
        expect(shiftBack({ from, to }, "PREVIOUS")).toEqual({ from: from - (to - from), to: from });
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

test.each<[Grain, Period]>([
  ["MONTH", "MONTH"],
  ["MONTH", "QUARTER"],
  ["MONTH", "YEAR"],
  ["QUARTER", "QUARTER"],
  ["QUARTER", "YEAR"],
  ["YEAR", "YEAR"],
  ["WEEK", "WEEK"],
  ["WEEK", "YEAR_WEEKDAY"],
  ["DAY", "DAY"],
])("a whole %s by %s is a whole one", (grain, by) => {
  fc.assert(
    fc.property(instant, (at) => {
      const whole = { from: floorTo(at, grain), to: nextBucket(at, grain) };
      const shifted = shiftBack(whole, by);
      expect(bucketsOf(shifted, grain)).toEqual([shifted]);
      expect(isAligned(shifted.from, grain) && isAligned(shifted.to, grain)).toBe(true);
    }),
    { seed: 12, numRuns: 1_000 },
  );
});

test.each(calendar)("a range by %s begins where DuckDB's calendar says", async (by) => {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  const interval = { MONTH: "1 MONTH", QUARTER: "3 MONTH", YEAR: "1 YEAR" }[by];
  const sample = fc.sample(instant, { seed: 13, numRuns: 3_000 });
  const reader = await duck.runAndReadAll(
    `SELECT epoch_ms(make_timestamp(ms * 1000) - INTERVAL ${interval}) FROM (SELECT unnest([${sample.join(", ")}]::BIGINT[]) AS ms)`,
  );
  const expected = reader.getRowsJS().map(([ms]) => Number(ms));
  expect(sample.map((from) => shiftBack({ from, to: from + 40 * dayMs }, by).from)).toEqual(expected);
  duck.closeSync();
  instance.closeSync();
});
