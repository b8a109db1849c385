/** Server-sent events, by the client of graphql-sse and by hand. */
import { once } from "node:events";
import { connect as connectTo } from "node:net";
import { createClient, type RequestParams } from "graphql-sse";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { connect, type Fixture, listening, startFixture, subscribe } from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;
beforeAll(async () => (fixture = await startFixture()));
afterAll(() => fixture.gateway.close());

const feed = "subscription { saleFeed { cursor events { id } } }";
let sequence = 0;

async function publish(): Promise<void> {
  await fixture.broadcast.publish(batch("s-0", ++sequence, [sold("Bern", 1, 1)]));
}

function iterate(params: RequestParams) {
  const client = createClient({ url: `${fixture.gateway.url}/graphql/stream`, retryAttempts: 0 });
  return client.iterate(params);
}

describe("the graphql-sse client", () => {
  test("asks a query, and is done", async () => {
    const results: unknown[] = [];
    for await (const result of iterate({ query: "{ shopActivity { sales } }" })) results.push(result);
    expect(results).toMatchObject([
      { data: { shopActivity: { sales: 4 } }, extensions: { sluice: { manifest: { ShopActivity: 7 } } } },
    ]);
  });

  test("follows a feed with the same payloads as a socket, and leaves by closing", async () => {
    const following = iterate({ query: feed });
    const first = following.next();
    await listening(fixture, 1);
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", feed));
    socket.say({ type: "ping" });
    await socket.next();
    await publish();
    expect((await first).value).toEqual((await socket.next()).payload);
    socket.close();
    const next = following.next();
    await publish();
    expect(await next).toMatchObject({ value: { data: { saleFeed: { events: [{ id: "s-0:2:0" }] } } } });
    await following.return!();
    await listening(fixture, 0);
  });

  test("resumes a feed by its cursor", async () => {
    const following = iterate({ query: feed });
    const first = following.next();
    await listening(fixture, 1);
    await publish();
    const { value } = (await first) as { value: { data: { saleFeed: { cursor: string } } } };
    await following.return!();
    await publish();
    const resumed = iterate({
      query: feed
        .replace("subscription", "subscription ($after: Cursor)")
        .replace("saleFeed", "saleFeed(after: $after)"),
      variables: { after: value.data.saleFeed.cursor },
    });
    expect(await resumed.next()).toMatchObject({
      value: { data: { saleFeed: { events: [{ id: `s-0:${sequence}:0` }] } } },
    });
    await resumed.return!();
  });

  test("is told what is wrong in a next event, then complete", async () => {
    const results: unknown[] = [];
    for await (const result of iterate({ query: "subscription { nothing }" })) results.push(result);
    expect(results).toMatchObject([{ errors: [{ extensions: { code: "BAD_USER_INPUT" } }] }]);
  });
});

async function raw(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  const response = await fetch(`${fixture.gateway.url}/graphql/stream${path}`, init);
  return { status: response.status, text: await response.text() };
}

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", accept: "text/event-stream", ...headers },
  body: JSON.stringify(body),
});

describe("by hand", () => {
  test("a query by GET, as EventSource asks", async () => {
    const query = encodeURIComponent(
      "query ($shop: String) { shopActivity(where: { shop: { eq: $shop } }) { sales } }",
    );
    const { status, text } = await raw(`?query=${query}&variables=${encodeURIComponent('{"shop":"Oslo"}')}`);
    expect(status).toBe(200);
    expect(text).toMatch(
      /^event: next\ndata: \{"data":\{"shopActivity":\{"sales":1\}\}.*\n\nevent: complete\ndata: \n\n$/,
    );
  });

  test.each([
    ["no query", json({})],
    ["a body that is no object", json([1])],
    ["variables that are none", json({ query: "{ shopActivity { sales } }", variables: 3 })],
    ["a syntax error", json({ query: "{" })],
    ["a wait that is none", json({ query: "{ shopActivity { sales } }" }, { "sluice-ad-hoc-wait": "soon" })],
  ])("%s is bad input", async (_, init) => {
    const { status, text } = await raw("", init);
    expect(status).toBe(200);
    expect(text).toMatch(
      /^event: next\ndata: \{"errors":\[.*"code":"BAD_USER_INPUT".*\n\nevent: complete\ndata: \n\n$/,
    );
  });

  test("variables by GET that are no JSON are bad input", async () => {
    expect((await raw("?query=%7B__typename%7D&variables=x")).text).toContain("BAD_USER_INPUT");
  });

  test.each([
    [
      "a mutation by GET",
      `?query=${encodeURIComponent('mutation { cancelAdHocJob(id: "1") { id } }')}`,
      {},
      "BAD_USER_INPUT",
    ],
    [
      "another site's page",
      "?query=%7B__typename%7D",
      { headers: { origin: "https://evil.example" } },
      "FORBIDDEN",
    ],
    [
      "a page of another site that sends no origin",
      "?query=%7B__typename%7D",
      { headers: { "sec-fetch-site": "cross-site" } },
      "FORBIDDEN",
    ],
    [
      "a token, which is not understood yet",
      "?query=%7BshopActivity%7Bsales%7D%7D",
      { headers: { authorization: "Bearer x" } },
      "UNAUTHENTICATED",
    ],
  ])("%s is refused", async (_, path, init, code) => {
    expect((await raw(path, init)).text).toContain(`"code":"${code}"`);
  });

  test("another body is 415, another accept 406, another method 404", async () => {
    expect(
      (await raw("", { method: "POST", headers: { "content-type": "text/css" }, body: "x" })).status,
    ).toBe(415);
    expect((await raw("?query=%7B__typename%7D", { headers: { accept: "text/html" } })).status).toBe(406);
    expect((await raw("", { method: "PUT" })).status).toBe(404);
  });
});

test("a slow client is told the end of its feed, however long it takes to read so far", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const own = await startFixture();
  try {
    const large = encodeURIComponent("subscription { saleFeed { cursor events { id shop } } }");
    const { hostname, port, host } = new URL(own.gateway.url);
    const client = connectTo(Number(port), hostname);
    client.write(
      `GET /graphql/stream?query=${large} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\n\r\n`,
    );
    await once(client, "data");
    await listening(own, 1);
    client.pause();
    for (let at = 1; own.broadcast.listeners() > 0; at++) {
      await own.broadcast.publish(batch("s-0", at, [sold("x".repeat(200_000), 1, 1)]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // several pings are due
    vi.advanceTimersByTime(60_000);
    let end = "";
    client.on("data", (data: Buffer) => (end = (end + data.toString()).slice(-2_000)));
    client.resume();
    await expect.poll(() => end, { interval: 5, timeout: 10_000 }).toContain("event: complete");
    expect(end).toContain("SLOW_CONSUMER");
    client.destroy();
  } finally {
    vi.useRealTimers();
    await own.gateway.close();
  }
});

test("closing the gateway ends the streams without complete, behind what was sent", async () => {
  const own = await startFixture();
  const response = await fetch(`${own.gateway.url}/graphql/stream?query=${encodeURIComponent(feed)}`, {
    headers: { accept: "text/event-stream" },
  });
  await listening(own, 1);
  await own.broadcast.publish(batch("s-0", 1, [sold("Bern", 1, 1)]));
  // the execution of the page takes a few turns
  await new Promise((resolve) => setTimeout(resolve, 50));
  await own.gateway.close();
  const text = await response.text();
  expect(text).toContain("s-0:1:0");
  expect(text).not.toContain("complete");
  expect(own.broadcast.listeners()).toBe(0);
});
