import { describe, expect, test } from "vitest";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { batch, fakeBroadcast } from "./fake-broadcast.ts";
import { feed, firstCursor, ids, page, sales } from "./shop-feed.ts";

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
    const cursor = await firstCursor(broadcast, 2);
    const resumed = feed(broadcast, cursor);
    const next = page(resumed);
    await broadcast.publish(batch("s-2", 1, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-2:1:0"]);
    await resumed.return!();
  });

  test("expire when their position is no longer retained", async () => {
    const broadcast = fakeBroadcast(3);
    const cursor = await firstCursor(broadcast);
    for (let i = 2; i < 6; i++) await broadcast.publish(batch("s-0", i, sales(i, 1)));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("of another life of the broadcast expire", async () => {
    const broadcast = fakeBroadcast();
    const cursor = await firstCursor(broadcast);
    await expect(feed(fakeBroadcast(), cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a place that only a repetition holds has expired", async () => {
    const broadcast = fakeBroadcast(1);
    const cursor = await firstCursor(broadcast);
    await broadcast.publish(batch("s-1", 1, sales(1, 1)));
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a repetition behind the place is not sent again", async () => {
    const broadcast = fakeBroadcast();
    const cursor = await firstCursor(broadcast);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await broadcast.publish(batch("s-0", 1, sales(1, 3)));
    const resumed = feed(broadcast, cursor);
    expect(ids(await page(resumed))).toEqual(["s-0:2:0", "s-0:3:0"]);
    await resumed.return!();
  });

  test("work over the broadcast of one process too", async () => {
    const broadcast = memoryBroadcast({ retainMs: 60_000, retainMax: 100, clock: () => 0, epoch: "e" });
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
    const cursor = await firstCursor(broadcast);
    await expect(feed(broadcast, tamper(cursor)).next()).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("of another secret are bad input", async () => {
    const broadcast = fakeBroadcast();
    const cursor = await firstCursor(broadcast);
    await expect(feed(broadcast, cursor, [], "another").next()).rejects.toMatchObject({
      code: "BAD_USER_INPUT",
    });
  });
});
