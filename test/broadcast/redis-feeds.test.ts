/**
 * Feeds over several gateways and one Redis, while everything is cut, killed and replaced at random. What a client has got
 * from a start on, by whichever gateways, is compared with what was produced: one piece of it per shard, or it was told
 * CURSOR_EXPIRED.
 */
import { afterEach, describe, expect, test } from "vitest";
import { announcer } from "../../etl/live/announce.ts";
import { waitFor } from "../../etl/live/effects.ts";
import type { RedisBroadcast } from "../../src/backends/broadcast.redis.ts";
import type { Filter } from "../../src/model/filter.ts";
import type { FeedPage, LiveFeeds } from "../../src/schema/context.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { quietEffects } from "../live/memory-stores.ts";
import { pick, type Random, seeded } from "../property/random.ts";
import { sold } from "../server/shop-session.ts";
import { shopActivity } from "../server/shop.ts";
import { batch } from "../subscriptions/fake-broadcast.ts";
import { feed, ids, page, sales } from "../subscriptions/shop-feed.ts";
import { node, testRedis, type TestRedis } from "./redis-server.ts";

const key = "feeds";
const shards = ["s-0", "s-1", "s-2"];
const shops = ["Bern", "Oslo"];
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Gateway {
  readonly broadcast: RedisBroadcast;
  readonly live: LiveFeeds;
  readonly gone: Promise<void>;
  close(): Promise<void>;
}

/** All that a client has got between two starts, in the order of its arrival. */
type Run = string[];

interface Client {
  readonly runs: Run[];
  readonly where: Filter;
  resumed: number;
  expired: number;
}

let redis: TestRedis;
let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
  closing = [];
  await redis.remove();
});

async function openGateway(): Promise<Gateway> {
  const broadcast = await node(redis, key);
  // as a gateway's own caches do
  broadcast.subscribe(() => {});
  let leave = (): void => {};
  const gone = new Promise<void>((resolve) => (leave = resolve));
  const close = async (): Promise<void> => {
    leave();
    await broadcast.close();
  };
  closing.push(close);
  return { broadcast, live: liveFeeds({ broadcast, cursorSecret: "shared", retryMs: () => 1 }), gone, close };
}

/** Produces numbered sales into all shards, and remembers them. */
function producer(random: Random, broadcast: RedisBroadcast) {
  const announced = announcer({
    broadcast,
    effects: { ...quietEffects(random, new AbortController().signal), wait: waitFor },
  });
  const produced = new Map(shards.map((shard) => [shard, [] as { id: string; shop: string }[]]));
  const next = new Map(shards.map((shard) => [shard, 1]));
  return {
    produced,
    step: async (): Promise<void> => {
      const shard = pick(random, shards);
      const first = next.get(shard)!;
      const events = Array.from({ length: Math.floor(random() * 4) }, (_, i) =>
        sold(pick(random, shops), 1, i),
      );
      next.set(shard, first + Math.max(1, events.length));
      produced
        .get(shard)!
        .push(...events.map(({ shop }, i) => ({ id: `${shard}:${first + i}:0`, shop: shop as string })));
      await announced.publish(batch(shard, first, events));
    },
  };
}

/** Follows until `done`, at one gateway after the other. */
async function follow(
  client: Client,
  random: Random,
  gateways: readonly Gateway[],
  done: (run: Run) => boolean,
): Promise<void> {
  let cursor: string | null = null;
  for (;;) {
    const { live, gone } = pick(random, gateways);
    const pages = live.feed(shopActivity.source, client.where, cursor)[Symbol.asyncIterator]();
    const leaving = Math.floor(random() * 12);
    if (cursor === null) client.runs.push([]);
    const run = client.runs.at(-1)!;
    try {
      for (let count = 0; count < leaving; count++) {
        const next = await nextPage(pages, gone);
        if (next === null) break;
        if (count === 0 && cursor !== null) client.resumed++;
        cursor = next.cursor;
        run.push(...ids(next));
        if (done(run)) return;
      }
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "CURSOR_EXPIRED") {
        client.expired++;
        cursor = null;
      } else if (code === "BACKEND_UNAVAILABLE") await pause(20);
      else throw error;
    } finally {
      await pages.return?.();
    }
  }
}

/** Null when the client turns away: the gateway has gone, or it has waited long enough. */
async function nextPage(pages: AsyncIterator<FeedPage>, gone: Promise<void>): Promise<FeedPage | null> {
  const next = pages.next();
  next.catch(() => {});
  const result = await Promise.race([next, gone.then(() => null), pause(300).then(() => null)]);
  return result === null || result.done === true ? null : result.value;
}

