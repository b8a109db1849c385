import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Fixture, foreignHosts, post, startFixture } from "./gateway-fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.gateway.close());

describe("requests that are none", () => {
  test.each([
    ["no query", {}, 400, /no keys/],
    ["a query that is a number", { query: 5 }, 400, /must be strings/],
    ["an empty query", { query: "" }, 400, /non-empty/],
    ["variables that are a list", { query: "{ __typename }", variables: [] }, 400, /variables/],
    ["a batch", [{ query: "{ __typename }" }], 400, /batching/i],
    ["a subscription", { query: "subscription { shopActivityUpdated { sales } }" }, 400, /over WebSocket/],
    [
      "an operation that is not there",
      { query: "query A { __typename }", operationName: "B" },
      400,
      /Got "B"\. The document has A/,
    ],
    [
      "two operations, none named",
      { query: "query A { __typename } query B { __typename }" },
      400,
      /Send one, or name one/,
    ],
  ])("%s", async (_, body, expected, says) => {
    const { status, answer } = await post(fixture.gateway, body);
    expect(status).toBe(expected);
    expect(answer.errors).toMatchObject([
      { message: expect.stringMatching(says) as string, extensions: { code: "BAD_USER_INPUT" } },
    ]);
  });

  test("bad JSON is a 400", async () => {
    const { status, answer } = await post(fixture.gateway, "{ query:");
    expect(status).toBe(400);
    expect(answer).toEqual({
      errors: [
        {
          message: 'A request body is JSON. Got text that is not. Send { "query": "…" }.',
          extensions: { code: "BAD_USER_INPUT" },
        },
      ],
    });
  });

  test("more than 100 KB is a 413", async () => {
    const { status, answer } = await post(fixture.gateway, {
      query: "{ __typename }",
      padding: "x".repeat(103_000),
    });
    expect(status).toBe(413);
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringContaining("at most 100 KB") as string,
      extensions: { code: "BAD_USER_INPUT" },
    });
  });

  test.each([
    ["application/xml", 415, /Got content-type "application\/xml"\. Use content-type: application\/json/],
    ["text/plain", 400, /CSRF/],
    ["application/x-www-form-urlencoded", 400, /CSRF/],
    ["multipart/form-data; boundary=x", 400, /CSRF/],
  ])("content-type %s is a %i", async (type, expected, says) => {
    const { status, answer } = await post(fixture.gateway, '{"query":"{ __typename }"}', {
      "content-type": type,
    });
    expect(status).toBe(expected);
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringMatching(says) as string,
      extensions: { code: "BAD_USER_INPUT" },
    });
  });

  test.each(["PUT", "DELETE", "OPTIONS"])("%s is a 405", async (method) => {
    const response = await fetch(`${fixture.gateway.url}/graphql`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, POST");
  });

  test("__proto__ in a body has no effect", async () => {
    const { status } = await post(
      fixture.gateway,
      '{"query":"{ __typename }","variables":{"__proto__":{"polluted":true}}}',
    );
    expect(status).toBe(400);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("another path is a 404 as JSON", async () => {
    const response = await fetch(`${fixture.gateway.url}/graphq`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: "BAD_USER_INPUT" } }] });
  });

  test.each([
    ["a token", { authorization: "Bearer x" }],
    ["a forwarded request", { "x-forwarded-for": "203.0.113.9" }],
  ])("%s is a 401", async (_, headers: Record<string, string>) => {
    const { status, answer } = await post(fixture.gateway, { query: "{ __typename }" }, headers);
    expect(status).toBe(401);
    expect(answer.errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED" });
  });

  test.each(foreignHosts)("a page of host %s is a 401, its name resolving to here", async (host) => {
    const { status, text } = await askAs(host);
    expect(status).toBe(401);
    expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });
  });

  test.each(["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.8.9.10", "[::1]", "[::1]:4000"])(
    "host %s is this machine",
    async (host) => {
      expect((await askAs(host)).status).toBe(200);
    },
  );
});

/** Fetch does not let anyone choose the host. */
async function askAs(host: string): Promise<{ status: number | undefined; text: string }> {
  const asking = request(`${fixture.gateway.url}/graphql?query=${encodeURIComponent("{ __typename }")}`, {
    headers: { host, "apollo-require-preflight": "1" },
  });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  return { status: response.statusCode, text: await textOf(response) };
}
