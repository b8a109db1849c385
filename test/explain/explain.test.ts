/** `sluice explain` beside a gateway of the same world: nothing is run, and what it tells is what the gateway then does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Backends, backends } from "../../bin/backends.ts";
import { type Clients, closeClients, connect } from "../../bin/clients.ts";
import { explainQuery } from "../../bin/commands/explain.ts";
import { readEnvironment } from "../../bin/environment.ts";
import { type ExplainedQuery, explanationText } from "../../bin/explanation-text.ts";
import { tables } from "../../cloud/resources.ts";
import { declaredProducts, type Product } from "../../src/model/product.ts";
import { ask, data, type Json } from "../e2e/client.ts";
import { type Counter, countCalls, type Demo, startDemo } from "../e2e/demo.ts";
import { WeatherReport } from "../e2e/weather/weather.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let folder: string;
let demo: Demo;
let clients: Clients;
let count: Counter;
let stores: Backends;
let products: Product[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-explain-"));
  demo = await startDemo(folder, WeatherReport);
  await demo.replay();
  await vi.waitUntil(isReplayed, { timeout: 60_000, interval: 200 });
  clients = connect(readEnvironment({ SLUICE_DATA: folder }, process.cwd()));
  count = countCalls(clients);
  stores = backends(clients);
  products = declaredProducts().filter(({ target }) => target === WeatherReport);
});
async function isReplayed(): Promise<boolean> {
  const { product } = await data(demo.url, `{ product(name: "WeatherReport") { coverage { liveTo } } }`);
  return product.coverage.liveTo === "2016-01-01T00:00:00.000Z";
}
beforeEach(() => {
  demo.count.reset();
  count.reset();
});
afterAll(async () => {
  closeClients(clients);
  await stores?.gold.close();
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const explain = (query: string, variables: object = {}): Promise<ExplainedQuery> =>
  explainQuery(products, stores, query, variables);

const rangeOf = (from: string, to: string) => `range: {from: "${from}T00:00:00Z", to: "${to}T00:00:00Z"}`;

/** Each on a slice of its own, so that the gateway has none of its segments in memory. */
const queries: readonly (readonly [string, string, object])[] = [
  [
    "segments, live items and a statement",
    `{ weatherReport(where: {sky: {eq: "rain"}}, ${rangeOf("2014-11-20", "2016-01-01")}) { days rain skies growth(over: YEAR) { days } series(grain: MONTH) { days skies } } }`,
    {},
  ],
  [
    "a list of keys, an alias, an unstored filter and a variable",
    `query($least: Float) { both: weatherReport(where: {sky: {in: ["sun", "snow"]}}, ${rangeOf("2012-01-01", "2014-01-01")}) { wet: rain previous(period: YEAR) { days } }
      hot: weatherReport(where: {warmest: {gte: $least}}, ${rangeOf("2013-02-01", "2013-03-15")}) { days } }`,
    { least: 20.5 },
  ],
  ["everything", `{ weatherReport { days rain warmest skies } }`, {}],
  [
    "nothing that is covered, beside the catalogue",
    `{ weatherReport(where: {sky: {eq: "fog"}}, ${rangeOf("2030-01-01", "2031-01-01")}) { days skies } products { dimensions { values(search: "u") } } }`,
    {},
  ],
];

describe.each(queries)("a query of %s", (_, query, variables) => {
  test("is explained without reading an insight or asking Athena, and then runs as it was told", async () => {
    const plan = await explain(query, variables);
    expect(plan.errors).toEqual([]);
    expect(count.sent()).toEqual([]);
    expect([tables.insights, tables.live].map((table) => count.keys(table))).toEqual([[], []]);
    const answer = await ask(demo.url, query, variables);
    expect(answer.errors).toBeUndefined();
    expect([...demo.count.keys(tables.insights)].sort()).toEqual([...plan.segments].sort());
    expect([...demo.count.keys(tables.live)].sort()).toEqual([...plan.liveItems].sort());
    const sent = demo.count
      .sent()
      .map(({ QueryString, ExecutionParameters = [] }) => [QueryString, ExecutionParameters]);
    expect(plan.statements.map(({ sql, parameters }) => [sql, parameters])).toEqual(sent);
    // that nothing of a range is covered is known from what is published
    const told = plan.fields.map(({ path, source }) => `${path} ${source ?? "EDITION"}`);
    const provenance = answer.extensions.sluice.provenance.map(
      ({ path, source }: Json) => `${path} ${source}`,
    );
    expect(new Set(told)).toEqual(new Set(provenance));
  });
});

