import { beforeEach, describe, expect, test } from "vitest";
import { SluiceError } from "../../src/model/errors.ts";
import type { Insight, LiveFeeds, Session } from "../../src/schema/context.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { shopActivity } from "../server/shop.ts";
import { openShop, type Shop, shopSession, sold } from "../server/shop-session.ts";
import { batch, type FakeBroadcast, fakeBroadcast } from "./fake-broadcast.ts";

let shop: Shop;
let broadcast: FakeBroadcast;
let live: LiveFeeds;
let sessions: number;

beforeEach(() => {
  shop = openShop([sold("Bern", 1, 10)]);
  broadcast = fakeBroadcast();
  live = liveFeeds({ broadcast, cursorSecret: "of the test", retryMs: () => 1 });
  sessions = 0;
});

const everything = { product: shopActivity, where: [] };

function follow(
  question: Parameters<LiveFeeds["insights"]>[0] = everything,
  open: (shop: Shop) => Session = shopSession,
  besides: Parameters<LiveFeeds["insights"]>[2] = async () => [],
) {
  const newSession = () => {
    sessions += 1;
    return open(shop);
  };
  return live.insights(question, newSession, besides)[Symbol.asyncIterator]();
}

type Following = ReturnType<typeof follow>;

async function salesOf(following: Following): Promise<number | null> {
  const { value } = (await following.next()) as { value: { insight: Insight } };
  return value.insight.measure("sales", ["sales"]);
}

/** A sale and the news of it. */
async function sell(): Promise<void> {
  const sale = sold("Bern", 2, 1);
  shop.sales.push(sale);
  await broadcast.publish(batch("s-0", shop.sales.length, [sale]));
}

describe("states", () => {
  test("come as a snapshot, then newer ones, each of a session of its own", async () => {
    const following = follow();
    expect(await salesOf(following)).toBe(1);
    await sell();
    expect(await salesOf(following)).toBe(2);
    expect(sessions).toBe(2);
    await following.return!();
  });

  test("coalesce to the latest while the consumer is busy", async () => {
    const following = follow();
    expect(await salesOf(following)).toBe(1);
    for (let i = 0; i < 50; i++) await sell();
    expect(await salesOf(following)).toBe(51);
    await sell();
    expect(await salesOf(following)).toBe(52);
    expect(sessions).toBe(3);
    await following.return!();
  });

  test("that moved while the snapshot was read are not lost", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const slow = (of: Shop): Session => {
      const session = shopSession(of);
      return {
        ...session,
        insight: async (question) => {
          const insight = await session.insight(question);
          await gate;
          return insight;
        },
      };
    };
    const following = follow(everything, slow);
    const first = salesOf(following);
    await sell();
    release();
    expect(await first).toBe(1);
    expect(await salesOf(following)).toBe(2);
    await following.return!();
  });

  test("that moved while they were read are not lost, though they could not have moved those before", async () => {
    let gate = Promise.resolve();
    // reads no live item yet
    const reading = { items: [], newest: Date.UTC(2030, 0), awaits: null };
    const slow = (of: Shop): Session => {
      const session = shopSession(of);
      return {
        ...session,
        insight: async (question) => {
          const insight = await session.insight(question);
          await gate;
          return { ...insight, liveReading: () => reading };
        },
      };
    };
    const following = follow(everything, slow);
    expect(await salesOf(following)).toBe(1);
    // what comes in the shard next follows it
    await sell();
    expect(await salesOf(following)).toBe(2);
    let release = () => {};
    gate = new Promise((resolve) => (release = resolve));
    const second = salesOf(following);
    await broadcast.publish({ kind: "published", product: "ShopActivity", version: 8 });
    await expect.poll(() => sessions).toBe(3);
    await sell();
    release();
    expect(await second).toBe(3);
    await following.return!();
  });

  test("are not repeated when the news changes nothing", async () => {
    const following = follow({ product: shopActivity, where: [{ op: "eq", column: "shop", value: "Oslo" }] });
    expect(await salesOf(following)).toBe(0);
    const second = salesOf(following);
    await sell();
    await sell();
    shop.sales.push(sold("Oslo", 3, 1));
    await broadcast.publish({ kind: "published", product: "ShopActivity", version: 8 });
    expect(await second).toBe(1);
    await following.return!();
  });

  test("are told when an insight besides has moved, though their own numbers have not", async () => {
    const oslo = { product: shopActivity, where: [{ op: "eq", column: "shop", value: "Oslo" }] } as const;
    const following = follow(oslo, shopSession, async () => [await shopSession(shop).insight(everything)]);
    expect(await salesOf(following)).toBe(0);
    await sell();
    expect(await salesOf(following)).toBe(0);
    expect(sessions).toBe(2);
    await following.return!();
  });

  test("follow what is published of the product, and nothing of others", async () => {
    const following = follow();
    await salesOf(following);
    shop.sales.push(sold("Bern", 4, 1));
    const second = salesOf(following);
    await broadcast.publish({ kind: "published", product: "StockLevel", version: 8 });
    await broadcast.publish({ ...batch("s-0", 90, []), source: "Visit", stream: "visits" });
    expect(sessions).toBe(1);
    await broadcast.publish({ kind: "published", product: "ShopActivity", version: 8 });
    expect(await second).toBe(2);
    await following.return!();
  });

  test("never run backwards under a storm of updates", async () => {
    const following = follow();
    const seen: number[] = [];
    const reading = (async () => {
      for (;;) {
        const next = await salesOf(following);
        seen.push(next!);
        if (next === 201) return;
      }
    })();
    for (let i = 0; i < 200; i++) {
      await sell();
      if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await reading;
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(201);
    await following.return!();
  });
});

