import { beforeEach, describe, expect, test } from "vitest";
import type { Filter } from "../../src/model/filter.ts";
import { sold } from "../server/shop-session.ts";
import { batch, fakeBroadcast } from "./fake-broadcast.ts";
import { feed, firstCursor, ids, page, sales } from "./shop-feed.ts";

describe("a feed that may have missed something", () => {
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
    const cursor = await firstCursor(broadcast);
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
