/**
 * The events of a source in pages. Delivery: every event once per position and in order per shard, from the start or the
 * cursor on; a consumer that falls behind what the broadcast retains, or behind a gap in it, is told `CURSOR_EXPIRED`,
 * never skipped ahead. In a shard that the broadcast has not told of yet, a feed starts with the first update.
 */
import type { Broadcast, LiveUpdate, PositionedEvent } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import { type Filter, matcher } from "../model/filter.ts";
import { advance, comparePositions, moveOver, type Position, type Positions } from "../model/position.ts";
import { plainSequence } from "../model/sequence.ts";
import type { Source, Stream } from "../model/source.ts";
import type { Event } from "../model/values.ts";
import type { FeedPage } from "../schema/context.ts";
import type { Cursors } from "./cursor.ts";
import { following } from "./following.ts";

const pageSize = 100; // events

export interface FeedWorkings {
  readonly broadcast: Broadcast;
  readonly cursors: Cursors;
}

/** How far a feed has come. */
interface Progress {
  /** The last event of every shard. */
  readonly positions: Positions;
  /** The offset of the first update that is unseen. */
  next: number;
}

/** Rejects `BAD_USER_INPUT` for a foreign cursor, `CURSOR_EXPIRED` for one that is no longer retained. */
export function eventFeed(
  { broadcast, cursors }: FeedWorkings,
  source: Source,
  where: Filter,
  after: string | null,
): AsyncIterable<FeedPage> {
  const stream = streamOf(source);
  const matches = matcher(where);
  return following(async function* (change, ended) {
    // the window that the broadcast retains is the feed's queue: a slow consumer costs no memory of its own
    const unsubscribe = broadcast.subscribe((message) => {
      if (message.kind === "live" && message.stream === stream.name) change.raise();
    });
    try {
      const progress =
        after === null ? fromNow(broadcast, stream) : resume(broadcast, stream, cursors, after);
      while (!ended.aborted) {
        for (const update of unseen(broadcast, stream, progress))
          for (const events of pages(update, progress.positions, matches))
            yield { cursor: cursorAt(cursors, stream, progress, update.shard), events };
        await change.taken();
      }
    } finally {
      unsubscribe();
    }
  });
}

function streamOf(source: Source): Stream {
  if (source.stream !== null) return source.stream;
  throw new SluiceError("NOT_LIVE", `A feed follows a stream. Source "${source.name}" has none.`);
}

function fromNow(broadcast: Broadcast, stream: Stream): Progress {
  const { first, updates, dropped } = broadcast.retained(stream.name);
  const positions: Positions = { ...dropped };
  for (const update of updates) moveOver(positions, update);
  return { positions, next: first + updates.length };
}

function resume(broadcast: Broadcast, stream: Stream, cursors: Cursors, after: string): Progress {
  const { positions, last } = cursors.verify(after, stream.name);
  const { first, updates, dropped } = broadcast.retained(stream.name);
  const seen = positions[last]!;
  // its update may have been sent in part; if it has been dropped, it must have been the shard's last one dropped
  const place = updates.findIndex((update) => update.shard === last && holds(update, seen));
  const end = dropped[last];
  if (place < 0 && (end === undefined || comparePositions(end, seen) !== 0)) throw expired();
  const before: Positions = { ...dropped };
  for (const update of updates.slice(0, Math.max(place, 0))) moveOver(before, update);
  if (!covers(positions, before)) throw expired();
  return { positions: { ...positions }, next: first + Math.max(place, 0) };
}

/** Whether nothing up to `before` is unseen. */
function covers(seen: Readonly<Positions>, before: Readonly<Positions>): boolean {
  return Object.entries(before).every(([shard, position]) => {
    const at = seen[shard];
    return at !== undefined && comparePositions(position, at) <= 0;
  });
}

function expired(): SluiceError {
  return new SluiceError(
    "CURSOR_EXPIRED",
    "A feed resumes within the window that is retained. This position has left it, so events in between cannot be sent. Subscribe without after, and query what was missed.",
  );
}

/** Throws `CURSOR_EXPIRED` when the next update has been dropped, and where the broadcast says that some may be lost. */
function* unseen(broadcast: Broadcast, stream: Stream, progress: Progress): Generator<LiveUpdate> {
  const { first, updates } = broadcast.retained(stream.name);
  if (progress.next < first) throw expired();
  for (const update of updates.slice(progress.next - first)) {
    if (missesEvents(update, progress.positions)) throw expired();
    progress.next += 1;
    yield update;
  }
}

/**
 * A gap loses what came between the shard's position and the update: nothing where the feed has no position to go on
 * from, and nothing where the update begins at or before it.
 */
function missesEvents({ shard, events, gap }: LiveUpdate, positions: Readonly<Positions>): boolean {
  const at = positions[shard];
  if (gap !== true || at === undefined) return false;
  const begin = events[0];
  return begin === undefined || comparePositions(positionOf(begin), at) > 0;
}

/** Pages of the update's events that are behind the shard's position and match; moves the position along. */
function* pages(
  { shard, events }: LiveUpdate,
  positions: Positions,
  matches: (event: Event) => boolean,
): Generator<FeedPage["events"]> {
  let page: { id: string; event: Event }[] = [];
  for (const positioned of events) {
    if (!advance(positions, shard, positionOf(positioned)) || !matches(positioned.event)) continue;
    page.push({ id: eventId(shard, positioned), event: positioned.event });
    if (page.length < pageSize) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

function cursorAt(cursors: Cursors, stream: Stream, { positions }: Progress, last: string): string {
  return cursors.sign({ stream: stream.name, positions, last });
}

function holds({ events }: LiveUpdate, position: Position): boolean {
  const [begin, end] = [events[0], events.at(-1)];
  if (begin === undefined || end === undefined) return false;
  return (
    comparePositions(positionOf(begin), position) <= 0 && comparePositions(position, positionOf(end)) <= 0
  );
}

const positionOf = ({ sequence, index }: PositionedEvent): Position => [sequence, index];
const eventId = (shard: string, { sequence, index }: PositionedEvent): string =>
  `${shard}:${plainSequence(sequence)}:${index}`;
