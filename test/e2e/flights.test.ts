/**
 * The main job, end to end: three million flights from the lake, the last days through the stream, every number held
 * against plain DuckDB over the original file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Client } from "graphql-ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlightActivity } from "../../products/flights.ts";
import { type Answer, ask, data, follow, type Following, type Json, socket } from "./client.ts";
import { type Demo, startDemo } from "./demo.ts";
import { flightsOracle, type Oracle } from "./oracle.ts";

const heldBackFrom = "2001-06-28T00:00:00Z";
const wholeFile = `range: {from: "2001-01-01T00:00:00Z", to: "2001-07-02T00:00:00Z"}`;
const inLake = `range: {from: "2001-01-01T00:00:00Z", to: "${heldBackFrom}"}`;
const stored = "flights delayMinutes distanceMiles lateFlights maxDelay meanDelay lateShare";
const storedSql = `count(*) AS flights, coalesce(sum(delay), 0) AS "delayMinutes", coalesce(sum(distance), 0) AS "distanceMiles",
  count(*) FILTER (WHERE delay >= 15) AS "lateFlights", max(delay) AS "maxDelay",
  sum(delay) / count(*) AS "meanDelay", count(*) FILTER (WHERE delay >= 15) / count(*) AS "lateShare"`;

let folder: string;
let demo: Demo;
let url: string;
let oracle: Oracle;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-e2e-"));
  [demo, oracle] = await Promise.all([startDemo(folder, FlightActivity), flightsOracle()]);
  url = demo.url;
});

afterAll(async () => {
  await demo?.close();
  oracle?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Floats are compared to 1e-9 relative, everything else exactly. */
function expectSame(actual: Json, expected: Record<string, number | string | null>): void {
  for (const [name, value] of Object.entries(expected)) {
    if (typeof value === "number" && !Number.isInteger(value))
      expect(Math.abs(actual[name] - value)).toBeLessThanOrEqual(1e-9 * Math.abs(value));
    else expect({ [name]: actual[name] }).toEqual({ [name]: value });
  }
}

const between = (from: string, to: string): string =>
  `date >= TIMESTAMP '${from}' AND date < TIMESTAMP '${to}'`;

