/** What subscriptions follow, over one broadcast. */
import type { Broadcast } from "../backends/broadcast.ts";
import type { Stream } from "../model/source.ts";
import type { LiveFeeds } from "../schema/context.ts";
import { signedCursors } from "./cursor.ts";
import { eventFeed } from "./event-feed.ts";
import { FeedHub } from "./feed-hub.ts";
import { insightUpdates } from "./insight-updates.ts";

export interface LiveFeedsOptions {
  readonly broadcast: Broadcast;
  /** Signs the cursors of feeds; all gateways share it, and it outlives them. */
  readonly cursorSecret: string;
  /** How long to wait before an insight is asked for again while a store is not reachable, jitter included. */
  readonly retryMs: () => number;
}

export function liveFeeds({ broadcast, cursorSecret, retryMs }: LiveFeedsOptions): LiveFeeds {
  const workings = { broadcast, cursors: signedCursors(cursorSecret) };
  const hubs = new Map<string, FeedHub>();
  const hubOf = ({ name }: Stream): FeedHub => {
    const hub = hubs.get(name) ?? new FeedHub(workings, name);
    hubs.set(name, hub);
    return hub;
  };
  return {
    insights: (question, newSession, besides) =>
      insightUpdates({ broadcast, retryMs }, { question, besides }, newSession),
    feed: (source, where, after, level) => eventFeed(workings, hubOf, { source, where, after, level }),
  };
}
