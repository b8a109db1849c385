/** Pages of groups: they follow one edition to its end, whatever is published meanwhile, or say that they cannot. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { analystScope } from "../../src/model/scope.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { type Answer, type Asking, asking, type Json, rowsOf } from "./asking.ts";
import { stallActivity, writeSales } from "./stalls.ts";

const days = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"];
const schema = buildSluiceSchema([stallActivity]);
let cloud: Cloud | null = null;
let ask: Asking;

beforeEach(async () => {
  await cloud?.close();
  cloud = await startCloud();
  for (const [seed, day] of days.entries()) await writeSales(cloud, day, seed);
  await refresh(stallActivity, cloud.deps);
  ask = asking(cloud, schema, gateway(cloud));
});
afterAll(() => cloud?.close());

interface Asked {
  readonly by: string;
  readonly where?: string;
  readonly order?: string;
  readonly range?: string;
  readonly first?: number;
  readonly fields?: string;
}

function page(asked: Asked, after: string | null): Promise<Answer> {
  const { by, where = "{}", order = "", first = 2, fields = "sales revenue" } = asked;
  const range = asked.range ?? `{ from: "2024-01-30T00:00:00Z", to: "2024-02-03T00:00:00Z" }`;
  const cursor = after === null ? "" : `after: "${after}"`;
  return ask(`{ groups: stallActivityBy(dimensions: [${by}], where: ${where}, range: ${range}, ${order} first: ${first}, ${cursor}) {
    edges { cursor node { town stall ${fields} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`);
}

/** Every page, `between` after the first one. */
async function allPages(asked: Asked, between: () => Promise<unknown>): Promise<Answer[]> {
  const pages: Answer[] = [];
  for (let after: string | null = null; ; ) {
    const answer = await page(asked, after);
    pages.push(answer);
    if (pages.length === 1) await between();
    if (answer.codes.length > 0 || !answer.data.groups.pageInfo.hasNextPage) return pages;
    after = answer.data.groups.pageInfo.endCursor as string;
  }
}

const nodesOf = (pages: readonly Answer[]): Json[] =>
  pages.flatMap(({ data }) => data.groups.edges.map(({ node }: Json) => node));

/** What the lake held of groups, before it changed. */
async function truth(columns: string, group: string, order: string, where = "TRUE"): Promise<Json[]> {
  return rowsOf(
    cloud!,
    `SELECT ${columns}, count(*) AS sales, coalesce(sum(price), 0) AS revenue
     FROM read_parquet('${cloud!.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false) WHERE ${where} GROUP BY ${group} ORDER BY ${order}`,
  );
}

/** Other sales on every day: other numbers for every group. */
async function publishOther(): Promise<void> {
  for (const [seed, day] of days.entries()) await writeSales(cloud!, day, 100 + seed, 200);
  await refresh(stallActivity, cloud!.deps);
}

test("pages follow the edition of the first one while a refresh publishes other numbers", async () => {
  const asked = { by: "TOWN", order: "orderBy: { measure: REVENUE }", fields: "sales revenue" };
  const expected = await truth("town, NULL AS stall", "town", "revenue DESC, town NULLS LAST");
  const pages = await allPages(asked, publishOther);
  expect(pages.flatMap(({ messages }) => messages)).toEqual([]);
  expect(nodesOf(pages)).toEqual(expected);
  expect(pages.map(({ data }) => data.groups.totalCount)).toEqual([6, 6, 6]);
  const infos = pages.map(({ data }) => data.groups.pageInfo);
  expect(infos.map(({ hasPreviousPage }) => hasPreviousPage)).toEqual([false, true, true]);
  for (const { data } of pages)
    expect(data.groups.edges.map(({ cursor }: Json) => cursor).at(-1)).toBe(data.groups.pageInfo.endCursor);
  const editions = pages.flatMap(({ provenance }) => provenance.map(({ edition }) => edition));
  expect(new Set(editions).size).toBe(1);
  const fresh = await page(asked, null);
  expect(fresh.provenance[0]!.edition).not.toBe(editions[0]);
  expect(nodesOf([fresh])).not.toEqual(expected.slice(0, 2));
});

test("a page may be of another size than the one before", async () => {
  const asked = { by: "TOWN, CASH", order: "orderBy: { measure: SALES, direction: ASC }" };
  const all = nodesOf([await page({ ...asked, first: 1_000 }, null)]);
  const first = await page({ ...asked, first: 5 }, null);
  const rest = await page({ ...asked, first: 1_000 }, first.data.groups.edges[2].cursor);
  expect(all).toHaveLength(18);
  expect(nodesOf([rest])).toEqual(all.slice(3));
});