describe("the plan", () => {
  test("says per object which rollup, which buckets and which keys, and why a field is Athena's", async () => {
    const plan = await explain(
      `{ weatherReport(where: {sky: {eq: "drizzle"}}, ${rangeOf("2014-11-20", "2016-01-01")}) { days kinds: skies } }`,
    );
    expect(plan.fields).toMatchObject([
      {
        path: "weatherReport",
        fields: ["days"],
        source: "EDITION",
        from: "2014-11-20T00:00:00.000Z",
        to: "2016-01-01T00:00:00.000Z",
        ranges: 1,
        stored: {
          rollup: "[sky]",
          buckets: [
            { grain: "DAY", count: 11, firstPeriod: "2014-11", lastPeriod: "2014-11" },
            { grain: "MONTH", count: 12, firstPeriod: "2014", lastPeriod: "2015" },
          ],
        },
      },
      { fields: ["days"], source: "LIVE", stored: { buckets: [{ grain: "DAY", count: 31 }] } },
      {
        fields: ["kinds: skies"],
        source: "ATHENA",
        asked: { statements: [1], advice: ["No rollup can serve it: Athena computes it from the events."] },
      },
    ]);
    expect(plan.statements[0]!.estimatedBytes).toBeGreaterThan(0);
    expect(
      plan.segments.every((key) => key.startsWith("WeatherReport#") && key.includes('["drizzle"]')),
    ).toBe(true);
  });

  test("advises a rollup that the declaration lacks", async () => {
    const plan = await explain(
      `{ weatherReport(where: {warmest: {lt: 3}}, ${rangeOf("2013-01-01", "2013-02-01")}) { days } }`,
    );
    expect(plan.fields[0]!.asked!.advice).toContain(`Declare rollup(["warmest"], { grains: ["MONTH"] }).`);
    expect(plan.fields[0]!.asked!.reason).toBe("no rollup answers lt on warmest");
  });

  test("says of groups whose keys they are, or why they are Athena's, with the statement that is then sent", async () => {
    const pinned = await explain(
      `{ weatherReportBy(dimensions: [SKY], where: {sky: {in: ["sun", "fog"]}}, ${rangeOf("2014-01-01", "2015-01-01")}) { nodes { days } } }`,
    );
    expect(pinned.groups).toMatchObject([
      { path: "weatherReportBy", dimensions: ["sky"], rollup: "[sky]", reason: null },
    ]);
    expect(pinned.segments.map((key) => key.split("#")[4])).toEqual([
      expect.stringMatching(/^\["(?:sun|fog)"\] /),
      expect.stringMatching(/^\["(?:sun|fog)"\] /),
    ]);
    // the fields of groups that are known: those of the keys, and in one question what only Athena has
    const asked = `{ weatherReportBy(dimensions: [SKY], where: {sky: {in: ["sun", "fog"]}}, ${rangeOf("2013-01-01", "2014-01-01")}, orderBy: {measure: RAIN}) { nodes { rain skies } } }`;
    const known = await explain(asked);
    expect(known.fields).toMatchObject([
      { path: "weatherReportBy.nodes", fields: ["rain"], source: "EDITION" },
      { path: "weatherReportBy.nodes", fields: ["skies"], source: "ATHENA", asked: { statements: [1] } },
    ]);
    demo.count.reset();
    await data(demo.url, asked);
    expect(demo.count.sent().map(({ QueryString }) => QueryString)).toEqual(
      known.statements.map(({ sql }) => sql),
    );
    demo.count.reset();
    const query = `{ by: weatherReportBy(dimensions: [SKY], orderBy: {measure: RAIN}, ${rangeOf("2013-05-01", "2013-07-01")}) { nodes { days skies } } }`;
    const open = await explain(query);
    expect(open.groups).toMatchObject([
      {
        path: "by",
        rollup: null,
        reason: "no leaderboard names the keys of [sky]",
        advice: [`Declare top on rollup(["sky"]): leaderboards that hold all keys name the groups.`],
      },
    ]);
    expect(count.sent()).toEqual([]);
    await data(demo.url, query);
    expect(open.statements.map(({ sql }) => sql)).toEqual(
      demo.count.sent().map(({ QueryString }) => QueryString),
    );
    expect(explanationText(open)).toContain("because no leaderboard names the keys of [sky]");
  });

  test("is cut to ten keys for reading", async () => {
    const plan = await explain(
      `{ weatherReport(${rangeOf("2012-01-01", "2015-01-01")}) { series(grain: DAY) { days } } }`,
    );
    expect(plan.segments).toHaveLength(36);
    const text = explanationText(plan);
    expect(text.split("\n").filter((line) => line.trim().startsWith("WeatherReport#"))).toHaveLength(10);
    expect(text).toContain("rollup []: 1,096 buckets by DAY of 2012-01 … 2014-12");
    expect(text).toContain("In all: 36 segments, 0 live items (1 call of BatchGetItem), 0 statements.");
  });
});

