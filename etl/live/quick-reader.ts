/**
 * Events in the form that our own encoders write, read from their bytes: all columns in their order, no white space, whole
 * numbers, times in UTC to the millisecond, text in ASCII without escapes. To parse such a line as JSON takes twice as
 * long as all else that becomes of it. Whatever is in any way different is left to JSON.parse and the rules of `columns.ts`;
 * what is read here is what they read.
 */
import type { Column, Source } from "../../src/model/source.ts";
import { type Instant, isInstant } from "../../src/model/time.ts";
import type { Event, Value } from "../../src/model/values.ts";
import { emptyEvent, isLate } from "./columns.ts";
import { instantIn, isoLength } from "./iso-instant.ts";

/** A valid event, and where its line goes on. */
export class QuickEvent {
  constructor(
    readonly event: Event,
    /** As its envelope states it; null on a plain stream. */
    readonly arrival: Instant | null,
    readonly end: number,
  ) {}
}

/** The event that begins at `start`; null where it takes more than a look. `arrival` is the record's own. */
export type QuickReader = (bytes: Uint8Array, start: number, arrival: Instant) => QuickEvent | null;

const compiled = new WeakMap<Source, QuickReader>();

/** The reader of a source's events, which is made once. */
export function quickReader(source: Source): QuickReader {
  let reader = compiled.get(source);
  if (reader === undefined) compiled.set(source, (reader = readerOf(source)));
  return reader;
}

function readerOf(source: Source): QuickReader {
  const replay = source.stream?.replay === true;
  const [arrivalKey, rowKey] = [ascii('{"sluice":"replay","arrival":'), ascii(',"row":')];
  const columns = source.ownColumns.map((column, i) => ({
    key: ascii(`${i > 0 ? "," : replay ? ',"event":{' : "{"}${JSON.stringify(column.name)}:`),
    property: column.property,
    read: valueReader(column),
  }));
  const close = ascii(replay ? "}}" : "}");
  const empty = emptyEvent(source);
  const cursor = new Cursor();
  return (bytes, start, recordArrival) => {
    cursor.open(bytes, start);
    let arrival: number | null = null;
    if (replay) {
      arrival = cursor.passes(arrivalKey) ? cursor.int() : null;
      if (!isInstant(arrival) || !cursor.passes(rowKey) || cursor.int() === null) return null;
    }
    const event = { ...empty };
    for (const { key, property, read } of columns) {
      const value = cursor.passes(key) ? read(cursor) : undefined;
      if (value === undefined) return null;
      event[property] = value;
    }
    const time = event[source.time.property] as Instant;
    if (!cursor.passes(close) || isLate(source, time, arrival ?? recordArrival)) return null;
    return new QuickEvent(event, arrival, cursor.at);
  };
}

/** Reads a value of the column; undefined where it takes more than a look. */
function valueReader({ type, nullable }: Column): (cursor: Cursor) => Value | undefined {
  const read = readers[type];
  if (!nullable) return (cursor) => read(cursor) ?? undefined;
  return (cursor) => (cursor.passes(nothing) ? null : (read(cursor) ?? undefined));
}

const readers: Readonly<Record<Column["type"], (cursor: Cursor) => Value>> = {
  int: (cursor) => cursor.int(),
  float: (cursor) => cursor.int(),
  string: (cursor) => cursor.text(),
  boolean: (cursor) => (cursor.passes(yes) ? true : cursor.passes(no) ? false : null),
  datetime: (cursor) => cursor.instant(),
};

const [nothing, yes, no] = ["null", "true", "false"].map(ascii) as [Uint8Array, Uint8Array, Uint8Array];

function ascii(text: string): Uint8Array {
  return Buffer.from(text);
}

const [quote, backslash, minus, zero] = [0x22, 0x5c, 0x2d, 0x30];
const [firstPlain, lastPlain] = [0x20, 0x7e];
const safeDigits = 15;
const maxKnownText = 32;
const knownTexts = 4_096; // a power of two

/** A place in bytes. What is read moves it on; what is not there is null and leaves it anywhere. */
class Cursor {
  at = 0;
  #bytes: Uint8Array = new Uint8Array();
  /** By hash: the same few texts come again and again, and as the same string they are found faster in maps. */
  readonly #known: (string | undefined)[] = Array.from({ length: knownTexts });

  open(bytes: Uint8Array, at: number): void {
    this.#bytes = bytes;
    this.at = at;
  }

  /** Moves past the text if it stands here, and not at all otherwise. */
  passes(text: Uint8Array): boolean {
    const bytes = this.#bytes;
    const { at } = this;
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
    this.at = at + text.length;
    return true;
  }

  int(): number | null {
    const bytes = this.#bytes;
    const negative = bytes[this.at] === minus;
    const first = negative ? this.at + 1 : this.at;
    let value = 0;
    let at = first;
    for (let digit = bytes[at]! - zero; digit >= 0 && digit <= 9; digit = bytes[++at]! - zero)
      value = value * 10 + digit;
    this.at = at;
    const digits = at - first;
    if (digits === 0 || digits > safeDigits || (digits > 1 && bytes[first] === zero)) return null;
    return negative ? -value : value;
  }

  instant(): Instant | null {
    if (this.#bytes[this.at] !== quote) {
      const at = this.int();
      return isInstant(at) ? at : null;
    }
    const at = instantIn(this.#bytes, this.at + 1);
    this.at += isoLength + 2;
    return this.#bytes[this.at - 1] === quote ? at : null;
  }

  text(): string | null {
    const bytes = this.#bytes;
    if (bytes[this.at] !== quote) return null;
    const start = this.at + 1;
    let hash = 0;
    let end = start;
    for (let byte = bytes[end]; byte !== quote; byte = bytes[++end]) {
      if (byte === undefined || byte < firstPlain || byte > lastPlain || byte === backslash) return null;
      hash = (hash * 31 + byte) | 0;
    }
    this.at = end + 1;
    return this.#textAt(start, end, hash & (knownTexts - 1));
  }

  #textAt(start: number, end: number, slot: number): string {
    const known = this.#known[slot];
    if (known !== undefined && this.#isAt(known, start, end)) return known;
    const text = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString(
      "latin1",
    );
    if (text.length <= maxKnownText) this.#known[slot] = text;
    return text;
  }

  #isAt(text: string, start: number, end: number): boolean {
    if (text.length !== end - start) return false;
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== this.#bytes[start + i]) return false;
    return true;
  }
}
