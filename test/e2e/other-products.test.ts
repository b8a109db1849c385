/** Other people's products: nothing of the demo in them, every number held against plain DuckDB over the original rows. */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { seeded } from "../property/random.ts";
import type { Row } from "../property/truth.ts";
import { ask, data, follow, type Json, socket } from "./client.ts";
import { folder } from "./other-declarations.ts";
import {
  expectEqual,
  expectRow,
  expectTrue,
  type Question,
  randomQuestion,
  sourceOf,
} from "./other-questions.ts";
import { pulseRows } from "./other-rows.ts";
import {
  echoActivity,
  pulseActivity,
  quietEcho,
  type Spec,
  thingActivity,
  thingMonth,
} from "./other-specs.ts";
import { startWorld, type World } from "./other-world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const perRequest = 8;

/** Asks `count` random questions, and checks where the answers came from. */
async function expectSame(
  spec: Spec,
  seed: number,
  count: number,
  options: { upTo?: string; only?: (question: Question) => boolean } = {},
): Promise<void> {
  const random = seeded(seed);
  for (let asked = 0; asked < count; asked += perRequest) {
    const questions = Array.from({ length: perRequest }, () => randomQuestion(random, spec)).filter(
      options.only ?? (() => true),
    );
    const answer = await expectTrue(world.url, world.truth, spec, questions, { adHoc: true, ...options });
    questions.forEach((question, i) => expectSource(spec, question, answer, `q${i}`));
  }
}

const isEdition = (source: string): boolean => source === "EDITION";

function expectSource(spec: Spec, question: Question, answer: Json, path: string): void {
  const entries = answer.extensions.sluice.provenance.filter((entry: Json) => entry.path === path);
  const [first] = Object.keys(spec.stored);
  const sources = entries
    .filter(({ fields }: Json) => fields.includes(first))
    .map(({ source }: Json) => source);
  const expected = sourceOf(spec, question);
  const context = JSON.stringify(question);
  const { from, to } = answer.data[path];
  const isCovered = from < spec.until && to > spec.from;
  // what has come since the coverage is known live
  const stored = sources.filter((source: string) => source !== "LIVE");
  if (expected === "EDITION")
    expectEqual(context, stored, isCovered ? ["EDITION"] : stored.filter(isEdition));
  // that nothing is covered is known from what is published
  if (expected === "ATHENA") expectEqual(context, sources, [isCovered ? "ATHENA" : "EDITION"]);
}

describe("a source without a stream", () => {
  it("answers random questions of the product with odd names as DuckDB does", () =>
    expectSame(thingActivity, 11, 80));
  it("answers those of a product by month without a total", () => expectSame(thingMonth, 12, 64));

  it("approximates where it says so", async () => {
    const answer = await data(world.url, "{ thingActivity { about aboutP90 } }");
    const [truth] = await world.truth.rows(
      `SELECT count(DISTINCT n) AS n, quantile_disc(n, 0.85) AS low, quantile_disc(n, 0.95) AS high FROM things`,
    );
    expect(Math.abs(answer.thingActivity.about / Number(truth!["n"]) - 1)).toBeLessThan(0.1);
    expect(answer.thingActivity.aboutP90).toBeGreaterThanOrEqual(Number(truth!["low"]));
    expect(answer.thingActivity.aboutP90).toBeLessThanOrEqual(Number(truth!["high"]));
  });

  it("lists the values of every dimension, and the SQL of every measure", async () => {
    const answer = await data(
      world.url,
      `{ products { name dimensions { name type values(first: 100) } measures { name sql } coverage { from to } } }`,
    );
    const product = answer.products.find(({ name }: Json) => name === "ThingActivity");
    expect(product.coverage).toEqual({ from: thingActivity.from, to: thingActivity.until });
    const values = Object.fromEntries(
      product.dimensions.map((each: Json) => [each.name, each.values.length]),
    );
    const [truth] =
      await world.truth.rows(`SELECT count(DISTINCT express) AS express, count(DISTINCT level) AS level, count(DISTINCT label) AS label,
      count(DISTINCT c0) AS c0, count(DISTINCT bucket) AS bucket, count(DISTINCT seen) AS seen, count(DISTINCT mixed) AS mixed FROM things`);
    expect(values).toEqual(truth);
  });

  it("finds values by what they look like, numbers too", async () => {
    const answer = await data(
      world.url,
      `{ product(name: "ThingActivity") { dimensions { name values(search: "5") } } }`,
    );
    const found = answer.product.dimensions.find(({ name }: Json) => name === "bucket").values;
    const rows = await world.truth.rows("SELECT DISTINCT bucket FROM things WHERE bucket IS NOT NULL");
    const shown = rows.map(({ bucket }) => String(bucket)).filter((text) => text.includes("5"));
    expect(found.toSorted()).toEqual(shown.toSorted());
    expect(found.length).toBeGreaterThan(0);
  });
});

