import { describe, expect, test } from "vitest";
import { sold } from "../server/shop-session.ts";
import { batch, fakeBroadcast } from "./fake-broadcast.ts";
import { feed, ids, page, sales } from "./shop-feed.ts";

describe("pages", () => {
  test("hold what arrives from now on, at most 100 events each, in order", async () => {
    const broadcast = fakeBroadcast();
    await broadcast.publish(batch("s-0", 1, sales(1, 3)));
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 4, sales(4, 250)));
    const pages = [await first, await page(following), await page(following)];
    expect(pages.map(({ events }) => events.length)).toEqual([100, 100, 50]);
    expect(pages.flatMap(ids)).toEqual(Array.from({ length: 250 }, (_, i) => `s-0:${i + 4}:0`));
    await following.return!();
    expect(broadcast.listeners()).toBe(0);
  });

  test("leave out what the filter does, and are never empty", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast, null, [{ op: "eq", column: "shop", value: "Oslo" }]);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, [sold("Bern", 1, 1)]));
    await broadcast.publish(batch("s-0", 2, sales(2, 4)));
    expect(ids(await first)).toEqual(["s-0:3:0", "s-0:5:0"]);
    await following.return!();
  });

  test("hold an event once, however often its batch is broadcast and wherever it is cut", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 4)));
    expect(ids(await first)).toEqual(["s-0:1:0", "s-0:2:0", "s-0:3:0", "s-0:4:0"]);
    await broadcast.publish(batch("s-0", 1, sales(1, 4)));
    await broadcast.publish(batch("s-0", 3, sales(3, 3)));
    expect(ids(await page(following))).toEqual(["s-0:5:0"]);
    await following.return!();
  });

  test("compare sequence numbers by value, not by text", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 9, sales(1, 1)));
    await first;
    await broadcast.publish(batch("s-0", 10, sales(1, 1)));
    expect(ids(await page(following))).toEqual(["s-0:10:0"]);
    await following.return!();
  });

  test("hold all events of a record with several", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    const [positioned] = batch("s-0", 7, sales(1, 1)).events;
    const events = [0, 1, 2].map((index) => ({ ...positioned!, index }));
    await broadcast.publish({ ...batch("s-0", 7, []), events });
    expect(ids(await first)).toEqual(["s-0:7:0", "s-0:7:1", "s-0:7:2"]);
    await following.return!();
  });
});

test("unsubscribing wakes a sleeping feed", async () => {
  const broadcast = fakeBroadcast();
  const following = feed(broadcast);
  const sleeping = following.next();
  await following.return!();
  expect(await sleeping).toEqual({ value: undefined, done: true });
  expect(broadcast.listeners()).toBe(0);
});