describe("no plan is made", () => {
  test.each([
    ["an unknown field", "{ weatherReport { dais } }"],
    ["a wrong variable", "query($r: TimeRange!) { weatherReport(range: $r) { days } }"],
    ["no GraphQL", "{ weatherReport { days }"],
    ["two operations", "query A { weatherReport { days } } query B { weatherReport { days } }"],
  ])("of %s, as the gateway says", async (_, wrong) => {
    const answer = await ask(demo.url, wrong, {});
    const [error] = answer.errors!;
    expect(error!.extensions.code).toBe("BAD_USER_INPUT");
    await expect(explain(wrong)).rejects.toMatchObject({
      code: "BAD_USER_INPUT",
      message: expect.stringContaining(error!.message) as string,
    });
  });

  test("of a subscription", async () => {
    await expect(explain("subscription { weatherReportUpdated { days } }")).rejects.toThrow(
      "A plan is made of a query. Got a subscription.",
    );
  });
});

/** The command as it is typed. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), "explain", ...args], {
    env: { ...process.env, SLUICE_DATA: folder, SLUICE_PRODUCTS: file("../e2e/weather") },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, out, err };
}

describe("the command", { timeout: 180_000 }, () => {
  const query = `query($sky: String) { weatherReport(where: {sky: {eq: $sky}}, ${rangeOf("2014-01-01", "2015-01-01")}) { days skies } }`;

  test("prints the plan, or all of it as JSON", async () => {
    const variables = { sky: "sun" };
    const plan = await explain(query, variables);
    const json = await run(query, "--variables", JSON.stringify(variables), "--json");
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toEqual(plan);
    const text = await run(query, "--variables", JSON.stringify(variables));
    expect(text.out).toBe(`${explanationText(plan)}\n`);
  });

  test("fails with what the gateway says of a product that there is not", async () => {
    const wrong = "{ wetherReport { days } }";
    const answer = await ask(demo.url, wrong);
    const { code, err } = await run(wrong);
    expect(code).toBe(1);
    expect(err).toContain(answer.errors![0]!.message);
    expect(err).toContain("weatherReport");
  });

  test("tells the errors of fields beside the plan of the others", async () => {
    const half = `{ weatherReport(${rangeOf("2015-01-01", "2014-01-01")}) { days } other: weatherReport { days } }`;
    const answer = await ask(demo.url, half);
    const { code, out } = await run(half);
    expect(code).toBe(1);
    expect(out).toContain(`weatherReport: BAD_USER_INPUT: ${answer.errors![0]!.message}`);
    expect(out).toContain("other (WeatherReport)");
  });

  test("refuses variables that are no JSON", async () => {
    const { code, err } = await run(query, "--variables", "{sky");
    expect(code).toBe(1);
    expect(err).toContain("--variables is a JSON object. Got {sky");
  });
});
