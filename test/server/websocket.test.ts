import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { connect, type Fixture, foreignHosts, post, startFixture, subscribe } from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.gateway.close());

const ask = "{ shopActivity { sales } }";

describe("the protocol", () => {
  test("queries are answered, with extensions", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", ask));
    expect(await socket.next()).toEqual({
      type: "next",
      id: "1",
      payload: {
        data: { shopActivity: { sales: 4 } },
        extensions: {
          sluice: {
            manifest: { ShopActivity: 7 },
            provenance: [
              {
                path: "shopActivity",
                fields: ["sales"],
                source: "EDITION",
                through: "2024-01-03T00:00:00.000Z",
              },
            ],
          },
        },
      },
    });
    expect(await socket.next()).toEqual({ type: "complete", id: "1" });
    socket.close();
  });

  test.each([
    ["text that is not JSON", "{", 4400],
    ["a list", "[]", 4400],
    ["a number", "5", 4400],
    ["null", "null", 4400],
    ["an unknown type", { type: "shout" }, 4400],
    ["a type that only servers send", { type: "next", id: "1", payload: { data: {} } }, 4400],
    ["a subscribe without an id", { type: "subscribe", payload: { query: ask } }, 4400],
    ["a subscribe without a payload", { type: "subscribe", id: "1" }, 4400],
    ["a query that is a number", { type: "subscribe", id: "1", payload: { query: 5 } }, 4400],
    [
      "variables that are a list",
      { type: "subscribe", id: "1", payload: { query: ask, variables: 5 } },
      4400,
    ],
    ["bytes that are not UTF-8", Buffer.from([0xff, 0xfe]), 4400],
    ["more than 64 KB", "x".repeat(65_537), 1009],
    ["a second connection_init", { type: "connection_init" }, 4429],
  ])("%s closes the socket with its code, and the server goes on", async (_, message, code) => {
    const socket = await connect(fixture.gateway);
    socket.say(message);
    expect(await socket.closed).toBe(code);
    await expectServing();
  });

  test("a subscribe before connection_init closes with 4401", async () => {
    const socket = await connect(fixture.gateway, { init: false });
    socket.say(subscribe("1", ask));
    expect(await socket.closed).toBe(4401);
  });

  test("an id in use closes with 4409", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
    await socket.next();
    socket.say(subscribe("1", ask));
    expect(await socket.closed).toBe(4409);
    await vanished();
  });

  test("another subprotocol closes with 4406", async () => {
    const socket = new WebSocket(fixture.gateway.wsUrl);
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(4406);
  });

  test("a token is not understood yet: 4403", async () => {
    const socket = await connect(fixture.gateway, { init: false, headers: { authorization: "Bearer x" } });
    socket.say({ type: "connection_init" });
    expect(await socket.closed).toBe(4403);
  });

  test("another site's page may not connect, our own may", async () => {
    await expect(connect(fixture.gateway, { headers: { origin: "https://evil.example" } })).rejects.toThrow(
      "403",
    );
    const own = await connect(fixture.gateway, { headers: { origin: fixture.gateway.url } });
    own.close();
  });

  test.each([
    ...foreignHosts.map((host) => ({ host })),
    { host: "evil.example:4000", origin: "http://evil.example:4000" },
  ])(
    "a page whose name resolves to here is refused as $host: 4403",
    async (headers: Record<string, string>) => {
      const socket = await connect(fixture.gateway, { init: false, headers });
      socket.say({ type: "connection_init" });
      expect(await socket.closed).toBe(4403);
    },
  );

  test("another path has no WebSocket", async () => {
    const socket = new WebSocket(fixture.gateway.wsUrl.replace("/graphql", "/other"), "graphql-transport-ws");
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("404");
  });

  test("a socket carries 100 operations; one more is an error of its own", async () => {
    const socket = await connect(fixture.gateway);
    for (let i = 0; i < 100; i++) {
      socket.say(subscribe(String(i), "subscription { shopActivityUpdated { sales } }"));
      expect(await socket.next()).toMatchObject({ type: "next", id: String(i) });
    }
    socket.say(subscribe("more", "subscription { shopActivityUpdated { sales } }"));
    expect(await socket.next()).toMatchObject({
      type: "error",
      id: "more",
      payload: [{ extensions: { code: "RATE_LIMITED" } }],
    });
    socket.close();
    await socket.closed;
    await vanished();
  });
});

