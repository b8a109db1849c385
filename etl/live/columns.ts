/** One JSON object against a source's columns: an event, or the first rule that it breaks. */
import type { Column, Source } from "../../src/model/source.ts";
import { dayMs, formatInstant, type Instant, isInstant } from "../../src/model/time.ts";
import { type ColumnType, type Event, typeProblem, type Value } from "../../src/model/values.ts";
import { isoInstant } from "./iso-instant.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Why something cannot be applied: a stable reason and a sentence for people. */
export class Problem {
  constructor(
    readonly reason: "BAD_JSON" | "BAD_GZIP" | "BAD_ENVELOPE" | "BAD_VALUE" | "TOO_LATE",
    readonly detail: string,
  ) {}
}

/** Reads the event in a JSON object that arrived at `arrival`. */
export type EventReader = (object: JsonObject, arrival: Instant) => Event | Problem;

/** All events of a source have the same properties in the same order, so that they are fast to read. */
export function emptyEvent({ ownColumns, lookups }: Source): Readonly<Record<string, Value>> {
  const enriched = lookups.flatMap(({ take }) => take.map(({ column }) => column));
  return Object.fromEntries([...ownColumns, ...enriched].map(({ property }) => [property, null]));
}

const compiled = new WeakMap<Source, EventReader>();

/** The reader of a source's events, which is made once. */
export function eventReader(source: Source): EventReader {
  let reader = compiled.get(source);
  if (reader === undefined) compiled.set(source, (reader = readerOf(source)));
  return reader;
}

/**
 * Keys that are none of its own columns are ignored; a missing key is null. What is
 * looked up is null until it is.
 */
function readerOf(source: Source): EventReader {
  const columns = source.ownColumns.map((column) => ({ column, ...column, read: readers[column.type] }));
  const empty = emptyEvent(source);
  return (object, arrival) => {
    const event = { ...empty };
    for (const { column, name, property, nullable, read } of columns) {
      const raw = Object.hasOwn(object, name) ? object[name] : null;
      if (nullable && (raw === null || raw === undefined)) continue;
      const value = read(raw);
      if (value === null) return valueProblem(column, raw);
      event[property] = value;
    }
    return latenessProblem(source, event[source.time.property] as Instant, arrival) ?? event;
  };
}

/** A value of each type from JSON; null where it is none. */
const readers: Readonly<Record<ColumnType, (raw: unknown) => Value>> = {
  int: (raw) => (Number.isSafeInteger(raw) ? (raw as number) : null),
  float: (raw) => (Number.isFinite(raw) ? (raw as number) : null),
  boolean: (raw) => (typeof raw === "boolean" ? raw : null),
  string: (raw) => (typeof raw === "string" && !loneSurrogate.test(raw) ? raw : null),
  datetime: instantOf,
};

/** Half of a surrogate pair cannot be written as UTF-8, so the lake would hold another string than the live items. */
const loneSurrogate = /\p{Surrogate}/u;

/** Epoch milliseconds, or ISO 8601 text, which means UTC unless it has an offset. */
function instantOf(raw: unknown): Instant | null {
  if (typeof raw === "string") return isoInstant(raw);
  return isInstant(raw) ? raw : null;
}

function valueProblem(column: Column, raw: unknown): Problem {
  const shown = raw === undefined ? "nothing" : JSON.stringify(raw).slice(0, 100);
  return new Problem(
    "BAD_VALUE",
    `Column "${column.name}" is a ${column.nullable ? "nullable " : ""}${column.type}. Got ${shown}, which ${whyNot(column, raw)}.`,
  );
}

function whyNot({ type }: Column, raw: unknown): string {
  if (raw === null || raw === undefined) return "is missing and not nullable";
  if (typeof raw === "object") return "is not a single value";
  if (type === "datetime") return "is not an instant in the years 1 to 9999";
  return typeProblem(raw as Value, type) ?? "is not well-formed Unicode";
}

/** Later than its source's lateness after its time, or more than a day before it. */
export function isLate({ stream }: Source, time: Instant, arrival: Instant): boolean {
  return !(time >= arrival - (stream?.latenessMs ?? 0) && time <= arrival + dayMs);
}

function latenessProblem(source: Source, time: Instant, arrival: Instant): Problem | null {
  if (!isLate(source, time, arrival)) return null;
  const latenessMs = source.stream?.latenessMs ?? 0;
  return new Problem(
    "TOO_LATE",
    `An event arrives at most ${latenessMs} ms after its time and at most a day before it. "${source.time.name}" is ${formatInstant(time)}, it arrived at ${formatInstant(arrival)}.`,
  );
}
