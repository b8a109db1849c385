/** Buckets and periods against DuckDB's date_trunc, and durations there and back. */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  bucketCount,
  bucketIndex,
  bucketsOf,
  ceilTo,
  dayMs,
  floorTo,
  formatDuration,
  formatInstant,
  type Grain,
  grains,
  hourMs,
  isAligned,
  nextBucket,
  parseDuration,
  periodOf,
  periodRange,
  storedGrains,
} from "../../src/model/time.ts";

let duckDb: DuckDBConnection;
beforeAll(async () => {
  duckDb = await (await DuckDBInstance.create(":memory:")).connect();
  await duckDb.run("SET TimeZone = 'UTC'");
});

const first = Date.UTC(1900, 0, 1);
const last = Date.UTC(2200, 0, 1);
const instant = fc.integer({ min: first, max: last - 1 });

/** ISO week years that begin early and late, leap and no leap days, the epoch, quarters: one millisecond around each. */
const edges = [
  "1900-02-28",
  "1900-03-01",
  "1969-12-29",
  "1970-01-01",
  "1999-10-01",
  "2000-02-29",
  "2000-03-01",
  "2004-12-27",
  "2005-01-03",
  "2008-12-29",
  "2010-01-04",
  "2020-12-28",
  "2100-02-28",
  "2100-03-01",
  "2199-12-31",
]
  .map((day) => Date.parse(`${day}T00:00:00Z`))
  .flatMap((at) => [at - 1, at, at + 1, at + 12 * hourMs]);

const sample = [...edges, ...fc.sample(instant, { seed: 4, numRuns: 3_000 })];

/** What DuckDB says of every instant of the sample, as numbers. */
async function inDuckDb(expression: string): Promise<number[]> {
  const list = `SELECT unnest([${sample.join(", ")}]::BIGINT[]) AS ms`;
  const sql = `SELECT ${expression} FROM (SELECT make_timestamp(ms * 1000) AS t FROM (${list}))`;
  const reader = await duckDb.runAndReadAll(sql);
  return reader.getRowsJS().map(([cell]) => Number(cell));
}

describe.each(grains)("a bucket of grain %s", (grain) => {
  const trunc = `date_trunc('${grain.toLowerCase()}', t)`;
  const step = grain === "QUARTER" ? "INTERVAL 3 MONTH" : `INTERVAL 1 ${grain}`;

  test("starts where date_trunc says", async () => {
    expect(sample.map((at) => floorTo(at, grain))).toEqual(await inDuckDb(`epoch_ms(${trunc})`));
  });

  test("ends where the next one starts", async () => {
    expect(sample.map((at) => nextBucket(at, grain))).toEqual(await inDuckDb(`epoch_ms(${trunc} + ${step})`));
  });

  test("has its ceiling on the instant itself when that is an edge, else on the next edge", async () => {
    const ceiling = `epoch_ms(CASE WHEN ${trunc} = t THEN t ELSE ${trunc} + ${step} END)`;
    expect(sample.map((at) => ceilTo(at, grain))).toEqual(await inDuckDb(ceiling));
    expect(sample.filter((at) => isAligned(at, grain))).toEqual(
      sample.filter((at) => ceilTo(at, grain) === at),
    );
  });
});

describe("the buckets of a range", () => {
  const range = fc
    .tuple(instant, fc.integer({ min: 1, max: 400 * dayMs }))
    .map(([from, length]) => ({ from, to: from + length }));

  test("cover it without gap or overlap, cut at its ends", () => {
    fc.assert(
      fc.property(
        range,
        fc.constantFrom<Grain>("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"),
        ({ from, to }, grain) => {
          const buckets = bucketsOf({ from, to }, grain);
          expect([from, ...buckets.map((bucket) => bucket.to)]).toEqual([
            ...buckets.map((bucket) => bucket.from),
            to,
          ]);
          for (const bucket of buckets)
            expect(floorTo(bucket.to - 1, grain)).toBe(floorTo(bucket.from, grain));
          for (const bucket of buckets.slice(1)) expect(isAligned(bucket.from, grain)).toBe(true);
        },
      ),
      { seed: 5, numRuns: 300 },
    );
  });

  test("are none for an empty or reversed range", () => {
    expect(bucketsOf({ from: 5, to: 5 }, "HOUR")).toEqual([]);
    expect(bucketsOf({ from: 6, to: 5 }, "HOUR")).toEqual([]);
  });

  test("are about as many as bucketCount says, which may miss the two cut ones only", () => {
    fc.assert(
      fc.property(range, fc.constantFrom(...grains), ({ from, to }, grain) => {
        const touched = bucketsOf({ from, to }, grain).length;
        expect(touched).toBeLessThanOrEqual(bucketCount({ from, to }, grain) + 2);
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});

describe.each(storedGrains)("a period of %s buckets", (grain) => {
  const name = { HOUR: "%Y-%m-%d", DAY: "%Y-%m", MONTH: "%Y" }[grain];
  const width = { HOUR: "day", DAY: "month", MONTH: "year" }[grain];
  const index = { HOUR: "hour(t)", DAY: "day(t) - 1", MONTH: "month(t) - 1" }[grain];

  test("is named and ranges as in DuckDB", async () => {
    const start = await inDuckDb(`epoch_ms(date_trunc('${width}', t))`);
    const end = await inDuckDb(`epoch_ms(date_trunc('${width}', t) + INTERVAL 1 ${width})`);
    const named = await inDuckDb(`replace(strftime(t, '${name}'), '-', '')::BIGINT`);
    expect(sample.map((at) => Number(periodOf(at, grain).replaceAll("-", "")))).toEqual(named);
    expect(sample.map((at) => periodRange(periodOf(at, grain)))).toEqual(
      start.map((from, i) => ({ from, to: end[i] })),
    );
  });

  test("holds each of its buckets at the position that DuckDB counts", async () => {
    expect(sample.map((at) => bucketIndex(at, grain))).toEqual(await inDuckDb(index));
  });

  test("numbers its buckets from 0 without gap", () => {
    for (const at of edges) {
      const buckets = bucketsOf(periodRange(periodOf(at, grain)), grain);
      expect(buckets.map((bucket) => bucketIndex(bucket.from, grain))).toEqual(buckets.map((_, i) => i));
    }
  });
});

describe("instants and durations", () => {
  test("an instant is shown in UTC with milliseconds", () => {
    expect(formatInstant(-1)).toBe("1969-12-31T23:59:59.999Z");
  });

  test.each([
    ["PT1H", hourMs],
    ["P7D", 7 * dayMs],
    ["P2W", 14 * dayMs],
    ["P1DT12H", 36 * hourMs],
    ["PT90M", 90 * 60_000],
    ["PT0.25S", 250],
    ["PT0S", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    [0, "PT0S"],
    [1, "PT0.001S"],
    [hourMs, "PT1H"],
    [36 * hourMs, "P1DT12H"],
    [7 * dayMs + 61_500, "P7DT1M1.5S"],
  ])("%d ms are shown as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("a duration comes back as it was", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 * dayMs }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });

  test.each(["", "P", "PT", "P1DT", "1H", "P1Y", "P1M", "PT1.5H", "-PT1H", "PT1H ", "pt1h", "1 hour"])(
    "%j is refused",
    (text) => {
      expect(() => parseDuration(text)).toThrow(
        `A duration is ISO 8601 in weeks, days, hours, minutes and seconds. Got "${text}". Use for example "PT1H" or "P7D".`,
      );
    },
  );
});