describe("subscriptions", () => {
  test("a snapshot, then newer states with their own provenance; complete ends it", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(
      subscribe("1", 'subscription { shopActivityUpdated(where: { shop: { eq: "Oslo" } }) { shop sales } }'),
    );
    const state = (sales: number) => ({
      type: "next",
      id: "1",
      payload: {
        data: { shopActivityUpdated: { shop: "Oslo", sales } },
        extensions: {
          sluice: {
            manifest: { ShopActivity: 7 },
            provenance: [
              {
                path: "shopActivityUpdated",
                fields: ["sales"],
                source: "EDITION",
                through: "2024-01-03T00:00:00.000Z",
              },
            ],
          },
        },
      },
    });
    expect(await socket.next()).toEqual(state(1));
    await sell(sold("Oslo", 5, 3));
    expect(await socket.next()).toEqual(state(2));
    socket.say({ type: "complete", id: "1" });
    await vanished();
    socket.say(subscribe("2", ask));
    expect(await socket.next()).toMatchObject({ type: "next", id: "2" });
    socket.close();
  });

  test.each([
    [
      "a slice that nothing keeps live",
      "shopActivityUpdated(where: { cost: { gte: 5 } }) { sales }",
      /Rollups: total, shop/,
    ],
    ["an ad-hoc measure", "shopActivityUpdated { sales p90 }", /Subscribe to sales, turnover, pieces, mean/],
    [
      "an ad-hoc measure in a series",
      "shopActivityUpdated { series(grain: DAY) { ...F } }",
      /"p90" of ShopActivity/,
    ],
  ])("%s is NOT_LIVE", async (_, field, says) => {
    const socket = await connect(fixture.gateway);
    const fragment = field.includes("...F") ? "fragment F on ShopActivity { p90 }" : "";
    socket.say(subscribe("1", `subscription { ${field} } ${fragment}`));
    expect(await socket.next()).toMatchObject({
      type: "error",
      id: "1",
      payload: [{ message: expect.stringMatching(says) as string, extensions: { code: "NOT_LIVE" } }],
    });
    socket.say(subscribe("2", ask));
    expect(await socket.next()).toMatchObject({ type: "next", id: "2" });
    socket.close();
    await vanished();
  });

  test("an ad-hoc measure that is skipped does not matter", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(
      subscribe("1", "subscription ($no: Boolean!) { shopActivityUpdated { sales p90 @include(if: $no) } }", {
        no: false,
      }),
    );
    expect(await socket.next()).toMatchObject({ type: "next", id: "1" });
    socket.close();
  });

  test("a feed, with its filter, and from its cursor on another socket", async () => {
    const query =
      "subscription ($after: Cursor) { saleFeed(where: { shop: { isNull: false } }, after: $after) { cursor events { id at shop cost gift } } }";
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", query));
    await listening(1);
    await fixture.broadcast.publish(batch("s-0", 10, [sold("Bern", 1, 2.5, true), sold(null, 1, 1)]));
    const first = await socket.next();
    expect(first).toMatchObject({
      payload: {
        data: {
          saleFeed: {
            events: [{ id: "s-0:10:0", at: "2024-01-01T01:00:00.000Z", shop: "Bern", cost: 2.5, gift: true }],
          },
        },
      },
    });
    const after = (first as { payload: { data: { saleFeed: { cursor: string } } } }).payload.data.saleFeed
      .cursor;
    socket.close();
    await vanished();
    await fixture.broadcast.publish(batch("s-0", 12, [sold("Oslo", 2, 7)]));
    const again = await connect(fixture.gateway);
    again.say(subscribe("1", query, { after }));
    expect(await again.next()).toMatchObject({
      payload: { data: { saleFeed: { events: [{ id: "s-0:12:0" }] } } },
    });
    again.say(subscribe("2", query, { after: `${after.slice(0, -2)}xx` }));
    expect(await again.next()).toMatchObject({
      type: "error",
      id: "2",
      payload: [{ extensions: { code: "BAD_USER_INPUT" } }],
    });
    again.close();
    await vanished();
  });

  test("a failure of a store ends the subscription with a code and no cause", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
    await socket.next();
    fixture.shop.outage = new Error("arn:aws:dynamodb:x");
    await fixture.broadcast.publish(batch("s-0", 100, [sold("Bern", 1, 1)]));
    const message = await socket.next();
    fixture.shop.outage = null;
    expect(message).toMatchObject({ type: "error", payload: [{ extensions: { code: "INTERNAL" } }] });
    expect(JSON.stringify(message)).not.toContain("arn:");
    socket.close();
    await vanished();
  });

  test("a product without a stream has none", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "subscription { stockLevelUpdated { pieces } }"));
    expect(await socket.next()).toMatchObject({
      type: "error",
      payload: [{ message: expect.stringContaining("stockLevelUpdated") as string }],
    });
    socket.close();
  });
});

test("closing the gateway says 1001 to every socket", async () => {
  const { gateway, broadcast } = await startFixture();
  const socket = await connect(gateway);
  socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
  await socket.next();
  await gateway.close();
  expect(await socket.closed).toBe(1001);
  expect(broadcast.listeners()).toBe(0);
  await expect(fetch(gateway.url)).rejects.toThrow("fetch failed");
});

async function sell(sale: ReturnType<typeof sold>): Promise<void> {
  fixture.shop.sales.push(sale);
  await fixture.broadcast.publish(batch("s-0", 1, [sale]));
}

async function expectServing(): Promise<void> {
  expect((await post(fixture.gateway, { query: "{ __typename }" })).status).toBe(200);
}

/** Nobody listens to the broadcast any more. */
const vanished = () => listening(0);

async function listening(count: number): Promise<void> {
  await expect.poll(() => fixture.broadcast.listeners(), { interval: 5, timeout: 10_000 }).toBe(count);
}
