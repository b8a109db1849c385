/**
 * The wire format of a stream: what one record says, decided by the record alone (its bytes, sequence and arrival).
 * A record is one JSON object, or several, one a line, as it is or in gzip: events by column name, or envelopes, which
 * have a key "sluice".
 *
 * Delivery guarantee: decoding is a pure function, so every retry of a record contributes the same.
 */
import { gzipSync } from "node:zlib";
import type { StreamRecord } from "../../src/backends/event-stream.ts";
import type { Source } from "../../src/model/source.ts";
import { type Instant, isInstant } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { eventReader, type EventReader, type JsonObject, Problem } from "./columns.ts";
import { bytesOf, type Found, isObject, objectsIn } from "./lines.ts";
import { QuickEvent, type QuickReader, quickReader } from "./quick-reader.ts";

/** An event and where it stands: `index` is the number of its line in the record, from 0. */
export interface DecodedEvent {
  readonly sequence: string;
  readonly index: number;
  readonly arrival: Instant;
  readonly event: Event;
}

/** What cannot be applied, with its bytes: a dead letter. */
export interface Poison extends Problem {
  readonly sequence: string;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** A record put by a refresh: the archive passing it proves that everything before it is in the lake. */
export interface Barrier {
  readonly id: string;
  readonly sequence: string;
  readonly arrival: Instant;
}

export interface Decoded {
  readonly sequence: string;
  /** Null where a replayed record does not say it. */
  readonly arrival: Instant | null;
  readonly events: readonly DecodedEvent[];
  readonly poison: readonly Poison[];
  readonly barriers: readonly Barrier[];
}

const kindKey = "sluice";

/** `arrival` is given on replay streams only; elsewhere the record's own stamp counts. */
export function encodeBarrier(barrier: { readonly id: string; readonly arrival?: Instant }): Uint8Array {
  return encode({ [kindKey]: "barrier", ...barrier });
}

/** A replayed event with its number and assumed arrival, in epoch milliseconds. */
export function encodeReplayed(
  source: Source,
  replayed: { readonly row: number; readonly arrival: Instant; readonly event: Event },
): Uint8Array {
  const { arrival, row, event } = replayed;
  return encode({ [kindKey]: "replay", arrival, row, event: namedColumns(source, event) });
}

/** The event of a dead letter, put once more; on a replay stream with the arrival that it counts by. */
export function encodeResent(
  source: Source,
  resent: { readonly of: string; readonly arrival?: Instant; readonly event: Event },
): Uint8Array {
  return encode({ [kindKey]: "resent", ...resent, event: namedColumns(source, resent.event) });
}

/** Several events, each as encoded above, in one record: a shard takes so many records a second, whatever is in them. */
export function encodePacked(
  lines: readonly Uint8Array[],
  { gzip = false }: { readonly gzip?: boolean } = {},
): Uint8Array {
  const packed = Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [lineEnd, line])));
  return gzip ? gzipSync(packed) : packed;
}

const lineEnd = Buffer.from("\n");

/** A plain record of one event, as producers put it. */
export function encodeEvent(source: Source, event: Event): Uint8Array {
  return encode(namedColumns(source, event));
}

function namedColumns(source: Source, event: Event): JsonObject {
  return Object.fromEntries(
    source.ownColumns.map(({ name, property, type }) => {
      const value = event[property] ?? null;
      return [name, type === "datetime" && value !== null ? new Date(Number(value)).toISOString() : value];
    }),
  );
}

function encode(object: JsonObject): Uint8Array {
  return Buffer.from(JSON.stringify(object));
}

const atOnce = 64 * 1024; // bytes: what they are parsed to stays in the processor's cache

/**
 * `decodeRecord` of each. JSON is parsed ahead of what is done with it, for some records at once: taking turns, each pushes
 * the other's code out of the processor, and both take half as long again.
 */
export function decodeRecords(source: Source, records: readonly StreamRecord[]): Decoded[] {
  const decoded: Decoded[] = [];
  const [quick, read] = [quickReader(source), eventReader(source)];
  for (let next = 0; next < records.length; ) {
    const parsed: (readonly Found[])[] = [];
    for (let bytes = 0; bytes < atOnce && next < records.length; next++) {
      bytes += records[next]!.data.length;
      parsed.push(linesOf(quick, records[next]!));
    }
    for (const lines of parsed) decoded.push(decode(source, read, records[decoded.length]!, lines));
  }
  return decoded;
}