describe("the end", () => {
  test("wakes a sleeping subscription, and nobody listens any more", async () => {
    const following = follow();
    await salesOf(following);
    const sleeping = following.next();
    expect(broadcast.listeners()).toBe(1);
    await following.return!();
    expect(await sleeping).toEqual({ value: undefined, done: true });
    expect(broadcast.listeners()).toBe(0);
    await sell();
    expect(sessions).toBe(1);
  });

  test("before the start leaves nothing behind", async () => {
    const following = follow();
    await following.return!();
    expect(await following.next()).toEqual({ value: undefined, done: true });
    expect(broadcast.listeners()).toBe(0);
    expect(sessions).toBe(0);
  });

  test("comes with NOT_LIVE where nothing keeps the slice", async () => {
    const following = follow({ product: shopActivity, where: [{ op: "gte", column: "cost", value: 5 }] });
    await expect(following.next()).rejects.toMatchObject({
      code: "NOT_LIVE",
      message: /Rollups: total, shop/,
    });
    expect(broadcast.listeners()).toBe(0);
  });

  test("does not come while a store is not reachable, once the snapshot is sent", async () => {
    const following = follow();
    await salesOf(following);
    shop.outage = new SluiceError("BACKEND_UNAVAILABLE", "down");
    const next = salesOf(following);
    await sell();
    await expect.poll(() => sessions, { timeout: 10_000 }).toBeGreaterThan(3);
    shop.outage = null;
    expect(await next).toBe(2);
    await following.return!();
  });

  test("cuts the wait for a store short", async () => {
    live = liveFeeds({ broadcast, cursorSecret: "of the test", retryMs: () => 60_000 });
    const following = follow();
    await salesOf(following);
    shop.outage = new SluiceError("BACKEND_UNAVAILABLE", "down");
    const next = following.next();
    await sell();
    await expect.poll(() => sessions, { timeout: 10_000 }).toBe(2);
    await following.return!();
    expect(await next).toEqual({ value: undefined, done: true });
    expect(broadcast.listeners()).toBe(0);
  });

  test("comes at once when the snapshot's store is not reachable", async () => {
    shop.outage = new SluiceError("BACKEND_UNAVAILABLE", "down");
    await expect(follow().next()).rejects.toBe(shop.outage);
    expect(broadcast.listeners()).toBe(0);
  });

  test("comes with the error of a session that fails", async () => {
    const following = follow();
    await salesOf(following);
    shop.outage = new Error("gone");
    const failure = following.next().then(
      () => null,
      (error: unknown) => error,
    );
    await sell();
    expect(await failure).toBe(shop.outage);
    expect(broadcast.listeners()).toBe(0);
  });
});