test("behind the last group there is an empty page", async () => {
  for (const by of ["TOWN", "TOWN, CASH"]) {
    const whole = await page({ by, first: 1_000 }, null);
    const { totalCount, pageInfo } = whole.data.groups;
    const behind = await page({ by }, pageInfo.endCursor);
    expect(behind.data.groups).toEqual({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
      totalCount,
    });
  }
});

test("the leaders of a board that is not whole come from it, and Athena goes on where it ends", async () => {
  const asked = {
    by: "STALL, CASH",
    order: "orderBy: { measure: SALES }",
    range: `{ from: "2024-02-01T00:00:00Z", to: "2024-02-02T00:00:00Z" }`,
  };
  const expected = await truth(
    "NULL AS town, stall",
    "stall, cash",
    "sales DESC, stall, cash NULLS LAST",
    `"at" >= TIMESTAMP '2024-02-01' AND "at" < TIMESTAMP '2024-02-02'`,
  );
  const pages = await allPages(asked, async () => {});
  expect(nodesOf(pages)).toEqual(expected);
  expect(pages.map(({ statements }) => statements.length)).toEqual(pages.map((_, i) => (i === 2 ? 1 : 0)));
  expect(pages.slice(0, 2).map(({ data }) => data.groups.totalCount)).toEqual([null, null]);
  expect(pages.at(-1)!.data.groups.totalCount).toBe(expected.length);
});

test("pages of Athena's end with CURSOR_EXPIRED when the lake they were read from has changed", async () => {
  const asked = { by: "TOWN, CASH", first: 5 };
  const pages = await allPages(asked, publishOther);
  expect(pages.map(({ codes }) => codes)).toEqual([[], ["CURSOR_EXPIRED"]]);
  expect(pages[1]!.messages[0]).toMatch(/has changed since edition .* Leave after out/);
});

test("pages of Athena's go on over a refresh that changed other days", async () => {
  const asked = { by: "TOWN, CASH", first: 5, range: `{ to: "2024-02-01T00:00:00Z" }` };
  const before = `"at" < TIMESTAMP '2024-02-01'`;
  const expected = await truth(
    "town, NULL AS stall",
    "town, cash",
    "town NULLS LAST, cash NULLS LAST",
    before,
  );
  const pages = await allPages(asked, async () => {
    await writeSales(cloud!, "2024-02-02", 77);
    await refresh(stallActivity, cloud!.deps);
  });
  expect(pages.flatMap(({ messages }) => messages)).toEqual([]);
  expect(nodesOf(pages)).toEqual(expected);
});

test("what a page of an older edition asks Athena for ends with CURSOR_EXPIRED where the lake has changed", async () => {
  const asked = {
    by: "TOWN",
    range: `{ from: "2024-02-01T00:00:00Z", to: "2024-02-02T00:00:00Z" }`,
    first: 3,
    fields: "sales stalls series(grain: DAY) { sales median } previous(period: DAY) { revenue stalls }",
  };
  const day = `"at" >= TIMESTAMP '2024-02-01' AND "at" < TIMESTAMP '2024-02-02'`;
  const before = `"at" >= TIMESTAMP '2024-01-31' AND "at" < TIMESTAMP '2024-02-01'`;
  const expected = await truth("town", "town", "town NULLS LAST", day);
  const daysBefore = await truth("town", "town", "town NULLS LAST", before);
  const [first, second] = (await allPages(asked, publishOther)) as [Answer, Answer];
  expect(first.messages).toEqual([]);
  const expectedOf = (i: number) => ({
    town: expected[i].town,
    stall: null,
    sales: expected[i].sales,
    stalls: null,
    series: [{ sales: expected[i].sales, median: null }],
    previous: { revenue: daysBefore[i].revenue, stalls: null },
  });
  expect(nodesOf([second])).toEqual([3, 4, 5].map(expectedOf));
  expect(second.codes).toEqual(Array.from({ length: 9 }, () => "CURSOR_EXPIRED"));
});

