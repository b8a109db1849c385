/**
 * The JSON objects in a record's data: one, or several, one a line; gzip may lie over it. What one line holds does not
 * touch the others.
 */
import { gunzipSync } from "node:zlib";
import { type JsonObject, Problem } from "./columns.ts";
import type { QuickEvent } from "./quick-reader.ts";

/** A line as text; as bytes where it is not UTF-8. */
export type Line = string | Uint8Array;

/** What stands in one line: `index` is its number in the data, from 0. */
export interface Found {
  readonly index: number;
  readonly line: Line;
  readonly object: JsonObject | Problem | QuickEvent;
}

/** Reads a line that begins at `start` of the data, if it can without parsing JSON. */
type Quick = (data: Uint8Array, start: number) => QuickEvent | null;

/** Every line in order, blank ones excepted; the whole data where it holds nothing else. */
export function objectsIn(data: Uint8Array, quick: Quick = () => null): readonly Found[] {
  if (!isGzip(data)) return linesOf(data, quick);
  const plain = unzipped(data);
  return plain instanceof Problem ? [{ index: 0, line: data, object: plain }] : linesOf(plain, quick);
}

/** As it was before it was read. */
export function bytesOf(line: Line): Uint8Array {
  return typeof line === "string" ? Buffer.from(line) : line;
}

/** The most that one record may unpack to: 64 times what a stream takes, and no more than a window may hold in memory. */
const maxUnzipped = 64 * 1024 * 1024;

const isGzip = (data: Uint8Array): boolean => data[0] === 0x1f && data[1] === 0x8b;

/** How many bytes data unpacks to, as gzip says at its end: what decoding takes of memory goes by that. */
export function unpackedLength(data: Uint8Array): number {
  if (!isGzip(data) || data.length < leastGzip) return data.length;
  const stated = new DataView(data.buffer, data.byteOffset, data.length).getUint32(data.length - 4, true);
  return Math.max(data.length, Math.min(stated, maxUnzipped));
}

const leastGzip = 18; // its head and its end

function unzipped(data: Uint8Array): Uint8Array | Problem {
  try {
    return gunzipSync(data, { maxOutputLength: maxUnzipped });
  } catch (error) {
    return new Problem(
      "BAD_GZIP",
      `Data that begins with 1f 8b is gzip of at most ${maxUnzipped} bytes. ${(error as Error).message}`,
    );
  }
}

function linesOf(data: Uint8Array, quick: Quick): readonly Found[] {
  const first = quick(data, 0);
  // one that is whole in its line has others beside it
  return first !== null && isLineEnd(data, first.end) ? quickLines(data, first, quick) : slowLines(data);
}

function isLineEnd(data: Uint8Array, at: number): boolean {
  return at === data.length || data[at] === newline;
}

function quickLines(data: Uint8Array, first: QuickEvent, quick: Quick): readonly Found[] {
  const found: Found[] = [{ index: 0, line: "", object: first }];
  for (let start = first.end + 1, index = 1; start < data.length; index++) {
    const object = quick(data, start);
    if (object !== null && isLineEnd(data, object.end)) {
      found.push({ index, line: "", object });
      start = object.end + 1;
      continue;
    }
    const bytes = lineAt(data, start);
    const line = textOf(bytes) ?? bytes;
    if (!isBlank(line)) found.push(foundIn(line, index));
    start += bytes.length + 1;
  }
  return found;
}

function slowLines(data: Uint8Array): readonly Found[] {
  const whole = textOf(data) ?? data;
  if (typeof whole === "string" && !whole.includes("\n")) return [foundIn(whole, 0)];
  const lines = typeof whole === "string" ? whole.split("\n") : split(whole);
  const last = lines.findLastIndex((line) => !isBlank(line));
  if (last <= 0) return [foundIn(whole, 0)];
  const first = lines.findIndex((line) => !isBlank(line));
  const begun = foundIn(lines[first]!, first);
  // an object may be written over several lines; one that is whole in its line has others beside it
  if (first === last || begun.object instanceof Problem) {
    const object = foundIn(whole, 0);
    if (!(object.object instanceof Problem)) return [object];
  }
  const found = [begun];
  for (let i = first + 1; i <= last; i++) if (!isBlank(lines[i]!)) found.push(foundIn(lines[i]!, i));
  return found;
}

function foundIn(line: Line, index: number): Found {
  return { index, line, object: objectOf(line) };
}

const newline = 0x0a;

function split(data: Uint8Array): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start <= data.length; ) {
    const bytes = lineAt(data, start);
    lines.push(textOf(bytes) ?? bytes);
    start += bytes.length + 1;
  }
  return lines;
}

function lineAt(data: Uint8Array, start: number): Uint8Array {
  const end = data.indexOf(newline, start);
  return data.subarray(start, end < 0 ? data.length : end);
}

/** Bytes that are not UTF-8 are not blank. */
function isBlank(line: Line): boolean {
  return typeof line === "string" && line[0] !== "{" && !notBlank.test(line);
}

const notBlank = /[^ \t\r\n]/;

// a byte order mark is dropped from what is parsed, not from what is kept
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteOrderMark = 0xfeff;

function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function objectOf(line: Line): JsonObject | Problem {
  if (typeof line !== "string") return new Problem("BAD_JSON", "An event is a JSON object in UTF-8.");
  try {
    const value: unknown = JSON.parse(line.charCodeAt(0) === byteOrderMark ? line.slice(1) : line);
    if (isObject(value)) return value;
    return new Problem("BAD_JSON", `An event is a JSON object. Got ${JSON.stringify(value).slice(0, 100)}.`);
  } catch (error) {
    return new Problem("BAD_JSON", `An event is a JSON object in UTF-8. ${(error as Error).message}`);
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