/** Never throws: what is wrong with a record is in `poison`. */
export function decodeRecord(source: Source, record: StreamRecord): Decoded {
  return decode(source, eventReader(source), record, linesOf(quickReader(source), record));
}

function linesOf(quick: QuickReader, { data, arrival }: StreamRecord): readonly Found[] {
  return objectsIn(data, (bytes, start) => quick(bytes, start, arrival));
}

function decode(source: Source, read: EventReader, record: StreamRecord, lines: readonly Found[]): Decoded {
  const { sequence } = record;
  const events: DecodedEvent[] = [];
  const poison: Poison[] = [];
  const barriers: Barrier[] = [];
  const replay = source.stream?.replay === true;
  let arrival = replay ? null : record.arrival;
  for (const { index, line, object } of lines) {
    if (object instanceof QuickEvent) {
      arrival = object.arrival ?? record.arrival;
      events.push({ sequence, index, arrival, event: object.event });
      continue;
    }
    const stated = replay && !(object instanceof Problem) ? object["arrival"] : record.arrival;
    const decoded = object instanceof Problem ? object : decodeObject(read, replay, object, stated);
    if (decoded instanceof Problem) {
      const { reason, detail } = decoded;
      poison.push({ sequence, index, reason, detail, bytes: bytesOf(line) });
      continue;
    }
    // whatever is no problem has an arrival
    arrival = stated as Instant;
    if (decoded instanceof BarrierId) barriers.push({ id: decoded.id, sequence, arrival });
    else events.push({ sequence, index, arrival, event: decoded });
  }
  return { sequence, arrival, events, poison, barriers };
}

/** The row numbers of the replayed events in a record, applied or not. */
export function replayedRows(record: StreamRecord): number[] {
  return envelopesIn(record, "replay").map(({ row }) => Number(row));
}

/** The dead letters whose events a record holds once more, applied or not. */
export function resentLetters(record: StreamRecord): string[] {
  return envelopesIn(record, "resent").map(({ of }) => String(of));
}

function envelopesIn({ data }: StreamRecord, kind: string): JsonObject[] {
  return objectsIn(data).flatMap(({ object }) =>
    object instanceof Problem || object instanceof QuickEvent || object[kindKey] !== kind ? [] : [object],
  );
}

/** Told apart from an event, which may have a column "id". */
class BarrierId {
  constructor(readonly id: string) {}
}

function decodeObject(
  read: EventReader,
  replay: boolean,
  object: JsonObject,
  arrival: unknown,
): BarrierId | Event | Problem {
  const kind = object[kindKey];
  if (kind === "barrier") return barrierOf(object, arrival);
  if (kind === "resent") return resentOf(read, object, arrival);
  if (replay) return replayedOf(read, object, arrival);
  if (kind === undefined) return read(object, arrival as Instant);
  return badEnvelope(
    `The key "${kindKey}" is reserved for barriers and re-sent events on a plain stream.`,
    object,
  );
}

function barrierOf(object: JsonObject, arrival: unknown): BarrierId | Problem {
  const { id } = object;
  if (typeof id === "string" && isInstant(arrival)) return new BarrierId(id);
  return badEnvelope(
    "A barrier has an id and, on a replay stream, an arrival in epoch milliseconds.",
    object,
  );
}

function resentOf(read: EventReader, object: JsonObject, arrival: unknown): Event | Problem {
  const { of, event } = object;
  if (typeof of === "string" && isInstant(arrival) && isObject(event)) return read(event, arrival);
  return badEnvelope(
    `A re-sent event is { "${kindKey}": "resent", "of": "<dead letter>", "event": {…} }, on a replay stream with an arrival in epoch milliseconds.`,
    object,
  );
}

function replayedOf(read: EventReader, object: JsonObject, arrival: unknown): Event | Problem {
  const { row, event } = object;
  if (object[kindKey] === "replay" && isInstant(arrival) && Number.isSafeInteger(row) && isObject(event))
    return read(event, arrival);
  return badEnvelope(
    `A record of a replay stream is { "${kindKey}": "replay", "arrival": <epoch ms>, "row": <number>, "event": {…} }.`,
    object,
  );
}

function badEnvelope(rule: string, object: JsonObject): Problem {
  return new Problem("BAD_ENVELOPE", `${rule} Got ${JSON.stringify(object).slice(0, 200)}.`);
}