test("pages of Athena's compare with days of their edition, or say that those have changed", async () => {
  const asked = {
    by: "TOWN, CASH",
    range: `{ from: "2024-02-01T00:00:00Z", to: "2024-02-02T00:00:00Z" }`,
    first: 9,
    fields: "sales previous(period: DAY) { sales }",
  };
  const day = `"at" >= TIMESTAMP '2024-02-01' AND "at" < TIMESTAMP '2024-02-02'`;
  const expected = await truth("town", "town, cash", "town NULLS LAST, cash NULLS LAST", day);
  const [first, second] = (await allPages(asked, async () => {
    await writeSales(cloud!, "2024-01-31", 77, 200);
    await refresh(stallActivity, cloud!.deps);
  })) as [Answer, Answer];
  expect(first.messages).toEqual([]);
  expect(nodesOf([first, second]).map(({ sales }) => sales)).toEqual(expected.map(({ sales }) => sales));
  expect(nodesOf([second]).map(({ previous }) => previous)).toEqual(
    Array.from({ length: 9 }, () => ({ sales: null })),
  );
  expect(new Set(second.codes)).toEqual(new Set(["CURSOR_EXPIRED"]));
});

test("a cursor of an edition that has been swept is expired", async () => {
  const first = await page({ by: "TOWN" }, null);
  const deps = { ...cloud!.deps, retention: { editions: 1, ms: 0 } };
  for (const seed of [7, 8]) {
    for (const day of days) await writeSales(cloud!, day, seed);
    await refresh(stallActivity, deps);
  }
  const second = await page({ by: "TOWN" }, first.data.groups.pageInfo.endCursor);
  expect(second.codes).toEqual(["CURSOR_EXPIRED"]);
  expect(second.messages[0]).toMatch(/Edition .* of "StallActivity" is not\. Leave after out/);
});

test("a cursor of another question, of another tenant, and no cursor at all are refused", async () => {
  const first = await page({ by: "TOWN" }, null);
  const cursor = first.data.groups.pageInfo.endCursor as string;
  const others: Asked[] = [
    { by: "STALL" },
    { by: "TOWN", where: "{ stall: { gte: 1 } }" },
    { by: "TOWN", order: "orderBy: { measure: SALES }" },
    { by: "TOWN", range: `{ from: "2024-01-31T00:00:00Z" }` },
  ];
  for (const other of others) {
    const answer = await page(other, cursor);
    expect(answer.codes).toEqual(["BAD_USER_INPUT"]);
    expect(answer.messages[0]).toBe(
      "A page goes on after a cursor of the same question: its dimensions, where, range and orderBy as they were. Got that of another question. Leave after out to start from the first page.",
    );
  }
  const query = (after: string) =>
    `{ stallActivityBy(dimensions: [TOWN], where: {}, range: { from: "2024-01-30T00:00:00Z", to: "2024-02-03T00:00:00Z" }, first: 2, after: "${after}") { nodes { town } } }`;
  expect((await ask(query(cursor))).codes).toEqual([]);
  expect((await ask(query(cursor), {}, { ...analystScope, tenant: "other" })).codes).toEqual([
    "BAD_USER_INPUT",
  ]);
  const text = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  for (const garbage of [
    "",
    "x",
    cursor.slice(3),
    text({}),
    text(["e", 0, 1, -1, ""]),
    text([1, 2, 3, 4, 5]),
  ])
    expect([garbage, (await ask(query(garbage))).codes]).toEqual([garbage, ["BAD_USER_INPUT"]]);
  const [edition, ...rest] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
  const editions: [string, string][] = [
    [`${String(edition).slice(0, -1)}-`, "BAD_USER_INPUT"],
    ["", "BAD_USER_INPUT"],
    ["x".repeat(1_500), "BAD_USER_INPUT"],
    [`1${String(edition).slice(1)}`, "CURSOR_EXPIRED"],
  ];
  for (const [other, code] of editions)
    expect([other, (await ask(query(text([other, ...rest])))).codes]).toEqual([other, [code]]);
});

test("a page of Athena's beyond the first thousand ranks", async () => {
  await writeSales(cloud!, "2024-02-02", 9, 1_000);
  const asked = { by: "TOWN, STALL, CASH, SIZE, PICKED", order: "orderBy: { measure: REVENUE }", first: 600 };
  const expected = await truth(
    "town, stall",
    "town, stall, cash, size, picked",
    "revenue DESC, town NULLS LAST, stall NULLS LAST, cash NULLS LAST, size NULLS LAST, picked NULLS LAST",
  );
  const pages = await allPages(asked, async () => {});
  expect(expected.length).toBeGreaterThan(1_000);
  expect(nodesOf(pages)).toEqual(expected);
});