describe("bad instants", () => {
  const far = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"];
  it.each(far)("refuses %s in a range and in a filter", async (at) => {
    for (const [query, variables] of [
      ["query($r: TimeRange) { thingActivity(range: $r) { rollup p90 } }", { r: { from: at } }],
      ["query($r: TimeRange) { thingActivity(range: $r) { rollup p90 } }", { r: { to: at } }],
      [
        "query($w: ThingActivityFilter) { thingActivity(where: $w) { rollup p90 } }",
        { w: { seen: { gte: at } } },
      ],
      [
        "query($w: ThingActivityFilter) { thingActivity(where: $w) { rollup p90 } }",
        { w: { seen: { in: [at] } } },
      ],
    ] as const) {
      const answer = await ask(world.url, query, variables);
      expect(answer.errors?.map(({ extensions }) => extensions.code)).toEqual(["BAD_USER_INPUT"]);
    }
  });

  it("refuses a last that begins before the year 1", async () => {
    const answer = await ask(world.url, `{ thingActivity(range: { last: "P999999W" }) { rollup p90 } }`);
    expect(answer.errors?.map(({ extensions }) => extensions.code)).toEqual(["BAD_USER_INPUT"]);
  });
});

describe("a source with a replay into monthly partitions", () => {
  const upTo = "2024-02-28T00:00:00.000Z";

  it("answers before the replay what the lake holds", async () => {
    await expectSame(echoActivity, 21, 64, { upTo });
    await expectSame(quietEcho, 22, 32, { upTo });
  });

  it("answers live slices of everything after the replay", async () => {
    await world.replay();
    const count = Number((await world.truth.rows("SELECT count(*) AS n FROM echoes"))[0]!["n"]);
    await vi.waitFor(
      async () =>
        expect((await data(world.url, "{ echoActivity { echoes } }")).echoActivity.echoes).toBe(count),
      { timeout: 30_000, interval: 200 },
    );
    const random = seeded(23);
    const spec = {
      ...echoActivity,
      rollups: echoActivity.rollups.filter(({ finest }) => finest !== "month"),
      until: "2024-03-05T00:00:00.000Z",
    };
    for (let i = 0; i < 8; i++) {
      const questions = Array.from({ length: 16 }, () => randomQuestion(random, spec))
        .filter((question) => sourceOf(spec, question) === "EDITION")
        .map((question) => ({ ...question, grain: question.grain === "HOUR" ? "WEEK" : question.grain }))
        .filter(({ grain, where }) => grain === null || Object.keys(where).length === 0 || grain !== "HOUR");
      await expectTrue(world.url, world.truth, spec, questions, { adHoc: false });
    }
  });

  it("answers everything from editions and Athena after the refresh", async () => {
    const { coveredUntil } = await world.refresh("EchoActivity");
    expect(new Date(coveredUntil).toISOString()).toMatch(/^2024-0[34]-\d\dT00:00:00.000Z$/);
    await world.refresh("QuietEcho");
    const until = new Date(coveredUntil).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // a manifest is re-read every second
    await expectSame({ ...echoActivity, until }, 24, 64);
    await expectSame({ ...quietEcho, until }, 25, 32);
  });
});

