/** `previous` and `growth` where a stream still fills the range: an open month, and what subscribers see of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ask, follow, type Json, socket } from "../e2e/client.ts";
import { type Demo, startDemo } from "../e2e/demo.ts";
import { WeatherReport } from "../e2e/weather/weather.ts";

let folder: string;
let demo: Demo;
/** Days and rain by month, 2015-12, of the original file. */
let truth: Map<string, { days: number; rain: number }>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-kpi-live-"));
  [demo, truth] = await Promise.all([startDemo(folder, WeatherReport), byMonth()]);
});
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function byMonth(): Promise<typeof truth> {
  const file = fileURLToPath(
    new URL("../../node_modules/vega-datasets/data/seattle-weather.csv", import.meta.url),
  );
  const duck = await (await DuckDBInstance.create(":memory:")).connect();
  const result = await duck.runAndReadAll(
    `SELECT strftime(date, '%Y-%m'), count(*), sum(precipitation) FROM read_csv('${file}') GROUP BY 1`,
  );
  duck.closeSync();
  return new Map(
    result
      .getRowsJS()
      .map(([month, days, rain]) => [month as string, { days: Number(days), rain: Number(rain) }]),
  );
}

const december = `range: {from: "2015-12-01T00:00:00Z", to: "2016-01-01T00:00:00Z"}`;
/** After the last event, so that its own numbers never move. */
const january = `range: {from: "2016-01-01T00:00:00Z", to: "2016-02-01T00:00:00Z"}`;

describe("before the replay", () => {
  test("an open month is shown beside the one before, and has no growth", async () => {
    const answer = await ask(
      demo.url,
      `{ weatherReport(${december}) { complete days previous(period: MONTH) { complete days rain } growth(over: MONTH) { days rain } } }`,
    );
    expect(answer.errors).toBeUndefined();
    const { complete, days, previous, growth } = answer.data.weatherReport;
    expect([complete, days, previous.complete, previous.days]).toEqual([false, 0, true, 30]);
    expect(previous.rain).toBeCloseTo(truth.get("2015-11")!.rain, 9);
    expect(growth).toEqual({ days: null, rain: null });
  });

  test.each([
    [
      "an ad-hoc measure in a previous",
      `weatherReportUpdated(${december}) { previous(period: YEAR) { skies } }`,
    ],
    [
      "a previous of odd hours",
      `weatherReportUpdated(range: {from: "2015-12-01T00:00:00Z", to: "2016-02-10T05:00:00Z"}) { days previous(period: PREVIOUS) { days } }`,
    ],
    [
      "a growth over odd hours, in a series",
      `weatherReportUpdated(range: {from: "2015-12-01T00:00:00Z", to: "2016-02-10T05:00:00Z"}) { series(grain: YEAR) { ...Change } } } fragment Change on WeatherReport { growth(over: PREVIOUS) { days }`,
    ],
  ])("a subscription to %s is NOT_LIVE", async (_, field) => {
    const client = socket(demo.url);
    const following = follow(client, `subscription { ${field} }`);
    await expect(following.until(() => false, "nothing")).rejects.toThrow("NOT_LIVE");
    await client.dispose();
  });
});

test("with the replay the month closes, and subscribers see its growth and every earlier range move", async () => {
  const client = socket(demo.url);
  const own = follow(
    client,
    `subscription { weatherReportUpdated(${december}) { complete days growth(over: YEAR) { rain } } }`,
  );
  const [whole, bySeries] = [`previous(period: MONTH) { days }`, `series(grain: MONTH) { ...Before }`].map(
    (selection) =>
      follow(
        client,
        `subscription { weatherReportUpdated(${january}) { days ${selection} } } fragment Before on WeatherReport { previous(period: MONTH) { days } }`.replace(
          selection.includes("...") ? "" : / fragment.*/,
          "",
        ),
      ),
  );
  for (const following of [own, whole!, bySeries!])
    await following.until(({ length }) => length > 0, "the snapshot");
  expect(own.messages[0]!.data.weatherReportUpdated).toMatchObject({ days: 0, growth: { rain: null } });
  await demo.replay();
  const states = (following: typeof own): Json[] =>
    following.messages.map(({ data }) => data.weatherReportUpdated);
  await own.until(() => states(own).at(-1).complete === true, "the closed month");
  const [now, before] = [truth.get("2015-12")!, truth.get("2014-12")!];
  expect(states(own).at(-1).days).toBe(now.days);
  expect(states(own).at(-1).growth.rain).toBeCloseTo((now.rain - before.rain) / before.rain, 9);
  const open = states(own).filter(({ complete }) => !complete);
  expect(open.map(({ growth }) => growth.rain)).toEqual(open.map(() => null));
  await whole!.until(() => states(whole!).at(-1).previous.days === now.days, "the month before");
  await bySeries!.until(
    () => states(bySeries!).at(-1).series[0].previous.days === now.days,
    "the month before in the series",
  );
  expect(states(whole!).map(({ days }) => days)).toEqual(states(whole!).map(() => 0));
  await client.dispose();
});

test("after it the same is answered over HTTP, from the edition and live", async () => {
  const answer = await vi.waitFor(
    async () => {
      const found = await ask(
        demo.url,
        `{ weatherReport(range: {from: "2015-11-01T00:00:00Z", to: "2016-01-01T00:00:00Z"}) { series(grain: MONTH) { growth(over: MONTH) { days rain } } } }`,
      );
      expect(found.data.weatherReport.series[1].growth.days).not.toBeNull();
      return found;
    },
    { timeout: 30_000, interval: 100 },
  );
  const months = ["2015-10", "2015-11", "2015-12"].map((month) => truth.get(month)!);
  for (const [i, { growth }] of answer.data.weatherReport.series.entries()) {
    const [before, now] = [months[i]!, months[i + 1]!];
    expect(growth.days).toBeCloseTo((now.days - before.days) / before.days, 9);
    expect(growth.rain).toBeCloseTo((now.rain - before.rain) / before.rain, 9);
  }
  const sources = answer.extensions.sluice.provenance.map(({ path, source }: Json) => [path, source]);
  expect(sources).toEqual([
    ["weatherReport.series.growth", "EDITION"],
    ["weatherReport.series.growth", "LIVE"],
  ]);
});
