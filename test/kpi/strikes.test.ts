/** `previous` and `growth` of the bird strikes, by every period, over HTTP, against plain DuckDB over the file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { StrikeActivity } from "../../products/strikes.ts";
import { ask, type Json } from "../e2e/client.ts";
import { type Demo, startDemo } from "../e2e/demo.ts";
import { type Compared, measures, stepped, type StrikesTruth, strikesTruth } from "./strikes-truth.ts";

let folder: string;
let demo: Demo;
let truth: StrikesTruth;
/** The whole, and ten airports. */
let slices: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-kpi-"));
  [demo, truth] = await Promise.all([startDemo(folder, StrikeActivity), strikesTruth()]);
  slices = ["", ...(await truth.airports(10))];
});
beforeEach(() => demo.count.reset());
afterAll(async () => {
  await demo?.close();
  truth?.close();
  rmSync(folder, { recursive: true, force: true });
});

const fields = measures.join(" ");
const rangeOf = (from: string, to: string) => `range: {from: "${from}T00:00:00Z", to: "${to}T00:00:00Z"}`;
const allYears = ["1990-01-01", "2003-01-01"] as const;
/** From a Monday to a Monday, through a leap year. */
const someWeeks = ["1999-01-04", "2002-01-07"] as const;

/** What is wrong of some measures. Whole numbers are equal, floats to 1e-9. */
function wrong(
  actual: Json,
  expected: Readonly<Record<string, number | string | null>>,
  what: string,
): string[] {
  return Object.entries(expected).flatMap(([name, right]) => {
    const is = actual[name] as unknown;
    const isFloat = typeof right === "number" && typeof is === "number" && !Number.isInteger(right);
    const same = isFloat ? Math.abs(is - right) <= 1e-9 * Math.abs(right) : is === right;
    return same ? [] : [`${what}: ${name} is ${JSON.stringify(is)}, not ${right}`];
  });
}

function wrongOf(bucket: Json, expected: Compared): string[] {
  const what = `${expected.slice} ${expected.from}`;
  return [
    ...wrong(bucket, { from: expected.from, to: expected.to, ...expected.now }, what),
    ...wrong(bucket.previous, expected.before, `${what}, before`),
    ...wrong(bucket.growth, expected.growth, `${what}, growth`),
    ...(expected.isComplete === (bucket.complete && bucket.previous.complete) ? [] : [`${what}: complete`]),
  ];
}

const whereOf = (slice: string) => (slice === "" ? "" : `where: {airport: {eq: ${JSON.stringify(slice)}}}, `);

/** Everything about every bucket of all slices. */
async function series(grain: string, period: string, [from, to]: readonly [string, string]): Promise<Json> {
  const asked = slices.map(
    (slice, i) => `s${i}: strikeActivity(${whereOf(slice)}${rangeOf(from, to)}) { series(grain: ${grain}) {
      from to complete ${fields} previous(period: ${period}) { from to complete ${fields} } growth(over: ${period}) { ${fields} } } }`,
  );
  const answer = await ask(demo.url, `{ ${asked.join("\n")} }`);
  expect(answer.errors).toBeUndefined();
  return answer;
}

const previousRange = ["f - (t - f)", "f"] as const;
const back = (interval: string) => [`f - INTERVAL ${interval}`, `t - INTERVAL ${interval}`] as const;