describe("a source with a stream that is no replay", () => {
  const lateness = 3 * 3_600_000;
  let live: Row[];

  beforeAll(() => {
    const now = Date.now();
    live = pulseRows(31, 240, (random) => now - Math.floor(random() * (lateness - 600_000)));
  });

  it("answers from the lake before anything has come", async () => {
    const [range] = await world.truth.rows(
      `SELECT date_trunc('year', min("at"))::TIMESTAMP AS "from" FROM pulses`,
    );
    const from = String(range!["from"]);
    const until = new Date(Math.floor((Date.now() - lateness) / 86_400_000) * 86_400_000).toISOString();
    await expectSame({ ...pulseActivity, from, until }, 32, 48, {
      only: ({ range: asked, grain }) => asked?.last === undefined && grain !== "HOUR",
    });
  });

  it("applies plain JSON and lines of it, puts poison aside, and keeps subscribers up to date", async () => {
    const client = socket(world.url);
    const following = follow(
      client,
      `subscription { pulseActivityUpdated(where: {kind: {eq: "it's"}}) { pulses total } }`,
    );
    const feed = follow(client, `subscription { pulseFeed { events { at kind on value size } } }`);
    await following.until(({ length }) => length > 0, "the snapshot");
    const wire = live.map(({ at, kind, on, value, size }) =>
      JSON.stringify({ "at time": at, "kind #": kind, on, "Value $": value, size }),
    );
    const poison = [
      "{",
      "[]",
      JSON.stringify({ "at time": "yesterday" }),
      wire[0]!.replace(/"size":-?\d+/, '"size":1.5'),
    ];
    const late = wire[0]!.replace(/"at time":"[^"]+"/, '"at time":"2001-01-01T00:00:00Z"');
    await world.putPulses([...wire.slice(0, 50), ...poison]);
    await world.putPulses([
      `${wire.slice(50, 150).join("\n")}\n${late}\n\n${poison[3]}\n`,
      wire.slice(150).join("\r\n"),
    ]);
    await world.truth.add("pulses", live);
    const [total] = await world.truth.rows("SELECT count(*) AS n FROM pulses");
    await vi.waitFor(
      async () =>
        expect((await data(world.url, "{ pulseActivity { pulses } }")).pulseActivity.pulses).toBe(
          total!["n"],
        ),
      { timeout: 20_000, interval: 200 },
    );
    const [expected] = await world.truth.rows(
      `SELECT count(*) AS pulses, sum(value) AS total FROM pulses WHERE kind = 'it''s'`,
    );
    await following.until(
      (messages) => messages.at(-1)!.data.pulseActivityUpdated.pulses === expected!["pulses"],
      "the last state",
    );
    expectRow(following.messages.at(-1)!.data.pulseActivityUpdated, expected!, "subscription");
    const events = (): Json[] => feed.messages.flatMap(({ data: page }) => page.pulseFeed.events);
    await feed.until(() => events().length >= live.length, "the feed");
    const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
    expect(sorted(events())).toEqual(sorted(live));
    await client.dispose();
  });

  const slices = ["{}", "{kind: {isNull: true}}", `{kind: {eq: ""}}`, `{kind: {in: ["a", "b#1", "日本🙂"]}}`];

  it("answers what has come since, live, and the same after a refresh", async () => {
    const fields = "pulses total mean least largest negative";
    const query = `{ ${slices.map((where, i) => `s${i}: pulseActivity(where: ${where}) { from to ${fields} }`).join("\n")} }`;
    const conditions = ["TRUE", "kind IS NULL", "kind = ''", "kind IN ('a', 'b#1', '日本🙂')"];
    const columns = Object.entries(pulseActivity.stored).map(([name, sql]) => `${sql} AS "${name}"`);
    const check = async (): Promise<void> => {
      const answer = await ask(world.url, query);
      expect(answer.errors).toBeUndefined();
      for (const [i, condition] of conditions.entries()) {
        const [truth] = await world.truth.rows(`SELECT ${columns.join(", ")} FROM pulses WHERE ${condition}`);
        expectRow(answer.data[`s${i}`], truth!, slices[i]!);
      }
      const sources = answer.extensions.sluice.provenance
        .filter(({ path }: Json) => path === "s1")
        .map(({ source }: Json) => source);
      expect(sources).toEqual(["EDITION", "LIVE"]);
    };
    await check();
    await world.refresh("PulseActivity");
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await check();
  });
});
