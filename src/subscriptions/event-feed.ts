/**
 * The events of a source in pages. Delivery: every event once per position and in order per shard, from the start or the
 * cursor on; a consumer that falls behind what the broadcast retains, or behind a gap in it, is told `CURSOR_EXPIRED`,
 * never skipped ahead. In a shard that the broadcast has not told of yet, a feed starts with the first update.
 */
import type { Broadcast } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import { type Filter, matcher } from "../model/filter.ts";
import type { Positions } from "../model/position.ts";
import type { Source, Stream } from "../model/source.ts";
import type { FeedPage } from "../schema/context.ts";
import type { Cursor, Cursors } from "./cursor.ts";
import type { FeedHub, FeedListener, FeedWorkings, Standing } from "./feed-hub.ts";
import { expired, freshEvents, missesSome, moveOver, pagesOf } from "./feed-pages.ts";
import { following, type Latch } from "./following.ts";

export interface FeedAsked {
  readonly source: Source;
  readonly where: Filter;
  readonly after: string | null;
  /** As `LiveFeeds.feed` has it. */
  readonly level: ((at: string) => boolean) | undefined;
}

const entriesAtATime = 100;
const maxQueued = 10_000; // pages that a consumer may be behind

/** Rejects `BAD_USER_INPUT` for a foreign cursor, `CURSOR_EXPIRED` for one that is no longer retained. */
export function eventFeed(
  workings: FeedWorkings,
  hubOf: (stream: Stream) => FeedHub,
  { source, where, after, level }: FeedAsked,
): AsyncIterable<FeedPage> {
  const stream = streamOf(source);
  return following(async function* (change, ended) {
    const hub = hubOf(stream);
    const unfollow = hub.follow();
    try {
      let cursor = after === null ? null : workings.cursors.verify(after, stream.name);
      if (cursor !== null) {
        // the hub may have been told of more before the last answer was taken
        do {
          const past = pastPages(workings, hub, where, cursor);
          for (;;) {
            const next: IteratorResult<FeedPage, Cursor> = await past.next();
            if (ended.aborted) return;
            if (next.done === true) {
              cursor = next.value;
              break;
            }
            yield next.value;
          }
        } while (hub.level > cursor.at);
        if (level?.(cursor.at) === true) {
          // whoever goes on with it relies on the hub to know what was read here
          hub.learn(cursor);
          return;
        }
      }
      yield* livePages(hub, where, cursor, change, ended);
    } finally {
      unfollow();
    }
  });
}

function streamOf(source: Source): Stream {
  if (source.stream !== null) return source.stream;
  throw new SluiceError("NOT_LIVE", `A feed follows a stream. Source "${source.name}" has none.`);
}

/** What is retained behind a cursor, until it is level with the hub. Returns where it has come to. */
async function* pastPages(
  { broadcast, cursors }: { readonly broadcast: Broadcast; readonly cursors: Cursors },
  hub: FeedHub,
  where: Filter,
  cursor: Cursor,
): AsyncGenerator<FeedPage, Cursor, undefined> {
  const matches = matcher(where);
  const positions: Positions = { ...cursor.positions };
  let at = cursor.at;
  for (let first = true; ; first = false) {
    const found = await broadcast.from(at, entriesAtATime);
    if (found === null) throw expired();
    // the cursor's own entry may have been sent in part, later ones were sent whole
    const behind = first ? found : found.filter(({ id }) => id !== at);
    for (const { id, message } of behind) {
      at = id;
      if (message.stream !== cursor.stream) continue;
      if (missesSome(positions, message)) throw expired();
      const events = freshEvents(positions, message).filter(({ event }) => matches(event));
      yield* pagesOf(cursors, positions, message, id, events);
      moveOver(positions, message);
    }
    // the hub may have been told meanwhile of what was not there yet
    if (at >= hub.level && behind.length === 0) return { stream: cursor.stream, at, positions };
  }
}

/** What the hub tells from now on, behind what has been read. */
async function* livePages(
  hub: FeedHub,
  where: Filter,
  read: Standing | null,
  change: Latch,
  ended: AbortSignal,
): AsyncGenerator<FeedPage, void, undefined> {
  const queue: FeedPage[] = [];
  let failure: Error | null = null;
  const listener: FeedListener = {
    page: (page) => {
      if ((read !== null && page.at <= read.at) || failure !== null) return;
      if (queue.length >= maxQueued) failure = expired();
      else queue.push(page);
      change.raise();
    },
    failed: (error) => {
      failure ??= error;
      change.raise();
    },
  };
  const leave = hub.join(where, listener, read ?? undefined);
  try {
    while (!ended.aborted) {
      for (let page = queue.shift(); page !== undefined; page = queue.shift()) yield page;
      if (failure !== null) throw failure as Error;
      await change.taken();
    }
  } finally {
    leave();
  }
}
