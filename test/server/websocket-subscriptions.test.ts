import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { connect, type Fixture, listening, startFixture, subscribe } from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.gateway.close());

const ask = "{ shopActivity { sales } }";

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
    await listening(fixture, 0);
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
    await listening(fixture, 0);
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
    await listening(fixture, 1);
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
    await listening(fixture, 0);
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
    await listening(fixture, 0);
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
    await listening(fixture, 0);
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
