/** One JSON object against a source's columns: an event, or the first rule that it breaks. */
import type { Column, Source } from "../../src/model/source.ts";
import { dayMs, formatInstant, type Instant, isInstant } from "../../src/model/time.ts";
import { type Event, typeProblem, type Value } from "../../src/model/values.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Why something cannot be applied: a stable reason and a sentence for people. */
export class Problem {
  constructor(
    readonly reason: "BAD_JSON" | "BAD_ENVELOPE" | "BAD_VALUE" | "TOO_LATE",
    readonly detail: string,
  ) {}
}

/** The event in a JSON object that arrived at `arrival`. Keys that are none of its own columns are ignored; a missing key is null. */
export function eventOf(source: Source, object: JsonObject, arrival: Instant): Event | Problem {
  const event: Record<string, Value> = {};
  for (const column of source.ownColumns) {
    const raw = Object.hasOwn(object, column.name) ? object[column.name] : null;
    const value = columnValue(column, raw);
    if (value instanceof Problem) return value;
    event[column.property] = value;
  }
  return latenessProblem(source, event[source.time.property] as Instant, arrival) ?? Object.freeze(event);
}

function columnValue(column: Column, raw: unknown): Value | Problem {
  if (raw === null || raw === undefined)
    return column.nullable ? null : badValue(column, raw, "is missing and not nullable");
  if (typeof raw === "object") return badValue(column, raw, "is not a single value");
  const value = column.type === "datetime" ? instantOf(raw) : (raw as Value);
  const problem = value === null ? "is not an instant in the years 1 to 9999" : valueProblem(column, value);
  return problem === null ? value : badValue(column, raw, problem);
}

/** Half of a surrogate pair cannot be written as UTF-8, so the lake would hold another string than the live items. */
const loneSurrogate = /\p{Surrogate}/u;

function valueProblem({ type }: Column, value: Value): string | null {
  if (type === "string" && typeof value === "string" && loneSurrogate.test(value))
    return "is not well-formed Unicode";
  return typeProblem(value, type);
}

const isoPattern =
  /^\d{4}-\d\d-(\d\d)(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** Epoch milliseconds, or ISO 8601 text, which means UTC unless it has an offset. */
function instantOf(raw: unknown): Instant | null {
  if (typeof raw === "number") return isInstant(raw) ? raw : null;
  const match = typeof raw === "string" ? isoPattern.exec(raw) : null;
  if (typeof raw !== "string" || match === null) return null;
  const dateOnly = raw.length === "2001-06-28".length;
  // without an offset the platform would read local time, and it rolls 30 February over into March
  const at = Date.parse(
    dateOnly || match[2] !== undefined ? raw.replace(" ", "T") : `${raw.replace(" ", "T")}Z`,
  );
  const rolled = new Date(`${raw.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(match[1]);
  return !rolled && isInstant(at) ? at : null;
}

function latenessProblem(source: Source, time: Instant, arrival: Instant): Problem | null {
  const latenessMs = source.stream?.latenessMs ?? 0;
  if (time >= arrival - latenessMs && time <= arrival + dayMs) return null;
  return new Problem(
    "TOO_LATE",
    `An event arrives at most ${latenessMs} ms after its time and at most a day before it. "${source.time.name}" is ${formatInstant(time)}, it arrived at ${formatInstant(arrival)}.`,
  );
}

function badValue(column: Column, raw: unknown, problem: string): Problem {
  const shown = raw === undefined ? "nothing" : JSON.stringify(raw).slice(0, 100);
  return new Problem(
    "BAD_VALUE",
    `Column "${column.name}" is a ${column.nullable ? "nullable " : ""}${column.type}. Got ${shown}, which ${problem}.`,
  );
}
