/**
 * The wire format of a stream: what one record says, decided by the record alone (its bytes, sequence and arrival).
 * A record is one JSON object, or several, one a line: events by column name, or envelopes, which have a key "sluice".
 *
 * Delivery guarantee: decoding is a pure function, so every retry of a record contributes the same.
 */
import type { StreamRecord } from "../../src/backends/event-stream.ts";
import type { Source } from "../../src/model/source.ts";
import { type Instant, isInstant } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { eventOf, type JsonObject, Problem } from "./columns.ts";

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

/** Never throws: what is wrong with a record is in `poison`. */
export function decodeRecord(source: Source, record: StreamRecord): Decoded {
  const events: DecodedEvent[] = [];
  const poison: Poison[] = [];
  const barriers: Barrier[] = [];
  let arrival = source.stream?.replay === true ? null : record.arrival;
  for (const { index, bytes } of linesOf(record.data)) {
    const { sequence } = record;
    const line = decodeLine(source, record, bytes);
    if (line instanceof Problem) {
      poison.push({ sequence, index, reason: line.reason, detail: line.detail, bytes });
      continue;
    }
    arrival = line.arrival;
    if ("id" in line) barriers.push({ id: line.id, sequence, arrival });
    else events.push({ sequence, index, arrival, event: line.event });
  }
  return { sequence: record.sequence, arrival, events, poison, barriers };
}

/** The row numbers of the replayed events in a record, applied or not. */
export function replayedRows(record: StreamRecord): number[] {
  return linesOf(record.data).flatMap(({ bytes }) => {
    const object = objectOf(bytes);
    return !(object instanceof Problem) && object[kindKey] === "replay" ? [Number(object["row"])] : [];
  });
}

/** The dead letters whose events a record holds once more, applied or not. */
export function resentLetters(record: StreamRecord): string[] {
  return linesOf(record.data).flatMap(({ bytes }) => {
    const object = objectOf(bytes);
    return !(object instanceof Problem) && object[kindKey] === "resent" ? [String(object["of"])] : [];
  });
}

interface Line {
  readonly index: number;
  readonly bytes: Uint8Array;
}

const newline = 0x0a;

function linesOf(data: Uint8Array): readonly Line[] {
  const whole = [{ index: 0, bytes: data }];
  if (!trimmedEnd(data).includes(newline) || !(objectOf(data) instanceof Problem)) return whole;
  const lines: Line[] = [];
  for (let start = 0, index = 0; start < data.length; index++) {
    const end = data.indexOf(newline, start);
    const bytes = data.subarray(start, end < 0 ? data.length : end);
    if (!isBlank(bytes)) lines.push({ index, bytes });
    start += bytes.length + 1;
  }
  return lines.length === 0 ? whole : lines;
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0d || byte === newline || byte === 0x09;

const isBlank = (bytes: Uint8Array): boolean => bytes.every(isSpace);

function trimmedEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && isSpace(bytes[end - 1])) end--;
  return bytes.subarray(0, end);
}

type DecodedLine =
  | { readonly arrival: Instant; readonly id: string }
  | { readonly arrival: Instant; readonly event: Event }
  | Problem;

function decodeLine(source: Source, record: StreamRecord, bytes: Uint8Array): DecodedLine {
  const object = objectOf(bytes);
  if (object instanceof Problem) return object;
  const replay = source.stream?.replay === true;
  if (object[kindKey] === "barrier") return barrierOf(object, replay ? object["arrival"] : record.arrival);
  if (object[kindKey] === "resent")
    return resentOf(source, object, replay ? object["arrival"] : record.arrival);
  if (replay) return replayedOf(source, object);
  if (object[kindKey] !== undefined)
    return badEnvelope(
      `The key "${kindKey}" is reserved for barriers and re-sent events on a plain stream.`,
      object,
    );
  return withArrival(record.arrival, eventOf(source, object, record.arrival));
}

function barrierOf(object: JsonObject, arrival: unknown): DecodedLine {
  const { id } = object;
  if (typeof id === "string" && isInstant(arrival)) return { id, arrival };
  return badEnvelope(
    "A barrier has an id and, on a replay stream, an arrival in epoch milliseconds.",
    object,
  );
}

function resentOf(source: Source, object: JsonObject, arrival: unknown): DecodedLine {
  const { of, event } = object;
  if (typeof of === "string" && isInstant(arrival) && isObject(event))
    return withArrival(arrival, eventOf(source, event, arrival));
  return badEnvelope(
    `A re-sent event is { "${kindKey}": "resent", "of": "<dead letter>", "event": {…} }, on a replay stream with an arrival in epoch milliseconds.`,
    object,
  );
}

function replayedOf(source: Source, object: JsonObject): DecodedLine {
  const { arrival, row, event } = object;
  if (object[kindKey] !== "replay" || !isInstant(arrival) || !Number.isSafeInteger(row) || !isObject(event))
    return badEnvelope(
      `A record of a replay stream is { "${kindKey}": "replay", "arrival": <epoch ms>, "row": <number>, "event": {…} }.`,
      object,
    );
  return withArrival(arrival, eventOf(source, event, arrival));
}

function withArrival(arrival: Instant, event: Event | Problem): DecodedLine {
  return event instanceof Problem ? event : { arrival, event };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function objectOf(bytes: Uint8Array): JsonObject | Problem {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    if (isObject(value)) return value;
    return new Problem("BAD_JSON", `An event is a JSON object. Got ${JSON.stringify(value).slice(0, 100)}.`);
  } catch (error) {
    return new Problem("BAD_JSON", `An event is a JSON object in UTF-8. ${(error as Error).message}`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function badEnvelope(rule: string, object: JsonObject): Problem {
  return new Problem("BAD_ENVELOPE", `${rule} Got ${JSON.stringify(object).slice(0, 200)}.`);
}