test.for([
  ["MONTH", "YEAR", allYears, "1 MONTH", back("1 YEAR")],
  ["MONTH", "MONTH", allYears, "1 MONTH", back("1 MONTH")],
  ["MONTH", "QUARTER", allYears, "1 MONTH", back("3 MONTH")],
  ["MONTH", "PREVIOUS", allYears, "1 MONTH", previousRange],
  ["QUARTER", "QUARTER", allYears, "3 MONTH", back("3 MONTH")],
  ["QUARTER", "YEAR", allYears, "3 MONTH", back("1 YEAR")],
  ["YEAR", "YEAR", allYears, "1 YEAR", back("1 YEAR")],
  ["WEEK", "WEEK", someWeeks, "7 DAY", back("7 DAY")],
  ["WEEK", "YEAR_WEEKDAY", someWeeks, "7 DAY", back("364 DAY")],
  ["DAY", "DAY", ["2000-02-01", "2001-04-01"], "1 DAY", back("1 DAY")],
  ["DAY", "YEAR_WEEKDAY", ["2000-02-01", "2001-04-01"], "1 DAY", back("364 DAY")],
  ["DAY", "PREVIOUS", ["2000-02-01", "2000-04-01"], "1 DAY", previousRange],
] as const)("by %s over %s: the whole and ten airports", async ([grain, period, range, step, before]) => {
  const answer = await series(grain, period, range);
  const expected = await truth.compared(slices, { buckets: stepped(range[0], range[1], step), before });
  for (const [i, slice] of slices.entries()) {
    const buckets = answer.data[`s${i}`].series as Json[];
    const right = expected.filter((each) => each.slice === slice);
    expect(buckets).toHaveLength(right.length);
    expect(right.flatMap((each, n) => wrongOf(buckets[n], each))).toEqual([]);
  }
  const strikes = expected.map(({ growth }) => growth.strikes);
  expect(strikes.some((growth) => growth !== null && growth !== 0)).toBe(true);
  expect(answer.extensions.sluice.provenance.map(({ source }: Json) => source)).not.toContain("ATHENA");
  expect(demo.count.statements()).toEqual([]);
});

