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
import { withoutBuried } from "./buried.ts";
import { type Decoded, type DecodedEvent, decodeRecords } from "./wire.ts";

export interface BatchResult {
  /** Events in the window; barriers do not count. */
  readonly in: number;
  readonly applied: number;
  readonly dead: number;
  readonly position: Position;
}

/**
 * Records are those behind `after` (null: from the beginning of the shard on), in order, at least one. A host that lags
 * behind another one goes on behind what it has read itself, wherever `position`, the checkpoint, has come to.
 * Rejects only when the path is asked to stop.
 */
export async function runBatch(
  path: LivePath,
  shard: string,
  position: Position,
  after: string | null,
  records: readonly StreamRecord[],
): Promise<BatchResult> {
  const startedAt = path.effects.clock();
  const decoded = decodeRecords(path.source, records);
  const dead = await bury(path, shard, records, decoded);
  const { alive, buried } = await withoutBuried(path, shard, decoded);
  const events = await path.enricher.enrich(alive);
  const { changes, ...cost } = await path.applier.apply(shard, groupByItem(path.targets, events));
  const checkpoint = checkpointAfter(path, position, decoded, events);
  const barrier = decoded.flatMap((record) => record.barriers).at(-1) ?? null;
  await path.archive.add(shard, { events, through: checkpoint.sequence, barrier });
  await path.announcer.publish(updateOf(path, shard, after, checkpoint, changes, events));
  const moved = await advance(path, shard, position, checkpoint);
  const counts = { in: events.length + dead + buried, applied: events.length, dead: dead + buried };
  const amounts = { ...counts, ...cost, items: changes.length };
  path.metrics.batch({ shard, ...amounts, ...measuresOf(path, records, startedAt) });
  return { ...counts, position: moved };
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

export function updateOf(
  { source, stream }: LivePath,
  shard: string,
  after: string | null,
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
    after,
    through,
    arrival,
    newest,
    items,
    events: positioned,
  };
}

function measuresOf(
  { source, stream, effects }: LivePath,
  records: readonly StreamRecord[],
  startedAt: Instant,
) {
  const now = effects.clock();
  return {
    source: source.name,
    stream: stream.name,
    records: records.length,
    bytes: records.reduce((sum, { data }) => sum + data.length, 0),
    ms: now - startedAt,
    iteratorAgeMs: Math.max(0, now - records.at(-1)!.arrival),
  };
}
