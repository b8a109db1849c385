import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { batch } from "../subscriptions/fake-broadcast.ts";
import {
  connect,
  type Fixture,
  foreignHosts,
  listening,
  post,
  startFixture,
  subscribe,
} from "./gateway-fixture.ts";
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

  test("no connection_init for a while closes with 4408", async () => {
    const socket = await connect(fixture.gateway, { init: false });
    expect(await socket.closed).toBe(4408);
  });

  test("a syntax error in one subscribe leaves the others running", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
    expect(await socket.next()).toMatchObject({ type: "next", id: "1" });
    socket.say(subscribe("2", "subscription { shopActivityUpdated { sales "));
    expect(await socket.next()).toMatchObject({
      type: "error",
      id: "2",
      payload: [{ extensions: { code: "BAD_USER_INPUT" } }],
    });
    fixture.shop.sales.push(sold("Bern", 1, 1));
    await fixture.broadcast.publish(batch("s-0", 1, []));
    expect(await socket.next()).toMatchObject({ type: "next", id: "1" });
    socket.close();
    await listening(fixture, 0);
  });

  test("an id in use closes with 4409", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
    await socket.next();
    socket.say(subscribe("1", ask));
    expect(await socket.closed).toBe(4409);
    await listening(fixture, 0);
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
    await listening(fixture, 0);
  });
});

async function expectServing(): Promise<void> {
  expect((await post(fixture.gateway, { query: "{ __typename }" })).status).toBe(200);
}
