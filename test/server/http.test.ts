import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SluiceError } from "../../src/model/errors.ts";
import { type Fixture, post, startFixture } from "./gateway-fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.gateway.close());
afterEach(() => {
  fixture.shop.failures.clear();
  fixture.shop.outage = null;
});

describe("answers", () => {
  test("a slice over a range, with what it pins", async () => {
    const { status, answer } = await post(fixture.gateway, {
      query: `{ shopActivity(where: { shop: { eq: "Bern" } }, range: { from: "2024-01-01T00:00:00Z", to: "2024-01-02T00:00:00Z" }) {
        shop gift from to complete sales turnover mean } }`,
    });
    expect(status).toBe(200);
    expect(answer.data).toEqual({
      shopActivity: {
        shop: "Bern",
        gift: null,
        from: "2024-01-01T00:00:00.000Z",
        to: "2024-01-02T00:00:00.000Z",
        complete: true,
        sales: 1,
        turnover: 10,
        mean: 10,
      },
    });
  });

  test("every operator reaches the slice, the null dimension too", async () => {
    const { answer } = await post(fixture.gateway, {
      query: `query ($at: DateTime) {
        in: shopActivity(where: { shop: { in: ["Bern", "Oslo"] } }) { sales }
        ne: shopActivity(where: { shop: { ne: "Bern" } }) { sales }
        notIn: shopActivity(where: { shop: { notIn: ["Oslo"] } }) { sales }
        startsWith: shopActivity(where: { shop: { startsWith: "B" } }) { sales }
        isNull: shopActivity(where: { shop: { isNull: true } }) { sales }
        gift: shopActivity(where: { gift: { eq: true } }) { sales gift }
        cost: shopActivity(where: { cost: { gte: 5, lt: 20 } }) { sales }
        at: shopActivity(where: { at: { gte: $at } }) { sales }
        last: shopActivity(range: { last: "PT24H" }) { sales }
      }`,
      variables: { at: "2024-01-01T02:00:00Z" },
    });
    expect(answer.data).toEqual({
      in: { sales: 3 },
      ne: { sales: 1 },
      notIn: { sales: 2 },
      startsWith: { sales: 2 },
      isNull: { sales: 1 },
      gift: { sales: 1, gift: true },
      cost: { sales: 2 },
      at: { sales: 3 },
      last: { sales: 1 },
    });
  });

  test("a series, empty buckets included", async () => {
    const { answer } = await post(fixture.gateway, {
      query: `{ shopActivity(where: { shop: { eq: "Oslo" } }) { series(grain: DAY) { from sales mean } } }`,
    });
    expect(answer.data?.shopActivity).toEqual({
      series: [
        { from: "2024-01-01T00:00:00.000Z", sales: 1, mean: 5 },
        { from: "2024-01-02T00:00:00.000Z", sales: 0, mean: null },
      ],
    });
  });

  test("where the values came from, by response keys without list indices", async () => {
    const { answer } = await post(fixture.gateway, {
      query: `{ a: shopActivity { sales t: turnover days: series(grain: DAY) { sales } } }`,
    });
    expect(answer.extensions).toEqual({
      sluice: {
        manifest: { ShopActivity: 7 },
        provenance: [
          { path: "a", fields: ["sales", "t"], source: "EDITION", through: "2024-01-03T00:00:00.000Z" },
          {
            path: "a.days",
            fields: ["sales", "sales"],
            source: "EDITION",
            through: "2024-01-03T00:00:00.000Z",
          },
        ],
      },
    });
  });

  test("nothing about sessions that answered nothing", async () => {
    const { answer } = await post(fixture.gateway, { query: "{ __typename }" });
    expect(answer).toEqual({ data: { __typename: "Query" } });
  });

  test("the catalogue", async () => {
    const { answer } = await post(fixture.gateway, {
      query: `{ products { name } product(name: "ShopActivity") {
        owner description coverage { from to liveTo }
        dimensions { name description type values(search: "O") }
        measures { name unit mergeable precomputed sql }
        rollups { dimensions grains top live }
        freshness { promised actual asOf stale }
        editions { id publishedAt current rows items bytesScanned durationMs coveredUntil } }
        none: product(name: "Nothing") { name } }`,
    });
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toMatchObject({
      products: [{ name: "ShopActivity" }, { name: "StockLevel" }],
      none: null,
      product: {
        owner: "shops",
        coverage: { from: "2024-01-01T00:00:00.000Z", to: "2024-01-03T00:00:00.000Z", liveTo: null },
        dimensions: [
          { name: "shop", type: "String", values: ["Oslo"] },
          { name: "gift", description: null, type: "Boolean" },
        ],
        rollups: [
          { dimensions: [], grains: ["DAY"], top: null, live: true },
          { dimensions: ["shop"], grains: ["HOUR", "DAY"], top: 5, live: true },
        ],
        freshness: { promised: "PT1H", actual: "PT30M", asOf: "2024-01-03T01:00:00.000Z", stale: false },
        editions: [{ id: "e7", current: true, coveredUntil: "2024-01-03T00:00:00.000Z" }],
      },
    });
    expect((answer.data as { product: { measures: object[] } }).product.measures).toContainEqual({
      name: "p90",
      unit: null,
      mergeable: false,
      precomputed: false,
      sql: "the SQL of p90",
    });
  });

  test("GET, with variables", async () => {
    const query = encodeURIComponent(
      "query ($shop: String) { shopActivity(where: { shop: { eq: $shop } }) { sales } }",
    );
    const response = await fetch(
      `${fixture.gateway.url}/graphql?query=${query}&variables=${encodeURIComponent('{"shop":"Oslo"}')}`,
      { headers: { "apollo-require-preflight": "1" } },
    );
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ data: { shopActivity: { sales: 1 } } });
  });

  test("the media type that is asked for", async () => {
    const accept = "application/graphql-response+json";
    expect((await post(fixture.gateway, { query: "{ __typename }" }, { accept })).type).toContain(accept);
    const refused = await post(fixture.gateway, { query: "{ nothing }" }, { accept });
    expect(refused).toMatchObject({ status: 400, type: expect.stringContaining(accept) as string });
  });
});

