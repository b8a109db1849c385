/**
 * What a reader of a stream's updates sees of the next one: the events that are new to it, and whether it has missed
 * some before. Every update says which record it follows: the reader stands there, or has missed something.
 */
import type { LiveUpdate, PositionedEvent } from "../backends/broadcast.ts";
import { SluiceError } from "../model/errors.ts";
import { advance, comparePositions, endOfRecord, type Position, type Positions } from "../model/position.ts";
import { plainSequence } from "../model/sequence.ts";
import type { FeedPage } from "../schema/context.ts";
import type { Cursors } from "./cursor.ts";

const pageSize = 100; // events

/** Whether a reader at these positions has missed what came before the update. A shard that it has read nothing of starts with any. */
export function missesSome(positions: Readonly<Positions>, { shard, after }: LiveUpdate): boolean {
  const at = positions[shard];
  return at !== undefined && after !== null && after > at[0];
}

/** The events that are behind the reader's position. */
export function freshEvents(
  positions: Readonly<Positions>,
  { shard, events }: LiveUpdate,
): readonly PositionedEvent[] {
  const at = positions[shard];
  return at === undefined ? events : events.filter((event) => comparePositions(positionOf(event), at) > 0);
}

export function moveOver(positions: Positions, { shard, through }: LiveUpdate): void {
  advance(positions, shard, [through, endOfRecord]);
}

/** Pages of some of an update's events, for a reader that stands before the update. `at` is the update's entry. */
export function* pagesOf(
  cursors: Cursors,
  positions: Readonly<Positions>,
  { stream, shard, through }: LiveUpdate,
  at: string,
  events: readonly PositionedEvent[],
): Generator<FeedPage> {
  for (let first = 0; first < events.length; first += pageSize) {
    const page = events.slice(first, first + pageSize);
    const end: Position =
      first + pageSize < events.length ? positionOf(page.at(-1)!) : [through, endOfRecord];
    yield {
      at,
      cursor: cursors.sign({ stream, at, positions: { ...positions, [shard]: end } }),
      events: page.map((positioned) => ({ id: eventId(shard, positioned), event: positioned.event })),
    };
  }
}

export function expired(): SluiceError {
  return new SluiceError(
    "CURSOR_EXPIRED",
    "A feed resumes within the window that is retained. This position has left it, so events in between cannot be sent. Subscribe without after, and query what was missed.",
  );
}

const positionOf = ({ sequence, index }: PositionedEvent): Position => [sequence, index];
const eventId = (shard: string, { sequence, index }: PositionedEvent): string =>
  `${shard}:${plainSequence(sequence)}:${index}`;
