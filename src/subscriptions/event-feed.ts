/**
 * The events of a source in pages. Delivery: every event once per position and in order per shard, from the start or the
 * cursor on; a consumer that falls behind what the broadcast retains is told `CURSOR_EXPIRED`, never skipped ahead.
 */
import type { Broadcast, LiveUpdate, PositionedEvent } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import { type Filter, matcher } from "../model/filter.ts";
import { plainSequence } from "../model/sequence.ts";
import type { Source, Stream } from "../model/source.ts";
import type { Event } from "../model/values.ts";
import type { FeedPage } from "../schema/context.ts";
import { comparePositions, type Cursors, type Position } from "./cursor.ts";
import { following } from "./following.ts";

const pageSize = 100; // events

export interface FeedWorkings {
  readonly broadcast: Broadcast;
  readonly cursors: Cursors;
}

/** How far a feed has come: the last event of every shard, and the update that it was in. */
interface Progress {
  readonly positions: Record<string, Position>;
  /** What follows it in the broadcast is unseen; null before the first update. */
  anchor: LiveUpdate | null;
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
  return following(async function* (change, stopped) {
    // the window that the broadcast retains is the feed's queue: a slow consumer costs no memory of its own
    const unsubscribe = broadcast.subscribe((message) => {
      if (message.kind === "live" && message.stream === stream.name) change.raise();
    });
    try {
      const progress =
        after === null ? fromNow(broadcast, stream) : resume(broadcast, stream, cursors, after);
      while (!stopped()) {
        for (const update of unseen(broadcast, stream, progress)) {
          progress.anchor = update;
          for (const events of pages(update, progress.positions, matches))
            yield { cursor: cursorAt(cursors, stream, progress, update.shard), events };
        }
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
  const updates = retainedUpdates(broadcast, stream);
  const positions: Record<string, Position> = {};
  for (const update of updates) advance(positions, update.shard, lastPosition(update));
  return { positions, anchor: updates.at(-1) ?? null };
}

function resume(broadcast: Broadcast, stream: Stream, cursors: Cursors, after: string): Progress {
  const { positions, last } = cursors.verify(after, stream.name);
  const position = positions[last]!;
  const updates = retainedUpdates(broadcast, stream);
  const anchor = updates.find((update) => update.shard === last && holds(update, position));
  if (anchor === undefined) throw expired();
  return { positions: { ...positions }, anchor };
}

function expired(): SluiceError {
  return new SluiceError(
    "CURSOR_EXPIRED",
    "A feed resumes within the window that is retained. This position has left it, so events in between cannot be sent. Subscribe without after, and query what was missed.",
  );
}

/** Updates without events say nothing to a feed. */
function retainedUpdates(broadcast: Broadcast, stream: Stream): readonly LiveUpdate[] {
  return broadcast.retained(stream.name).updates.filter((update) => update.events.length > 0);
}

/**
 * From the anchor on, which may have been sent in part. Throws `CURSOR_EXPIRED` when it has been dropped, and where the
 * broadcast says that updates may be lost.
 */
function* unseen(broadcast: Broadcast, stream: Stream, { anchor }: Progress): Generator<LiveUpdate> {
  const { updates, complete } = broadcast.retained(stream.name);
  const at = anchor === null ? 0 : updates.findLastIndex((update) => sameUpdate(update, anchor));
  if (at < 0 || (anchor === null && !complete)) throw expired();
  for (const [i, update] of updates.slice(at).entries()) {
    // what was lost before the first one was lost before the feed began
    if (update.gap === true && i > 0) throw expired();
    if (update.events.length > 0) yield update;
  }
}

function sameUpdate(a: LiveUpdate, b: LiveUpdate): boolean {
  if (a === b) return true;
  if (a.shard !== b.shard || a.events.length !== b.events.length) return false;
  return comparePositions(lastPosition(a), lastPosition(b)) === 0;
}

/** Pages of the update's events that are behind the shard's position and match; moves the position along. */
function* pages(
  { shard, events }: LiveUpdate,
  positions: Record<string, Position>,
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

/** Moves a shard's position forward; false, and nothing moved, when it has been there. */
function advance(positions: Record<string, Position>, shard: string, to: Position): boolean {
  const at = positions[shard];
  if (at !== undefined && comparePositions(to, at) <= 0) return false;
  positions[shard] = to;
  return true;
}

function cursorAt(cursors: Cursors, stream: Stream, { positions }: Progress, last: string): string {
  return cursors.sign({ stream: stream.name, positions, last });
}

function holds(update: LiveUpdate, position: Position): boolean {
  const first = positionOf(update.events[0]!);
  return comparePositions(first, position) <= 0 && comparePositions(position, lastPosition(update)) <= 0;
}

const lastPosition = (update: LiveUpdate): Position => positionOf(update.events.at(-1)!);
const positionOf = ({ sequence, index }: PositionedEvent): Position => [sequence, index];
const eventId = (shard: string, { sequence, index }: PositionedEvent): string =>
  `${shard}:${plainSequence(sequence)}:${index}`;
