/**
 * One window of one shard, from records to checkpoint.
 *
 * Delivery guarantee: every step bears repetition and the checkpoint comes last, so a crash anywhere repeats the
 * window, cut in any other way, and every event still counts once: `in = applied + dead`.
 */
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import type { StreamRecord } from "../../src/backends/event-stream.ts";
import { shapeId } from "../../src/model/control.ts";
import type { Source } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import { advance, beforeAll, type Position, type Reached } from "./checkpoint.ts";
import { untilDone } from "./effects.ts";
import { groupByItem } from "./fold.ts";
import type { LivePath } from "./path.ts";
import { type Decoded, decodeRecord, type DecodedEvent } from "./wire.ts";

export interface BatchResult {
  /** Events in the window; barriers do not count. */
  readonly in: number;
  readonly applied: number;
  readonly dead: number;
  readonly position: Position;
}

/** Records are those after `position`, in order, at least one. Rejects only when the path is asked to stop. */
export async function runBatch(
  path: LivePath,
  shard: string,
  position: Position,
  records: readonly StreamRecord[],
): Promise<BatchResult> {
  const decoded = records.map((record) => decodeRecord(path.source, record));
  const events = await path.enricher.enrich(decoded.flatMap((record) => record.events));
  const dead = await bury(path, shard, records, decoded);
  const items = await path.applier.apply(shard, groupByItem(path.targets, events));
  const checkpoint = checkpointAfter(path, position, decoded, events);
  const barrier = decoded.flatMap((record) => record.barriers).at(-1) ?? null;
  await path.archive.add(shard, { events, through: checkpoint.sequence, barrier });
  await path.announcer.publish(updateOf(path, shard, position, checkpoint, items, events));
  const moved = await advance(path, shard, position, checkpoint);
  return { in: events.length + dead, applied: events.length, dead, position: moved };
}

/** Resolves to the number of dead letters. */
async function bury(
  { stream, deadLetters, effects }: LivePath,
  shard: string,
  records: readonly StreamRecord[],
  decoded: readonly Decoded[],
): Promise<number> {
  const letters = decoded.flatMap(({ poison }, i) =>
    poison.map((each) => ({ stream: stream.name, shard, arrival: records[i]!.arrival, ...each })),
  );
  if (letters.length > 0) await untilDone(effects, "Writing dead letters", () => deadLetters.put(letters));
  return letters.length;
}

function checkpointAfter(
  { source, products }: LivePath,
  position: Position,
  decoded: readonly Decoded[],
  events: readonly DecodedEvent[],
): Reached {
  const arrival = decoded.findLast((record) => record.arrival !== null)?.arrival;
  return {
    sequence: decoded.at(-1)!.sequence,
    arrival: arrival ?? position?.value.arrival ?? beforeAll,
    newest: newestOf(source, position?.value.newest ?? null, events),
    shapes: products.map(shapeId),
  };
}

function newestOf(source: Source, known: Instant | null, events: readonly DecodedEvent[]): Instant | null {
  let newest = known;
  for (const { event } of events) {
    const at = Number(event[source.time.property]);
    if (newest === null || at > newest) newest = at;
  }
  return newest;
}

function updateOf(
  { source, stream }: LivePath,
  shard: string,
  before: Position,
  { sequence: through, arrival, newest }: Reached,
  items: LiveUpdate["items"],
  events: readonly DecodedEvent[],
): LiveUpdate {
  const positioned = events.map(({ sequence, index, event }) => ({ sequence, index, event }));
  const { name } = stream;
  return {
    kind: "live",
    source: source.name,
    stream: name,
    shard,
    after: before?.value.sequence ?? null,
    through,
    arrival,
    newest,
    items,
    events: positioned,
  };
}