describe("what the editions hold, before anything is replayed", () => {
  it("answers the totals from the edition", async () => {
    const answer = await ask(url, `{ flightActivity(${inLake}) { ${stored} complete } }`);
    expect(answer.errors).toBeUndefined();
    expectSame(
      answer.data.flightActivity,
      await oracle.row(`SELECT ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28'`),
    );
    expect(answer.data.flightActivity.complete).toBe(true);
    expect(answer.extensions.sluice.provenance).toEqual([
      expect.objectContaining({
        path: "flightActivity",
        source: "EDITION",
        through: "2001-06-28T00:00:00.000Z",
        fields: stored.split(" "),
      }),
    ]);
  });

  it("answers ten origins, each by itself and all together", async () => {
    const expected = await oracle.rows(
      `SELECT origin, ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY origin ORDER BY count(*) DESC, origin LIMIT 10`,
    );
    const aliases = expected.map(
      ({ origin }) =>
        `${origin}: flightActivity(where: {origin: {eq: "${origin}"}}, ${inLake}) { origin destination ${stored} }`,
    );
    const answers = await data(url, `{ ${aliases.join("\n")} }`);
    for (const row of expected) expectSame(answers[row.origin as string], { ...row, destination: null });
    const list = JSON.stringify(expected.map(({ origin }) => origin));
    const together = await data(
      url,
      `{ flightActivity(where: {origin: {in: ${list}}}, ${inLake}) { flights delayMinutes maxDelay } }`,
    );
    expect(together.flightActivity.flights).toBe(
      expected.reduce((sum, { flights }) => sum + Number(flights), 0),
    );
    expect(together.flightActivity.maxDelay).toBe(
      Math.max(...expected.map(({ maxDelay }) => Number(maxDelay))),
    );
  });

  it("answers ten routes", async () => {
    const expected = await oracle.rows(
      `SELECT origin, destination, ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY ALL ORDER BY count(*) DESC, origin, destination LIMIT 10`,
    );
    const aliases = expected.map(
      ({ origin, destination }) =>
        `${origin}_${destination}: flightActivity(where: {origin: {eq: "${origin}"}, destination: {eq: "${destination}"}}, ${inLake}) { origin destination ${stored} }`,
    );
    const answers = await data(url, `{ ${aliases.join("\n")} }`);
    for (const row of expected) expectSame(answers[`${row.origin}_${row.destination}`], row);
  });

  it("answers hourly and daily series, empty buckets included", async () => {
    const from = "2001-02-27 00:00:00";
    const to = "2001-03-03 00:00:00";
    const range = `range: {from: "2001-02-27T00:00:00Z", to: "2001-03-03T00:00:00Z"}`;
    const series = await data(
      url,
      `{ flightActivity(where: {origin: {eq: "ORD"}}, ${range}) { hourly: series(grain: HOUR) { from to flights delayMinutes } daily: series(grain: DAY) { from flights distanceMiles maxDelay } } }`,
    );
    for (const [grain, name, width] of [
      ["hour", "hourly", "1 HOUR"],
      ["day", "daily", "1 DAY"],
    ] as const) {
      const expected =
        await oracle.rows(`SELECT b AS "from", count(f.date) AS flights, ${grain === "hour" ? `coalesce(sum(delay), 0) AS "delayMinutes"` : `coalesce(sum(distance), 0) AS "distanceMiles", max(delay) AS "maxDelay"`}
        FROM range(TIMESTAMP '${from}', TIMESTAMP '${to}', INTERVAL ${width}) AS r(b)
        LEFT JOIN flights f ON date_trunc('${grain}', f.date) = b AND f.origin = 'ORD' GROUP BY b ORDER BY b`);
      const buckets = series.flightActivity[name];
      expect(buckets).toHaveLength(expected.length);
      expected.forEach((row, i) => expectSame(buckets[i], row));
    }
    expect(series.flightActivity.hourly.some(({ flights }: Json) => flights === 0)).toBe(true);
  });

  it("answers a daily series over half a year and a weekly one with cut edges", async () => {
    const answer = await data(
      url,
      `{ flightActivity(${inLake}) { daily: series(grain: DAY) { from flights } weekly: series(grain: WEEK) { from to flights } } }`,
    );
    const days = await oracle.rows(
      `SELECT date_trunc('day', date)::TIMESTAMP AS "from", count(*) AS flights FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY 1 ORDER BY 1`,
    );
    const weeks = await oracle.rows(
      `SELECT count(*) AS flights FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY date_trunc('week', date) ORDER BY date_trunc('week', date)`,
    );
    expect(answer.flightActivity.daily).toEqual(days);
    expect(answer.flightActivity.weekly.map(({ flights }: Json) => ({ flights }))).toEqual(weeks);
    expect(answer.flightActivity.weekly.at(-1).to).toBe("2001-06-28T00:00:00.000Z");
  });

  it("answers ranges that start and end inside a day: on hours from the edition, on minutes from Athena", async () => {
    const answer = await ask(
      url,
      `{
      hours: flightActivity(range: {from: "2001-03-03T05:00:00Z", to: "2001-05-17T19:00:00Z"}) { ${stored} }
      minutes: flightActivity(range: {from: "2001-03-03T05:17:00Z", to: "2001-03-09T19:43:00Z"}) { ${stored} }
      route: flightActivity(where: {origin: {eq: "ORD"}, destination: {eq: "LAX"}}, range: {from: "2001-03-03T05:00:00Z", to: "2001-03-09T19:00:00Z"}) { ${stored} }
    }`,
    );
    expect(answer.errors).toBeUndefined();
    expectSame(
      answer.data.hours,
      await oracle.row(
        `SELECT ${storedSql} FROM flights WHERE ${between("2001-03-03 05:00:00", "2001-05-17 19:00:00")}`,
      ),
    );
    expectSame(
      answer.data.minutes,
      await oracle.row(
        `SELECT ${storedSql} FROM flights WHERE ${between("2001-03-03 05:17:00", "2001-03-09 19:43:00")}`,
      ),
    );
    expectSame(
      answer.data.route,
      await oracle.row(
        `SELECT ${storedSql} FROM flights WHERE origin = 'ORD' AND destination = 'LAX' AND ${between("2001-03-03 05:00:00", "2001-03-09 19:00:00")}`,
      ),
    );
    const sources = answer.extensions.sluice.provenance.map(({ path, source }: Json) => [path, source]);
    expect(sources).toEqual(
      expect.arrayContaining([
        ["hours", "EDITION"],
        ["minutes", "ATHENA"],
        ["route", "ATHENA"],
      ]),
    );
    expect(sources).toHaveLength(3);
  });

  it("answers any filter on any column, and ad-hoc series by bucket", async () => {
    const answer = await data(
      url,
      `{
      long: flightActivity(where: {distance: {gte: 2000}, destination: {startsWith: "S"}}, range: {from: "2001-04-01T00:00:00Z", to: "2001-05-01T00:00:00Z"}) { flights delayMinutes medianDelay destinations }
      byDay: flightActivity(where: {origin: {eq: "ATL"}}, range: {from: "2001-04-01T06:00:00Z", to: "2001-04-04T12:00:00Z"}) { series(grain: DAY) { flights p90Delay } }
    }`,
    );
    expectSame(
      answer.long,
      await oracle.row(`SELECT count(*) AS flights, sum(delay) AS "delayMinutes", quantile_disc(delay, 0.5) AS "medianDelay", count(DISTINCT destination) AS destinations
      FROM flights WHERE distance >= 2000 AND destination LIKE 'S%' AND ${between("2001-04-01", "2001-05-01")}`),
    );
    const days = await oracle.rows(
      `SELECT count(*) AS flights, quantile_disc(delay, 0.9) AS "p90Delay" FROM flights WHERE origin = 'ATL' AND ${between("2001-04-01 06:00:00", "2001-04-04 12:00:00")} GROUP BY date_trunc('day', date) ORDER BY date_trunc('day', date)`,
    );
    expect(answer.byDay.series).toEqual(days);
  });

  it("mixes stored and ad-hoc fields over twenty aliases in one statement and at most two reads", async () => {
    const origins = ["ORD", "LAX", "ATL", "DFW", "PHX", "DEN", "SFO", "LAS", "DTW", "MSP"];
    const slices = origins.flatMap((origin, i) => [
      {
        alias: `a${i}`,
        where: `origin = '${origin}'`,
        filter: `where: {origin: {eq: "${origin}"}}`,
        from: `2001-0${1 + (i % 3)}-0${1 + (i % 9)}T0${i % 10}:00:00`,
        to: `2001-04-1${i % 10}T1${i % 10}:00:00`,
      },
      {
        alias: `b${i}`,
        where: "TRUE",
        filter: "",
        from: `2001-05-0${1 + (i % 9)}T00:00:00`,
        to: `2001-05-2${i % 10}T0${i}:00:00`,
      },
    ]);
    demo.count.reset();
    const answer = await ask(
      url,
      `{ ${slices.map(({ alias, filter, from, to }) => `${alias}: flightActivity(${filter} range: {from: "${from}Z", to: "${to}Z"}) { flights delayMinutes p90Delay destinations }`).join("\n")} }`,
    );
    expect(answer.errors).toBeUndefined();
    for (const { alias, where, from, to } of slices)
      expectSame(
        answer.data[alias],
        await oracle.row(
          `SELECT count(*) AS flights, sum(delay) AS "delayMinutes", quantile_disc(delay, 0.9) AS "p90Delay", count(DISTINCT destination) AS destinations FROM flights WHERE ${where} AND ${between(from, to)}`,
        ),
      );
    expect(demo.count.of("StartQueryExecutionCommand")).toBe(1);
    expect(demo.count.of("BatchGetCommand") + demo.count.of("BatchGetItemCommand")).toBeLessThanOrEqual(2);
    const scanned = answer.extensions.sluice.provenance.find(
      ({ source }: Json) => source === "ATHENA",
    ).bytesScanned;
    const days = [...dayRange("2001-01-01", "2001-04-19"), ...dayRange("2001-05-01", "2001-05-29")];
    const union = await columnBytes(demo.lakeFolder, days, ["date", "delay", "origin", "destination"]);
    expect(scanned).toBeGreaterThan(0);
    expect(scanned).toBeLessThanOrEqual(1.1 * union);
  });
});

