import { beforeEach, describe, expect, test } from "vitest";
import type { Broadcasted, Gap } from "../../src/backends/broadcast.ts";
import type { Filter } from "../../src/model/filter.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import { sold } from "../server/shop-session.ts";
import { batch, fakeBroadcast } from "./fake-broadcast.ts";
import { feed, firstCursor, ids, page, sales } from "./shop-feed.ts";

const gap = (lost: Record<string, number>): Gap => ({
  kind: "gap",
  stream: "sales",
  lost: Object.fromEntries(
    Object.entries(lost).map(([shard, through]) => [shard, sortableSequence(String(through))]),
  ),
});

/** Whatever sleeps has come to where it sleeps. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** So many steps of whoever awaits something. */
async function after(moments: number, then: () => Promise<void>): Promise<void> {
  for (let i = 0; i < moments; i++) await Promise.resolve();
  await then();
}

describe("a feed that may have missed something", () => {
  test("an update that does not follow what it has seen ends it after what came before", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    expect(ids(await first)).toEqual(["s-0:1:0"]);
    await broadcast.publish(batch("s-0", 2, sales(2, 1)));
    await broadcast.publish(batch("s-0", 9, sales(1, 1)));
    expect(ids(await page(following))).toEqual(["s-0:2:0"]);
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    expect(broadcast.listeners()).toBe(0);
  });

  test("a gap marker ends it where updates of its shard are lost, and nowhere else", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 2)));
    expect(ids(await first)).toEqual(["s-0:1:0", "s-0:2:0"]);
    // what it has seen, another stream
    await broadcast.publish(gap({ "s-0": 2 }));
    await broadcast.publish({ ...gap({ "s-0": 9 }), stream: "others" });
    await broadcast.publish(batch("s-0", 3, sales(3, 1)));
    expect(ids(await page(following))).toEqual(["s-0:3:0"]);
    await broadcast.publish(gap({ "s-0": 4 }));
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("a gap marker ends it where updates are lost of a shard that has been silent so far", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await first;
    await broadcast.publish(gap({ "s-1": 7 }));
    await expect(following.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("in a shard that it has nothing of, it begins with any update", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-1", 5, sales(1, 1)));
    await broadcast.publish(batch("s-2", 8, sales(1, 1)));
    expect(ids(await first)).toEqual(["s-1:5:0"]);
    expect(ids(await page(following))).toEqual(["s-2:8:0"]);
    await following.return!();
  });

  test("a consumer that began again from its checkpoint loses nothing", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 3)));
    await first;
    await broadcast.publish(batch("s-0", 2, sales(2, 3)));
    expect(ids(await page(following))).toEqual(["s-0:4:0"]);
    await following.return!();
  });

  test("updates without events count as seen", async () => {
    const broadcast = fakeBroadcast();
    const following = feed(broadcast);
    const first = page(following);
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await broadcast.publish(batch("s-0", 2, []));
    await broadcast.publish(batch("s-0", 3, sales(1, 1)));
    expect(ids(await first)).toEqual(["s-0:1:0"]);
    expect(ids(await page(following))).toEqual(["s-0:3:0"]);
    await following.return!();
  });

  test("a cursor of before a gap expires when what it needs is lost; a feed begun behind it goes on", async () => {
    const broadcast = fakeBroadcast();
    const cursor = await firstCursor(broadcast);
    await broadcast.publish(batch("s-0", 3, []));
    await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    const behind = feed(broadcast);
    const next = page(behind);
    await broadcast.publish(batch("s-0", 4, sales(3, 1)));
    expect(ids(await next)).toEqual(["s-0:4:0"]);
    await behind.return!();
  });

  test.each<[string, Broadcasted]>([
    ["an update that does not follow", batch("s-1", 3, sales(1, 1))],
    ["a gap marker", gap({ "s-1": 2 })],
  ])("%s ends a resumed one, also in a shard that its gateway was told nothing of", async (_, message) => {
    const broadcast = fakeBroadcast();
    const before = feed(broadcast);
    const pages = [page(before), page(before)] as const;
    await broadcast.publish(batch("s-1", 1, sales(1, 1)));
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await pages[0];
    const { cursor } = await pages[1];
    await before.return!();
    const resumed = feed(broadcast, cursor);
    const next = page(resumed);
    await settled();
    await broadcast.publish(batch("s-0", 2, sales(2, 1)));
    const afterwards = await next;
    expect(ids(afterwards)).toEqual(["s-0:2:0"]);
    await broadcast.publish(message);
    await expect(resumed.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("an update at any moment of a resumption is not missed", async () => {
    for (let moment = 0; moment < 20; moment++) {
      const broadcast = fakeBroadcast();
      const cursor = await firstCursor(broadcast);
      let asked = false;
      const resumed = feed(
        {
          ...broadcast,
          from: async (id, limit) => {
            const found = await broadcast.from(id, limit);
            if (!asked) void after(moment, () => broadcast.publish(batch("s-0", 2, sales(2, 1))));
            asked = true;
            return found;
          },
        },
        cursor,
      );
      expect(ids(await page(resumed))).toEqual(["s-0:2:0"]);
      await resumed.return!();
    }
  });

  test("others join again after it, from now", async () => {
    const broadcast = fakeBroadcast();
    const [one, other] = [feed(broadcast), feed(broadcast, null, [{ op: "eq", column: "shop", value: "x" }])];
    const pages = [page(one), other.next()] as const;
    await broadcast.publish(batch("s-0", 1, sales(1, 1)));
    await pages[0];
    await broadcast.publish(batch("s-0", 5, sales(1, 1)));
    await expect(pages[1]).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    await expect(one.next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
    const again = feed(broadcast);
    const next = page(again);
    await broadcast.publish(batch("s-0", 6, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-0:6:0"]);
    await again.return!();
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
    await broadcast.publish(batch("s-0", 102, sales(1, 1)));
    expect(ids(await next)).toEqual(["s-0:102:0"]);
    await quiet.return!();
    const late = feed(broadcast, cursors[2]);
    expect(ids(await page(late))).toEqual(["s-0:102:0"]);
    await late.return!();
    for (const cursor of cursors.slice(0, 2))
      await expect(feed(broadcast, cursor).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  });

  test("counts as seen what the filter left out", async () => {
    const oslo: Filter = [{ op: "eq", column: "shop", value: "Oslo" }];
    const following = feed(broadcast, null, oslo);
    const next = page(following);
    await broadcast.publish(batch("s-0", 1, [sold("Bern", 1, 1)]));
    await settled();
    now = 100;
    await broadcast.publish(batch("s-0", 2, [sold("Oslo", 1, 1)]));
    expect(ids(await next)).toEqual(["s-0:2:0"]);
    await following.return!();
  });
});