/** Each run is one piece of what was produced in each shard. */
function expectWhole({ runs, where }: Client, produced: ReturnType<typeof producer>["produced"]): void {
  const wanted = where.length === 0 ? shops : ["Oslo"];
  for (const run of runs)
    for (const shard of shards) {
      const got = run.filter((id) => id.startsWith(`${shard}:`));
      const all = produced
        .get(shard)!
        .filter(({ shop }) => wanted.includes(shop))
        .map(({ id }) => id);
      const first = got.length === 0 ? 0 : all.indexOf(got[0]!);
      expect(got).toEqual(all.slice(first, first + got.length));
    }
}

/** Something goes wrong, and is mended. */
async function mishap(kind: number, random: Random, gateways: Gateway[]): Promise<void> {
  if (kind === 0) {
    await redis.kill();
    await pause(random() * 300);
    await redis.start();
  } else if (kind === 1) {
    redis.signal("SIGSTOP");
    await pause(random() * 300);
    redis.signal("SIGCONT");
  } else if (kind === 2) await redis.command("CLIENT", "KILL", "TYPE", "normal");
  else {
    const replaced = Math.floor(random() * gateways.length);
    const [old] = gateways.splice(replaced, 1, await openGateway());
    await old!.close();
  }
}

async function chaos(seed: number, keeps: boolean): Promise<Client[]> {
  redis = await testRedis({ keeps });
  const random = seeded(seed);
  const gateways = [await openGateway(), await openGateway()];
  const writer = await node(redis, key);
  closing.push(() => writer.close());
  const { produced, step } = producer(random, writer);
  const clients = Array.from(
    { length: 6 },
    (_, i): Client => ({
      runs: [],
      where: i % 3 === 2 ? [{ op: "eq", column: "shop", value: "Oslo" }] : [],
      resumed: 0,
      expired: 0,
    }),
  );
  const calmFrom = new Map<string, number>();
  const done = (run: Run): boolean =>
    calmFrom.size > 0 &&
    shards.every((shard) =>
      run.some((id) => id.startsWith(`${shard}:`) && Number(id.split(":")[1]) > calmFrom.get(shard)!),
    );
  const ended = new AbortController();
  const followed = Promise.all(
    clients.map((client, i) => follow(client, seeded(seed * 100 + i), gateways, done)),
  ).finally(() => ended.abort());
  followed.catch(() => {});
  const produces = (async () => {
    while (!ended.signal.aborted) {
      await step();
      await pause(random() * 10);
    }
  })();
  for (let i = 0; i < 12; i++) {
    await pause(random() * 300);
    await mishap(i % 4, random, gateways);
  }
  for (const shard of shards) calmFrom.set(shard, Number(produced.get(shard)!.at(-1)?.id.split(":")[1] ?? 0));
  await followed;
  await produces;
  for (const client of clients) expectWhole(client, produced);
  return clients;
}

const sum = (clients: readonly Client[], of: "resumed" | "expired") =>
  clients.reduce((total, client) => total + client[of], 0);

describe("feeds lose nothing, repeat nothing, or say so", () => {
  test.each([1, 2, 3])("over a Redis that forgets (seed %i)", async (seed) => {
    const clients = await chaos(seed, false);
    expect(sum(clients, "resumed")).toBeGreaterThan(0);
    expect(sum(clients, "expired")).toBeGreaterThan(0);
  });

  test.each([4, 5])("over a Redis that keeps what was appended (seed %i)", async (seed) => {
    const clients = await chaos(seed, true);
    expect(sum(clients, "resumed")).toBeGreaterThan(0);
  });
});

test("a cursor whose entry and the next one are older than what is retained has expired, a later one has not", async () => {
  redis = await testRedis();
  const [writer, reader] = [await node(redis, key, { retainMs: 0 }), await node(redis, key)];
  closing.push(
    () => writer.close(),
    () => reader.close(),
  );
  const following = feed(reader);
  const cursors: string[] = [];
  for (let i = 1; i <= 3; i++) {
    const next = page(following);
    await writer.publish(batch("s-0", i, sales(i, 1)));
    cursors.push((await next).cursor);
    // Redis counts time in milliseconds
    await pause(5);
  }
  await following.return!();
  await expect(feed(reader, cursors[0]).next()).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
  const resumed = feed(reader, cursors[1]);
  expect(ids(await page(resumed))).toEqual(["s-0:3:0"]);
  await resumed.return!();
});
