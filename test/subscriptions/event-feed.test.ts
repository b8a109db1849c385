import { beforeEach, describe, expect, test } from "vitest";
import type { Broadcast } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { Filter } from "../../src/model/filter.ts";
import type { FeedPage } from "../../src/schema/context.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { sold } from "../server/shop-session.ts";
import { shopActivity } from "../server/shop.ts";
import { batch, fakeBroadcast } from "./fake-broadcast.ts";

const { source } = shopActivity;

function feed(broadcast: Broadcast, after: string | null = null, where: Filter = []) {
  const live = liveFeeds({ broadcast, cursorSecret: "of the test", retryMs: () => 1 });
  return live.feed(source, where, after)[Symbol.asyncIterator]();
}

type Feed = ReturnType<typeof feed>;

async function page(of: Feed): Promise<FeedPage> {
  return ((await of.next()) as { value: FeedPage }).value;
}

const ids = ({ events }: FeedPage): string[] => events.map(({ id }) => id);

/** Sales numbered by their cost. */
const sales = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => sold(i % 2 === 0 ? "Bern" : "Oslo", 1, from + i));

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

describe("cursors", () => {
  test("resume anywhere: nothing missed, nothing twice, in the middle of a batch and across shards", async () => {
    const broadcast = fakeBroadcast();
    const whole = feed(broadcast);
    const first = page(whole);
    for (let i = 0; i < 5; i++) {
      await broadcast.publish(batch("s-0", 1 + i * 130, sales(1, 130)));
      await broadcast.publish(batch("s-1", 1 + i * 7, sales(1, 7)));
    }
    const pages = [await first];
    while (pages.flatMap(ids).length < 5 * 137) pages.push(await page(whole));
    await whole.return!();
    const all = pages.flatMap(ids);
    expect(new Set(all).size).toBe(685);
    for (const [i, { cursor }] of pages.slice(0, -1).entries()) {
      const resumed = feed(broadcast, cursor);
      const rest: string[] = [];
      while (rest.length < 685 - pages.slice(0, i + 1).flatMap(ids).length)
        rest.push(...ids(await page(resumed)));
      await resumed.return!();
      expect([...pages.slice(0, i + 1).flatMap(ids), ...rest]).toEqual(all);
    }
    expect(broadcast.listeners()).toBe(0);
  });

  test("go on with what arrives later", async () => {
    const broadcast = fakeBroadcast();
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 2)));
    const { cursor } = await first;
    await before.return!();
    const resumed = feed(broadcast, cursor);
    const next = page(resumed);
    await broadcast.publish(batch("s-2", 1, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-2:1:0"]);
    await resumed.return!();
  });

  test("expire when their position is no longer retained", async () => {
    const broadcast = fakeBroadcast(3);
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    for (let i = 2; i < 6; i++) await broadcast.publish(batch("s-0", i, sales(i, 1)));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("of another life of the broadcast expire", async () => {
    const broadcast = fakeBroadcast();
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    await expect(feed(fakeBroadcast(), cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a consumer that falls behind the window is told, not skipped ahead", async () => {
    const broadcast = fakeBroadcast(3);
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    expect(ids(await first)).toEqual(["s-0:1:0"]);
    for (let i = 2; i < 9; i++) await broadcast.publish(batch("s-0", i, sales(i, 1)));
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a gap in the broadcast ends the feed after what came before it; one before its start does not", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish({ ...batch("s-0", 1, sales(1, 1)), gap: true });
    expect(ids(await first)).toEqual(["s-0:1:0"]);
    await broadcast.publish(batch("s-0", 2, sales(2, 1)));
    await broadcast.publish({ ...batch("s-0", 9, sales(1, 1)), gap: true });
    expect(ids(await page(following))).toEqual(["s-0:2:0"]);
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("a gap in a shard that the feed has nothing of loses nothing, one without events does elsewhere", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish({ ...batch("s-0", 1, sales(1, 1)), gap: true });
    await broadcast.publish({ ...batch("s-1", 5, sales(1, 1)), gap: true });
    await broadcast.publish({ ...batch("s-2", 7, []), gap: true });
    await broadcast.publish(batch("s-2", 8, sales(1, 1)));
    expect(ids(await first)).toEqual(["s-0:1:0"]);
    expect(ids(await page(following))).toEqual(["s-1:5:0"]);
    expect(ids(await page(following))).toEqual(["s-2:8:0"]);
    await broadcast.publish({ ...batch("s-1", 9, []), gap: true });
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a gap before what the feed has sent loses nothing: a consumer began again from its checkpoint", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 3)));
    await first;
    await broadcast.publish({ ...batch("s-0", 2, sales(2, 3)), gap: true });
    expect(ids(await page(following))).toEqual(["s-0:4:0"]);
    await following.return!();
  });

  test("a cursor of before a gap expires, wherever the gap has gone; a feed begun behind it goes on", async () => {
    const broadcast = fakeBroadcast(1);
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    await broadcast.publish({ ...batch("s-0", 2, []), gap: true });
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    await broadcast.publish(batch("s-9", 1, []));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    const behind = feed(broadcast);
    const next = page(behind);
    await broadcast.publish(batch("s-0", 3, sales(3, 1)));
    expect(ids(await next)).toEqual(["s-0:3:0"]);
    await behind.return!();
  });

  test("a place that only a repetition holds expires when something before it is unseen", async () => {
    const broadcast = fakeBroadcast(2);
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    await broadcast.publish(batch("s-1", 1, sales(1, 1)));
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("work over the broadcast of one process too", async () => {
    const broadcast = memoryBroadcast({ retainMs: 60_000, retainMax: 100, clock: () => 0 });
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 150)));
    const { cursor } = await first;
    await following.return!();
    const resumed = feed(broadcast, cursor);
    expect(ids(await page(resumed))).toEqual(Array.from({ length: 50 }, (_, i) => `s-0:${i + 101}:0`));
    await resumed.return!();
  });

  test.each([
    ["an invented one", () => "bm90IGEgY3Vyc29y.AAAA"],
    ["an empty one", () => ""],
    ["one whose payload was changed", (cursor: string) => `A${cursor.slice(1)}`],
    ["one whose signature was cut", (cursor: string) => cursor.slice(0, -4)],
    ["one with something added", (cursor: string) => `${cursor}.x`],
  ])("%s is bad input", async (_, tamper) => {
    const broadcast = fakeBroadcast();
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    await expect(feed(broadcast, tamper(cursor)).next()).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("of another secret are bad input", async () => {
    const broadcast = fakeBroadcast();
    const before = feed(broadcast);
    const first = page(before);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const { cursor } = await first;
    await before.return!();
    const other = liveFeeds({ broadcast, cursorSecret: "another", retryMs: () => 1 }).feed(
      source,
      [],
      cursor,
    );
    await expect(other[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });
});

describe("a quiet hour", () => {
  let now: number;
  let broadcast: ReturnType<typeof fakeBroadcast>;
  beforeEach(() => {
    now = 0;
    broadcast = fakeBroadcast(1_000, 60, () => now);
  });

  test("is no reason to refuse a new feed", async () => {
    await broadcast.publish(batch("s-0", 1, sales(1, 2)));
    now = 100;
    const following = feed(broadcast);
    const next = page(following);
    await broadcast.publish(batch("s-0", 3, sales(3, 1)));
    expect(ids(await next)).toEqual(["s-0:3:0"]);
    await following.return!();
  });

  test("is no reason to end a feed that has seen everything", async () => {
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 2, sales(2, 1)));
    await first;
    const next = page(following);
    now = 100;
    await broadcast.publish(batch("s-1", 1, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-1:1:0"]);
    await following.return!();
  });

  test("lets the last cursor go on, before and after something new, and no older one", async () => {
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 101)));
    await broadcast.publish(batch("s-1", 1, sales(1, 1)));
    const cursors = [await first, await page(following), await page(following)].map(({ cursor }) => cursor);
    await following.return!();
    now = 100;
    const quiet = feed(broadcast, cursors[2]);
    const next = page(quiet);
    await broadcast.publish(batch("s-0", 200, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-0:200:0"]);
    await quiet.return!();
    const late = feed(broadcast, cursors[2]);
    expect(ids(await page(late))).toEqual(["s-0:200:0"]);
    await late.return!();
    for (const cursor of cursors.slice(0, 2))
      await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("counts as seen what the filter left out", async () => {
    const oslo: Filter = [{ op: "eq", column: "shop", value: "Oslo" }];
    const following = feed(broadcast, null, oslo);
    const next = page(following);
    await broadcast.publish(batch("s-0", 1, [sold("Bern", 1, 1)]));
    await new Promise((resolve) => setImmediate(resolve));
    now = 100;
    await broadcast.publish(batch("s-0", 2, [sold("Oslo", 1, 1)]));
    expect(ids(await next)).toEqual(["s-0:2:0"]);
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
