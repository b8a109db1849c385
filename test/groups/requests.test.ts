/** Grouped questions among others in one request: what they cost, where they say they came from, what is refused. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { ReadBudget } from "../../src/loaders/read-budget.ts";
import { openSession } from "../../src/loaders/session.ts";
import { analystScope } from "../../src/model/scope.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { type Asking, asking, type Json, rowsOf, sourcesOf } from "./asking.ts";
import { stallActivity, writeSales } from "./stalls.ts";

const days = ["2024-01-31", "2024-02-01", "2024-02-02"];
const range = `range: { from: "2024-01-31T00:00:00Z", to: "2024-02-03T00:00:00Z" }`;
let cloud: Cloud;
let ask: Asking;

beforeAll(async () => {
  cloud = await startCloud();
  for (const [seed, day] of days.entries()) await writeSales(cloud, day, seed);
  await refresh(stallActivity, cloud.deps);
  await cloud.duck.run(
    `CREATE TABLE sales AS SELECT * FROM read_parquet('${cloud.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false)`,
  );
  ask = asking(cloud, buildSluiceSchema([stallActivity]), gateway(cloud));
});
afterAll(() => cloud.close());

test("one request is one statement: groups of both kinds, their ad-hoc fields and series, and plain questions", async () => {
  const answer = await ask(`{
    asked: stallActivityBy(dimensions: [TOWN, CASH], orderBy: { measure: MEDIAN }, ${range}) { nodes { town cash sales median } }
    other: stallActivityBy(dimensions: [PICKED], where: { price: { gte: 1 } }, ${range}) { edges { node { picked revenue } } totalCount }
    stored: stallActivityBy(dimensions: [TOWN], orderBy: { measure: REVENUE }, first: 3, ${range}) {
      nodes { town revenue median oddMedian series(grain: DAY) { sales median } } }
    plain: stallActivity(where: { stall: { gte: 2 } }, ${range}) { sales median series(grain: DAY) { median } }
    again: stallActivity(${range}) { sales stalls }
  }`);
  expect(answer.messages).toEqual([]);
  expect(answer.statements).toHaveLength(1);
  const [first] = await rowsOf(
    cloud,
    "SELECT town, cash, count(*) AS sales, quantile_disc(price, 0.5) AS median FROM sales GROUP BY town, cash ORDER BY median DESC NULLS LAST, town NULLS LAST, cash NULLS LAST LIMIT 1",
  );
  expect(answer.data.asked.nodes[0]).toEqual(first);
  const other = await rowsOf(
    cloud,
    "SELECT picked, sum(price) AS revenue FROM sales WHERE price >= 1 GROUP BY picked ORDER BY picked NULLS LAST",
  );
  expect(answer.data.other.edges.map(({ node }: Json) => node)).toEqual(other);
  for (const { town, revenue, median, series } of answer.data.stored.nodes) {
    const where = town === null ? "town IS NULL" : `town = '${town}'`;
    const [whole] = await rowsOf(
      cloud,
      `SELECT sum(price) AS revenue, quantile_disc(price, 0.5) AS median FROM sales WHERE ${where}`,
    );
    expect({ revenue, median }).toEqual(whole);
    const byDay = await rowsOf(
      cloud,
      `SELECT count(*) AS sales, quantile_disc(price, 0.5) AS median FROM sales WHERE ${where} GROUP BY "at"::DATE ORDER BY "at"::DATE`,
    );
    expect(series).toEqual(byDay);
  }
  const [plain] = await rowsOf(
    cloud,
    "SELECT count(*) AS sales, quantile_disc(price, 0.5) AS median FROM sales WHERE stall >= 2",
  );
  expect(answer.data.plain).toMatchObject(plain);
  expect(sourcesOf(answer, "asked.nodes")).toEqual(["ATHENA"]);
  expect(sourcesOf(answer, "other.edges.node")).toEqual(["ATHENA"]);
  expect(sourcesOf(answer, "stored.nodes")).toEqual(["ATHENA", "EDITION"]);
  expect(sourcesOf(answer, "stored.nodes.series")).toEqual(["ATHENA", "EDITION"]);
  const ids = answer.provenance.flatMap(({ queryId }) => queryId ?? []);
  expect(new Set(ids).size).toBe(1);
});

test("what is selected twice, in fragments, or left out by a directive is asked for as it is shown", async () => {
  const answer = await ask(
    `query($no: Boolean!) { by: stallActivityBy(dimensions: [CASH, TOWN], first: 2, ${range}) {
       nodes { ...Medians stalls @include(if: $no) } edges { node { m: median } } }
       alone: stallActivityBy(dimensions: [CASH, TOWN], first: 2, ${range}) { nodes { town } } }
     fragment Medians on StallActivity { sales ... on StallActivity { median again: median } }`,
    { no: false },
  );
  expect(answer.messages).toEqual([]);
  expect(answer.statements).toHaveLength(1);
  expect(answer.statements[0]).not.toContain("DISTINCT");
  const [first] = answer.data.by.nodes;
  expect(answer.data.by.edges[0].node.m).toBe(first.median);
  expect(first).toEqual({ sales: first.sales, median: first.median, again: first.median });
  expect(answer.data.alone.nodes).toHaveLength(2);
});

test("a group is the insight of its slice: the same id and the same numbers when asked alone", async () => {
  const { data } = await ask(`{
    by: stallActivityBy(dimensions: [TOWN], first: 100, ${range}) { nodes { id town sales from to complete } }
    ulm: stallActivity(where: { town: { eq: "Ülm" } }, ${range}) { id town sales from to complete }
    none: stallActivity(where: { town: { isNull: true } }, ${range}) { id town sales from to complete } }`);
  expect(data.by.nodes.map(({ town }: Json) => town)).toEqual([
    "Ulm",
    'a "b" #c',
    "Ülm",
    "\uff62",
    "😀",
    null,
  ]);
  expect(data.by.nodes).toContainEqual(data.ulm);
  expect(data.by.nodes).toContainEqual(data.none);
});

test("dimensions are asked once each, at least one, and a page has 1 to 1000 groups", async () => {
  const twice = await ask(`{ stallActivityBy(dimensions: [TOWN, TOWN], ${range}) { totalCount } }`);
  expect(twice.data.stallActivityBy.totalCount).toBe(6);
  const none = await ask(`{ stallActivityBy(dimensions: []) { totalCount } }`);
  expect([none.codes, none.messages]).toEqual([
    ["BAD_USER_INPUT"],
    ["Groups are by at least one dimension. Got dimensions: []. Ask stallActivity for all of them together."],
  ]);
  for (const first of [0, -1, 1_001]) {
    const answer = await ask(`{ stallActivityBy(dimensions: [TOWN], first: ${first}) { totalCount } }`);
    expect([answer.codes, answer.messages]).toEqual([
      ["BAD_USER_INPUT"],
      [`A page holds 1 to 1000 groups. Got first: ${first}.`],
    ]);
  }
  const defaults = await ask(
    `{ stallActivityBy(dimensions: [STALL, TOWN], first: null) { nodes { town } } }`,
  );
  expect(defaults.data.stallActivityBy.nodes).toHaveLength(10);
});

test("what groups compare with is asked for all of them together, and once", async () => {
  const answer = await ask(`{ by: stallActivityBy(dimensions: [TOWN, STALL, CASH, SIZE], first: 1000,
    range: { from: "2024-02-01T00:00:00Z", to: "2024-02-03T00:00:00Z" }) {
    nodes { town stall cash size sales previous(period: DAY) { sales median } growth(over: DAY) { sales } } } }`);
  expect(answer.messages).toEqual([]);
  const group = "town, stall, cash, size";
  const nodes = await rowsOf(
    cloud,
    `SELECT ${group}, count(*) FILTER (WHERE "at" >= TIMESTAMP '2024-02-01') AS sales,
       count(*) FILTER (WHERE "at" < TIMESTAMP '2024-02-02') AS before,
       quantile_disc(price, 0.5) FILTER (WHERE "at" < TIMESTAMP '2024-02-02') AS median
     FROM sales GROUP BY ${group} HAVING sales > 0 ORDER BY ${group.replaceAll(",", " NULLS LAST,")} NULLS LAST`,
  );
  expect(nodes.length).toBeGreaterThan(250);
  expect(answer.data.by.nodes).toEqual(
    nodes.map(({ before, median, ...node }: Json) => ({
      ...node,
      previous: { sales: before, median },
      growth: { sales: before === 0 ? null : (node.sales - before) / before },
    })),
  );
  // the groups, then all that is known of them a day earlier
  expect(answer.statements).toHaveLength(2);
  expect(answer.statements[1]).toContain("UNNEST(ARRAY[1, 2])");
});

test("where nothing has happened there are no groups, and nobody is asked", async () => {
  const slices = [
    // no board, since the town had no sales
    `dimensions: [STALL], where: { town: { eq: "Nowhere" } }, ${range}`,
    `dimensions: [CASH], where: { cash: { eq: true } }, range: { from: "2023-01-01T00:00:00Z", to: "2023-02-01T00:00:00Z" }`,
    `dimensions: [TOWN, CASH], range: { from: "2025-01-01T00:00:00Z", to: "2025-02-01T00:00:00Z" }`,
    `dimensions: [TOWN], where: { town: { in: [] } }, ${range}`,
  ];
  for (const slice of slices) {
    const answer = await ask(
      `{ stallActivityBy(${slice}) { nodes { sales } totalCount pageInfo { hasNextPage } } }`,
    );
    expect([slice, answer.messages, answer.statements]).toEqual([slice, [], []]);
    expect(answer.data.stallActivityBy).toEqual({
      nodes: [],
      totalCount: 0,
      pageInfo: { hasNextPage: false },
    });
  }
});

test("the values of a dimension come from its leaderboards, or from Athena, and are the same", async () => {
  const answer = await ask(`{ product(name: "StallActivity") { dimensions { name values(first: 100) } } }`);
  expect(answer.messages).toEqual([]);
  const found = answer.data.product.dimensions as { name: string; values: string[] }[];
  const values = Object.fromEntries(found.map((each) => [each.name, each.values]));
  expect(values).toMatchObject({
    town: ["Ulm", 'a "b" #c', "Ülm", "\uff62", "😀"],
    stall: ["0", "1", "2", "3", "4", "5", "6", "7", "8"],
    cash: ["false", "true"],
  });
  expect(values["picked"]).toHaveLength(3);
  expect(values["size"]).toHaveLength(5);
  // towns are the only ones whose boards are whole; all others are asked for together
  expect(answer.statements).toHaveLength(1);
  expect(answer.statements.filter((sql) => sql.includes('"town"'))).toEqual([]);
});

test("the values of a dimension are searched by text, case aside", async () => {
  const before = cloud.statements.length;
  const session = openSession(gateway(cloud), { scope: analystScope, adHocWaitMs: 60_000 });
  const entry = await session.catalogue(stallActivity);
  expect(await entry.dimensionValues("town", "ÜL", 20)).toEqual(["Ülm"]);
  expect(await entry.dimensionValues("town", "l", 1)).toEqual(["Ulm"]);
  expect(await entry.dimensionValues("town", "", 2)).toEqual(["Ulm", 'a "b" #c']);
  expect(cloud.statements.length).toBe(before);
  expect(await entry.dimensionValues("stall", "7", 20)).toEqual(["7"]);
});

test("groups that would take more reads than a request has are left to Athena", async () => {
  const shared = gateway(cloud);
  const budgets: [pieces: number, source: string][] = [
    [100, "EDITION"],
    // the leaderboard, but not the groups
    [3, "ATHENA"],
    [0, "ATHENA"],
  ];
  for (const [pieces, source] of budgets) {
    const reads = new ReadBudget(pieces);
    const few = asking(cloud, buildSluiceSchema([stallActivity]), shared, { reads });
    const answer = await few(
      `{ stallActivityBy(dimensions: [TOWN], orderBy: { measure: SALES }, ${range}, first: 1) { nodes { sales } totalCount } }`,
    );
    expect([pieces, answer.messages]).toEqual([pieces, []]);
    expect(sourcesOf(answer, "stallActivityBy.nodes")).toEqual([source]);
    expect(answer.data.stallActivityBy.totalCount).toBe(6);
  }
});

test("series are too complex by their buckets, be they stored or Athena's", async () => {
  const shared = gateway(cloud);
  const buckets = 3 * 24;
  const stored = await rowsOf(
    cloud,
    "SELECT count(*) AS sales FROM sales GROUP BY town ORDER BY town NULLS LAST",
  );
  const asked = await rowsOf(
    cloud,
    "SELECT count(*) AS sales FROM sales WHERE price >= 1 GROUP BY town ORDER BY town NULLS LAST",
  );
  for (const [where, expected] of [
    ["{}", stored],
    ["{ price: { gte: 1 } }", asked],
  ] as const) {
    const reads = new ReadBudget(2 * buckets * 3 + 100);
    const few = asking(cloud, buildSluiceSchema([stallActivity]), shared, { reads });
    const answer = await few(
      `{ by: stallActivityBy(dimensions: [TOWN], where: ${where}, ${range}, first: 6) { nodes { series(grain: HOUR) { sales } } } }`,
    );
    const totals = answer.data.by.nodes.map(
      ({ series }: Json) => series && series.reduce((sum: number, { sales }: Json) => sum + sales, 0),
    );
    expect(totals).toEqual([...expected.slice(0, 3).map(({ sales }) => sales), null, null, null]);
    expect(answer.codes).toEqual(Array.from({ length: 3 }, () => "QUERY_TOO_COMPLEX"));
    expect(answer.messages[0]).toMatch(/pieces of segments and buckets of series.*fewer keys or groups/);
  }
});
