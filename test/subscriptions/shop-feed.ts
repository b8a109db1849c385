/** Feeds of the test shop, and what is sold in it. */
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { Filter } from "../../src/model/filter.ts";
import type { FeedPage } from "../../src/schema/context.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { sold } from "../server/shop-session.ts";
import { shopActivity } from "../server/shop.ts";
import { batch } from "./fake-broadcast.ts";

const { source } = shopActivity;

export function feed(
  broadcast: Broadcast,
  after: string | null = null,
  where: Filter = [],
  cursorSecret = "of the test",
): AsyncIterator<FeedPage> {
  const live = liveFeeds({ broadcast, cursorSecret, retryMs: () => 1 });
  return live.feed(source, where, after)[Symbol.asyncIterator]();
}

export async function page(of: AsyncIterator<FeedPage>): Promise<FeedPage> {
  return ((await of.next()) as { value: FeedPage }).value;
}

export const ids = ({ events }: FeedPage): string[] => events.map(({ id }) => id);

/** Sales numbered by their cost. */
export const sales = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => sold(i % 2 === 0 ? "Bern" : "Oslo", 1, from + i));

/** The cursor of a feed that has read the first batch of shard s-0, numbered from 1, and left. */
export async function firstCursor(broadcast: Broadcast, count = 1): Promise<string> {
  const following = feed(broadcast);
  const first = page(following);
  await broadcast.publish(batch("s-0", 1, sales(1, count)));
  const { cursor } = await first;
  await following.return!();
  return cursor;
}
