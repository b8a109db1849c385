/** What the editions hold, and what Athena adds to them, before anything is replayed. */
import { describe, expect, it } from "vitest";
import { ask, data, type Json } from "./client.ts";
import {
  between,
  columnBytes,
  dayRange,
  expectSame,
  inLake,
  type Stage,
  stored,
  storedSql,
} from "./truth.ts";

export function editionsSuite(stage: () => Stage): void {
  describe("what the editions hold, before anything is replayed", () => {
    it("answers the totals from the edition", async () => {
      const answer = await ask(stage().demo.url, `{ flightActivity(${inLake}) { ${stored} complete } }`);
      expect(answer.errors).toBeUndefined();
      expectSame(
        answer.data.flightActivity,
        await stage().oracle.row(`SELECT ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28'`),
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
      const expected = await stage().oracle.rows(
        `SELECT origin, ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY origin ORDER BY count(*) DESC, origin LIMIT 10`,
      );
      const aliases = expected.map(
        ({ origin }) =>
          `${origin}: flightActivity(where: {origin: {eq: "${origin}"}}, ${inLake}) { origin destination ${stored} }`,
      );
      const answers = await data(stage().demo.url, `{ ${aliases.join("\n")} }`);
      for (const row of expected) expectSame(answers[row.origin as string], { ...row, destination: null });
      const list = JSON.stringify(expected.map(({ origin }) => origin));
      const together = await data(
        stage().demo.url,
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
      const expected = await stage().oracle.rows(
        `SELECT origin, destination, ${storedSql} FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY ALL ORDER BY count(*) DESC, origin, destination LIMIT 10`,
      );
      const aliases = expected.map(
        ({ origin, destination }) =>
          `${origin}_${destination}: flightActivity(where: {origin: {eq: "${origin}"}, destination: {eq: "${destination}"}}, ${inLake}) { origin destination ${stored} }`,
      );
      const answers = await data(stage().demo.url, `{ ${aliases.join("\n")} }`);
      for (const row of expected) expectSame(answers[`${row.origin}_${row.destination}`], row);
    });

    it("answers hourly and daily series, empty buckets included", async () => {
      const from = "2001-02-27 00:00:00";
      const to = "2001-03-03 00:00:00";
      const range = `range: {from: "2001-02-27T00:00:00Z", to: "2001-03-03T00:00:00Z"}`;
      const series = await data(
        stage().demo.url,
        `{ flightActivity(where: {origin: {eq: "ORD"}}, ${range}) { hourly: series(grain: HOUR) { from to flights delayMinutes } daily: series(grain: DAY) { from flights distanceMiles maxDelay } } }`,
      );
      for (const [grain, name, width] of [
        ["hour", "hourly", "1 HOUR"],
        ["day", "daily", "1 DAY"],
      ] as const) {
        const expected =
          await stage().oracle.rows(`SELECT b AS "from", count(f.date) AS flights, ${grain === "hour" ? `coalesce(sum(delay), 0) AS "delayMinutes"` : `coalesce(sum(distance), 0) AS "distanceMiles", max(delay) AS "maxDelay"`}
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
        stage().demo.url,
        `{ flightActivity(${inLake}) { daily: series(grain: DAY) { from flights } weekly: series(grain: WEEK) { from to flights } } }`,
      );
      const days = await stage().oracle.rows(
        `SELECT date_trunc('day', date)::TIMESTAMP AS "from", count(*) AS flights FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY 1 ORDER BY 1`,
      );
      const weeks = await stage().oracle.rows(
        `SELECT count(*) AS flights FROM flights WHERE date < TIMESTAMP '2001-06-28' GROUP BY date_trunc('week', date) ORDER BY date_trunc('week', date)`,
      );
      expect(answer.flightActivity.daily).toEqual(days);
      expect(answer.flightActivity.weekly.map(({ flights }: Json) => ({ flights }))).toEqual(weeks);
      expect(answer.flightActivity.weekly.at(-1).to).toBe("2001-06-28T00:00:00.000Z");
    });

    it("answers ranges that start and end inside a day: on hours from the edition, on minutes from Athena", async () => {
      const answer = await ask(
        stage().demo.url,
        `{
      hours: flightActivity(range: {from: "2001-03-03T05:00:00Z", to: "2001-05-17T19:00:00Z"}) { ${stored} }
      minutes: flightActivity(range: {from: "2001-03-03T05:17:00Z", to: "2001-03-09T19:43:00Z"}) { ${stored} }
      route: flightActivity(where: {origin: {eq: "ORD"}, destination: {eq: "LAX"}}, range: {from: "2001-03-03T05:00:00Z", to: "2001-03-09T19:00:00Z"}) { ${stored} }
    }`,
      );
      expect(answer.errors).toBeUndefined();
      expectSame(
        answer.data.hours,
        await stage().oracle.row(
          `SELECT ${storedSql} FROM flights WHERE ${between("2001-03-03 05:00:00", "2001-05-17 19:00:00")}`,
        ),
      );
      expectSame(
        answer.data.minutes,
        await stage().oracle.row(
          `SELECT ${storedSql} FROM flights WHERE ${between("2001-03-03 05:17:00", "2001-03-09 19:43:00")}`,
        ),
      );
      expectSame(
        answer.data.route,
        await stage().oracle.row(
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
        stage().demo.url,
        `{
      long: flightActivity(where: {distance: {gte: 2000}, destination: {startsWith: "S"}}, range: {from: "2001-04-01T00:00:00Z", to: "2001-05-01T00:00:00Z"}) { flights delayMinutes medianDelay destinations }
      byDay: flightActivity(where: {origin: {eq: "ATL"}}, range: {from: "2001-04-01T06:00:00Z", to: "2001-04-04T12:00:00Z"}) { series(grain: DAY) { flights p90Delay } }
    }`,
      );
      expectSame(
        answer.long,
        await stage().oracle.row(`SELECT count(*) AS flights, sum(delay) AS "delayMinutes", quantile_disc(delay, 0.5) AS "medianDelay", count(DISTINCT destination) AS destinations
      FROM flights WHERE distance >= 2000 AND destination LIKE 'S%' AND ${between("2001-04-01", "2001-05-01")}`),
      );
      const days = await stage().oracle.rows(
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
      stage().demo.count.reset();
      const answer = await ask(
        stage().demo.url,
        `{ ${slices.map(({ alias, filter, from, to }) => `${alias}: flightActivity(${filter} range: {from: "${from}Z", to: "${to}Z"}) { flights delayMinutes p90Delay destinations }`).join("\n")} }`,
      );
      expect(answer.errors).toBeUndefined();
      for (const { alias, where, from, to } of slices)
        expectSame(
          answer.data[alias],
          await stage().oracle.row(
            `SELECT count(*) AS flights, sum(delay) AS "delayMinutes", quantile_disc(delay, 0.9) AS "p90Delay", count(DISTINCT destination) AS destinations FROM flights WHERE ${where} AND ${between(from, to)}`,
          ),
        );
      expect(stage().demo.count.of("StartQueryExecutionCommand")).toBe(1);
      expect(
        stage().demo.count.of("BatchGetCommand") + stage().demo.count.of("BatchGetItemCommand"),
      ).toBeLessThanOrEqual(2);
      const scanned = answer.extensions.sluice.provenance.find(
        ({ source }: Json) => source === "ATHENA",
      ).bytesScanned;
      const days = [...dayRange("2001-01-01", "2001-04-19"), ...dayRange("2001-05-01", "2001-05-29")];
      const union = await columnBytes(stage().demo.lakeFolder, days, [
        "date",
        "delay",
        "origin",
        "destination",
      ]);
      expect(scanned).toBeGreaterThan(0);
      expect(scanned).toBeLessThanOrEqual(1.1 * union);
    });
  });
}