describe("leap days and month ends", () => {
  test.each([
    ["2000-02-28", "2000-02-29", "YEAR", "1999-02-28", "1999-03-01"],
    ["2000-02-29", "2000-03-01", "YEAR", "1999-02-28", "1999-03-01"],
    ["2001-02-01", "2001-03-01", "YEAR", "2000-02-01", "2000-03-01"],
    ["2000-02-01", "2000-03-01", "YEAR", "1999-02-01", "1999-03-01"],
    ["2001-03-31", "2001-04-01", "MONTH", "2001-02-28", "2001-03-01"],
    ["2000-03-30", "2000-03-31", "MONTH", "2000-02-29", "2000-03-01"],
    ["2001-03-15", "2001-05-31", "QUARTER", "2000-12-15", "2001-03-01"],
  ])("[%s, %s) over %s is compared with [%s, %s)", async (from, to, period, beforeFrom, beforeTo) => {
    const query = `{ strikeActivity(${rangeOf(from, to)}) { from to complete ${fields}
      previous(period: ${period}) { from to complete ${fields} } growth(over: ${period}) { ${fields} } } }`;
    const [expected] = await truth.compared([""], {
      buckets: `SELECT TIMESTAMP '${from}' AS f, TIMESTAMP '${to}' AS t`,
      before: [`TIMESTAMP '${beforeFrom}'`, `TIMESTAMP '${beforeTo}'`],
    });
    const answer = await ask(demo.url, query);
    expect(wrongOf(answer.data.strikeActivity, expected!)).toEqual([]);
    expect(expected!.growth.strikes).not.toBeNull();
  });

  test("buckets of a leap February, two of which are compared with one day", async () => {
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${rangeOf("2000-02-27", "2000-03-02")}) { series(grain: DAY) { from previous(period: YEAR) { from to p99Cost } } } }`,
    );
    expect(answer.data.strikeActivity.series.map(({ previous }: Json) => previous.from.slice(0, 10))).toEqual(
      ["1999-02-27", "1999-02-28", "1999-02-28", "1999-03-01"],
    );
    const days = answer.data.strikeActivity.series.map(({ previous }: Json) => previous.p99Cost);
    const [first, second, fourth] = await truth.figures(
      `SELECT ${["02-27", "02-28", "03-01"].map((day) => `(SELECT max(cost) FROM strikes WHERE date = '1999-${day}')`).join(", ")}`,
    );
    // the 99th percentile of less than a hundred is the largest
    expect(days).toEqual([first, second, second, fourth]);
    expect(demo.count.statements()).toHaveLength(1);
  });
});

describe("a growth is null, and nothing is asked for it,", () => {
  const growth = `growth(over: YEAR) { ${fields} }`;
  const nothing = Object.fromEntries(measures.map((name) => [name, null]));

  test.each([
    ["where the earlier range begins before the coverage", rangeOf("1990-12-31", "1992-01-01")],
    ["where the range ends after the coverage", rangeOf("2001-01-01", "2002-08-02")],
    ["over everything", `where: {}`],
  ])("%s", async (_, args) => {
    const answer = await ask(demo.url, `{ strikeActivity(${args}) { ${growth} } }`);
    expect(answer.errors).toBeUndefined();
    expect(answer.data.strikeActivity.growth).toEqual(nothing);
    expect(answer.extensions.sluice.provenance).toEqual([]);
  });

  test("where Athena would have to answer for an incomplete range", async () => {
    const large = `where: {wildlifeSize: {eq: "Large"}}`;
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${large}, ${rangeOf("2002-01-01", "2003-01-01")}) { ${growth} } }`,
    );
    expect(answer.data.strikeActivity.growth).toEqual(nothing);
    expect(demo.count.statements()).toEqual([]);
  });

  test("but not where both ranges just fit", async () => {
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${rangeOf("1991-01-01", "2002-08-01")}) { growth(over: YEAR) { strikes } } }`,
    );
    const [now, before] = await truth.figures(
      `SELECT count(*) FILTER (WHERE date >= '1991-01-01'), count(*) FILTER (WHERE date < '2001-08-01') FROM strikes`,
    );
    expect(answer.data.strikeActivity.growth.strikes).toBeCloseTo((now! - before!) / before!, 9);
  });
});

test("a range that would begin before the year 1 is refused", async () => {
  const early = `range: {from: "0001-01-01T00:00:00Z", to: "2000-01-01T00:00:00Z"}`;
  const answer = await ask(
    demo.url,
    `{ strikeActivity(${early}) { strikes previous(period: DAY) { strikes } } }`,
  );
  expect(answer.data.strikeActivity.strikes).toBeGreaterThan(0);
  expect(answer.errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
    [["strikeActivity", "previous"], "BAD_USER_INPUT"],
  ]);
});

describe("what no rollup answers", () => {
  test("is compared by one statement: an unstored slice, its growth, its previous, another beside it", async () => {
    const [sizes, range] = [`where: {wildlifeSize: {eq: "Large"}}`, rangeOf("2000-01-01", "2001-01-01")];
    const answer = await ask(
      demo.url,
      `{ large: strikeActivity(${sizes}, ${range}) { strikes growth(over: YEAR) { strikes damageCost } previous(period: MONTH) { strikes } }
        all: strikeActivity(${range}) { strikes p99Cost previous(period: YEAR) { strikes p99Cost } } }`,
    );
    expect(answer.errors).toBeUndefined();
    const large = (from: string, to: string) =>
      `FILTER (WHERE size = 'Large' AND date >= '${from}' AND date < '${to}')`;
    const [now, before, cost, costBefore, month] = await truth.figures(`SELECT
      count(*) ${large("2000-01-01", "2001-01-01")}, count(*) ${large("1999-01-01", "2000-01-01")},
      sum(cost) ${large("2000-01-01", "2001-01-01")}, sum(cost) ${large("1999-01-01", "2000-01-01")},
      count(*) ${large("1999-12-01", "2000-12-01")} FROM strikes`);
    const { growth, previous, strikes } = answer.data.large;
    expect([strikes, previous.strikes]).toEqual([now, month]);
    expect(growth.strikes).toBeCloseTo((now! - before!) / before!, 9);
    expect(growth.damageCost).toBeCloseTo((cost! - costBefore!) / costBefore!, 9);
    expect(demo.count.statements()).toHaveLength(1);
    expect(answer.extensions.sluice.provenance).toContainEqual(
      expect.objectContaining({ path: "large.growth", fields: ["strikes", "damageCost"], source: "ATHENA" }),
    );
  });

  test("stands in two questions for a hundred and fifty months and their years before", async () => {
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${rangeOf("1990-01-01", "2002-08-01")}) { series(grain: MONTH) { from p99Cost previous(period: YEAR) { from p99Cost } } } }`,
    );
    const expected = await truth.p99ByMonth();
    const months = answer.data.strikeActivity.series as Json[];
    expect(months).toHaveLength(151);
    for (const month of [...months, ...months.map(({ previous }) => previous)])
      expect([month.from, month.p99Cost]).toEqual([month.from, expected.get(month.from.slice(0, 7)) ?? null]);
    const [statement, ...others] = demo.count.statements();
    expect(others).toEqual([]);
    expect(statement).toContain("UNNEST(ARRAY[1, 2])");
  });

  test("is right in the months that a range cuts, and in those that its shift cuts elsewhere", async () => {
    const cut = rangeOf("2000-12-30", "2001-03-31");
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${cut}) { series(grain: MONTH) { previous(period: MONTH) { from to p99Cost } } } }`,
    );
    const ranges = [
      ["2000-11-30", "2000-12-01"],
      ["2000-12-01", "2001-01-01"],
      ["2001-01-01", "2001-02-01"],
      ["2001-02-01", "2001-03-01"],
    ] as const;
    const expected = await truth.figures(
      `SELECT ${ranges.map(([from, to]) => `(SELECT list_sort(list(cost))[ceil(count(*) * 99 / 100)::INT] FROM strikes WHERE date >= '${from}' AND date < '${to}')`).join(", ")}`,
    );
    expect(answer.data.strikeActivity.series.map(({ previous }: Json) => previous)).toEqual(
      ranges.map(([from, to], i) => ({
        from: `${from}T00:00:00.000Z`,
        to: `${to}T00:00:00.000Z`,
        p99Cost: expected[i],
      })),
    );
    expect(demo.count.statements()).toHaveLength(1);
  });

  test("of months beside the range before each is asked for month by month, in one statement", async () => {
    const answer = await ask(
      demo.url,
      `{ strikeActivity(${rangeOf("2000-01-01", "2001-01-01")}) { series(grain: MONTH) { previous(period: PREVIOUS) { from to p99Cost } } } }`,
    );
    const months = answer.data.strikeActivity.series as Json[];
    const expected = await truth.figures(
      `SELECT ${months.map(({ previous: { from, to } }) => `(SELECT list_sort(list(cost))[ceil(count(*) * 99 / 100)::INT] FROM strikes WHERE date >= '${from}'::TIMESTAMP AND date < '${to}'::TIMESTAMP)`).join(", ")}`,
    );
    expect(months.map(({ previous }) => previous.p99Cost)).toEqual(expected);
    expect(demo.count.statements()).toHaveLength(1);
  });
});

test("identities differ, and provenance tells of both sides under the growth", async () => {
  const answer = await ask(
    demo.url,
    `{ strikeActivity(${rangeOf("2001-01-01", "2002-01-01")}) { id previous(period: YEAR) { id previous(period: YEAR) { id } } growth(over: YEAR) { strikes meanCost } } }`,
  );
  const { id, previous } = answer.data.strikeActivity;
  expect(new Set([id, previous.id, previous.previous.id]).size).toBe(3);
  expect(answer.extensions.sluice.provenance).toEqual([
    {
      path: "strikeActivity.growth",
      fields: ["strikes", "meanCost"],
      source: "EDITION",
      through: "2002-01-01T00:00:00.000Z",
      edition: expect.any(String) as string,
    },
  ]);
});