describe("failures", () => {
  const canary = "SELECT secret FROM t -- arn:aws:athena:eu:123:x /srv/sluice/key.pem";

  test("a failing measure leaves its siblings; nothing of the cause leaves the process, all of it is logged", async () => {
    fixture.shop.failures.set("turnover", new Error(canary));
    const { status, answer, text } = await post(fixture.gateway, {
      query: "{ shopActivity { sales turnover } }",
    });
    expect(status).toBe(200);
    expect(answer.data).toEqual({ shopActivity: { sales: 4, turnover: null } });
    expect(answer.errors).toHaveLength(1);
    const { correlationId, ...rest } = answer.errors![0]!.extensions;
    expect(rest).toEqual({ code: "INTERNAL" });
    expect(answer.errors![0]!.path).toEqual(["shopActivity", "turnover"]);
    for (const secret of ["SELECT", "arn:aws", "/srv", "stack", "    at "])
      expect(text).not.toContain(secret);
    const lines = fixture.log.filter((line) => line.includes(correlationId!));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.trimEnd()).not.toContain("\n");
    expect((JSON.parse(lines[0]!) as { err: { message: string } }).err.message).toBe(canary);
  });

  test("one cause of many fields is logged once", async () => {
    fixture.shop.outage = new Error(canary);
    const before = fixture.log.length;
    const { answer } = await post(fixture.gateway, {
      query: "{ a: shopActivity { sales } b: shopActivity { sales } products { owner freshness { stale } } }",
    });
    const ids = new Set(answer.errors?.map((error) => error.extensions.correlationId));
    expect(ids.size).toBe(1);
    expect(fixture.log.length - before).toBe(1);
  });

  test.each([
    ["BACKEND_UNAVAILABLE", "A store is not reachable. Ask again in a few seconds."],
    ["AD_HOC_FAILED", "Athena could not compute this field."],
  ] as const)("%s keeps its code, not its message", async (code, message) => {
    fixture.shop.failures.set("p90", new SluiceError(code, canary));
    const { answer, text } = await post(fixture.gateway, { query: "{ shopActivity { sales p90 } }" });
    expect(answer.errors).toMatchObject([{ message, extensions: { code } }]);
    expect(answer.errors![0]!.extensions.correlationId).toMatch(/^id-/);
    expect(text).not.toContain("SELECT");
  });

  test("a value that does not fit its type is ours to mend", async () => {
    fixture.shop.sales.push({ at: Date.UTC(2024, 0, 1), shop: "Rome", amount: 1, cost: NaN, gift: null });
    const { answer } = await post(fixture.gateway, {
      query: '{ shopActivity(where: { shop: { eq: "Rome" } }) { sales turnover } }',
    });
    fixture.shop.sales.pop();
    expect(answer.data).toEqual({ shopActivity: { sales: 1, turnover: null } });
    expect(answer.errors).toMatchObject([{ extensions: { code: "INTERNAL" } }]);
  });
});

describe("pages", () => {
  test("/health/live is always up, /health/ready asks", async () => {
    const status = async (path: string) => (await fetch(fixture.gateway.url + path)).status;
    expect(await status("/health/live")).toBe(200);
    expect(await status("/health/ready")).toBe(200);
    fixture.shop.outage = new Error("down");
    expect(await status("/health/live")).toBe(200);
    expect(await status("/health/ready")).toBe(503);
  });

  test("/ leads to GraphiQL", async () => {
    const response = await fetch(fixture.gateway.url, { redirect: "manual" });
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("/graphiql");
  });
});