describe("the replay", () => {
  let client: Client;
  let ord: Following;
  let feed: Following;

  beforeAll(async () => {
    client = socket(`${url}`);
    ord = follow(
      client,
      `subscription { flightActivityUpdated(where: {origin: {eq: "ORD"}}) { id origin from to flights delayMinutes } }`,
    );
    feed = follow(
      client,
      `subscription { flightFeed { cursor events { id date delay distance origin destination } } }`,
    );
    await ord.until(({ length }) => length > 0, "the snapshot");
    await demo.replay();
  });

  afterAll(() => client.dispose());

  it("brings every held-back event to the feed once, as it was", async () => {
    const truth = await oracle.row(
      `SELECT count(*) AS flights, sum(delay) AS delay, sum(distance) AS distance, count(DISTINCT origin || destination) AS routes FROM flights WHERE date >= TIMESTAMP '2001-06-28'`,
    );
    const events = (): Json[] => feed.messages.flatMap(({ data: page }) => page.flightFeed.events);
    await feed.until(() => events().length >= Number(truth.flights), "all events of the feed");
    const all = events();
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const sum = (column: string): number => all.reduce((total, event) => total + event[column], 0);
    expect({
      flights: all.length,
      delay: sum("delay"),
      distance: sum("distance"),
      routes: new Set(all.map((event) => event.origin + event.destination)).size,
    }).toEqual(truth);
    expect(
      Math.max(...feed.messages.map(({ data: page }) => page.flightFeed.events.length)),
    ).toBeLessThanOrEqual(100);
  });

  it("shows a subscriber the snapshot, then increasing states that end at what the query says", async () => {
    const query = `{ flightActivity(where: {origin: {eq: "ORD"}}) { id origin from to flights delayMinutes } }`;
    const final = await data(url, query);
    await ord.until(
      (messages) => messages.at(-1)!.data.flightActivityUpdated.flights === final.flightActivity.flights,
      "the final state",
    );
    const states = ord.messages.map(({ data: state }) => state.flightActivityUpdated.flights);
    const inEditions = await oracle.row(
      `SELECT count(*) AS flights FROM flights WHERE origin = 'ORD' AND date < TIMESTAMP '2001-06-28'`,
    );
    expect(states[0]).toBe(inEditions.flights);
    expect(states).toEqual([...states].sort((a, b) => a - b));
    expect(states.length).toBeGreaterThan(2);
    expect(ord.messages.at(-1)!.data.flightActivityUpdated).toEqual(final.flightActivity);
    expectSame(
      final.flightActivity,
      await oracle.row(
        `SELECT count(*) AS flights, sum(delay) AS "delayMinutes" FROM flights WHERE origin = 'ORD'`,
      ),
    );
  });

  it("answers the whole file, part from editions, part live", async () => {
    const answer = await ask(url, wholeFileQuery);
    await expectWholeFile(answer);
    const sources = sourcesOf(answer, "total");
    expect(sources).toEqual(["EDITION", "LIVE"]);
  });

  it("refreshes: the same numbers, all from editions, also ad hoc", async () => {
    const before = await ask(url, wholeFileQuery);
    await demo.refresh();
    const after = await ask(url, wholeFileQuery);
    await expectWholeFile(after);
    expect(after.data).toEqual(before.data);
    expect(sourcesOf(after, "total")).toEqual(["EDITION"]);
    expect(sourcesOf(after, "route")).toEqual(["EDITION"]);
    const { products } = await data(
      url,
      `{ products { name coverage { from to liveTo } editions { current rows } } }`,
    );
    expect(products[0].coverage).toEqual({
      from: "2001-01-01T00:00:00.000Z",
      to: "2001-07-02T00:00:00.000Z",
      liveTo: "2001-07-02T00:00:00.000Z",
    });
    expect(products[0].editions.map(({ current, rows }: Json) => [current, rows])).toEqual([
      [true, 3_000_000],
      [false, 2_949_398],
    ]);
    const both = await data(
      url,
      `{ flightActivity(range: {from: "2001-06-27T00:00:00Z", to: "2001-07-02T00:00:00Z"}) { flights medianDelay } asked: flightActivity(where: {distance: {gte: 0}}, range: {from: "2001-06-27T00:00:00Z", to: "2001-07-02T00:00:00Z"}) { flights } }`,
    );
    const truth = await oracle.row(
      `SELECT count(*) AS flights, quantile_disc(delay, 0.5) AS "medianDelay" FROM flights WHERE date >= TIMESTAMP '2001-06-27'`,
    );
    expectSame(both.flightActivity, truth);
    expect(both.asked.flights).toBe(truth.flights);
  });

  it("finds nothing to do in a second refresh", async () => {
    demo.count.reset();
    expect(await demo.refresh()).toMatchObject({ changed: [] });
    expect(demo.count.of("StartQueryExecutionCommand")).toBe(0);
  });

  const wholeFileQuery = `{
    total: flightActivity(${wholeFile}) { ${stored} complete }
    ord: flightActivity(where: {origin: {eq: "ORD"}}, ${wholeFile}) { ${stored} }
    route: flightActivity(where: {origin: {eq: "ORD"}, destination: {eq: "LAX"}}, ${wholeFile}) { ${stored} }
    last: flightActivity(range: {last: "PT25H"}) { from to flights series(grain: HOUR) { flights } }
  }`;

  async function expectWholeFile(answer: Answer): Promise<void> {
    expect(answer.errors).toBeUndefined();
    expectSame(answer.data.total, await oracle.row(`SELECT ${storedSql} FROM flights`));
    expectSame(answer.data.ord, await oracle.row(`SELECT ${storedSql} FROM flights WHERE origin = 'ORD'`));
    expectSame(
      answer.data.route,
      await oracle.row(`SELECT ${storedSql} FROM flights WHERE origin = 'ORD' AND destination = 'LAX'`),
    );
    expect(answer.data.total.complete).toBe(true);
    expect(answer.data.last).toMatchObject({
      from: "2001-06-30T00:00:00.000Z",
      to: "2001-07-01T01:00:00.000Z",
    });
    expectSame(
      answer.data.last,
      await oracle.row(`SELECT count(*) AS flights FROM flights WHERE date >= TIMESTAMP '2001-06-30'`),
    );
  }

  function sourcesOf({ extensions }: Answer, path: string): string[] {
    return extensions.sluice.provenance
      .filter((entry: Json) => entry.path === path)
      .map(({ source }: Json) => source);
  }
});

function dayRange(first: string, last: string): string[] {
  const days: string[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

/** The compressed bytes of some columns of some partitions, read from the Parquet footers by DuckDB. */
async function columnBytes(
  lake: string,
  days: readonly string[],
  columns: readonly string[],
): Promise<number> {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  const files = days.map((day) => `'${lake}/aviation/flights/day=${day}/*.parquet'`);
  const names = columns.map((column) => `'${column}'`);
  const result = await duck.runAndReadAll(
    `SELECT sum(total_compressed_size) FROM parquet_metadata([${files.join(", ")}]) WHERE path_in_schema IN (${names.join(", ")})`,
  );
  instance.closeSync();
  return Number(result.getRows()[0]![0]);
}
