/** White space before an object changes nothing but how it is read: what is read in one look is what the rules say. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quickReader } from "../../etl/live/quick-reader.ts";
import { decodeRecord, encodeEvent, encodePacked, encodeReplayed } from "../../etl/live/wire.ts";
import type { Column, Source } from "../../src/model/source.ts";
import type { Event } from "../../src/model/values.ts";
import { dayStart, history, parcels, randomParcel, seeded } from "./parcels.ts";

const arrival = dayStart + 3_600_000;
const decode = (source: Source, data: string) =>
  decodeRecord(source, { sequence: "003:100", arrival, data: Buffer.from(data) });

/** What stands behind the key of a column in JSON, right and wrong. */
const common = fc.constantFrom(
  "null",
  "0",
  "-0",
  "-",
  "01",
  "-01",
  "1.5",
  "1e3",
  "1E400",
  "9007199254740993",
  "999999999999999",
  "true",
  "tru",
  "false",
  '""',
  '"A"',
  '"Köln"',
  '"🚚"',
  '"a\\"b"',
  '"\\u0041"',
  '"\\ud800"',
  '"\u007f"',
  '"\t"',
  '"A',
  "{}",
  "[]",
  "",
  '"2024-02-28T00:30:00.000Z"',
  '"2024-02-28T00:30:00Z"',
  '"2024-02-30"',
  '"2024-02-30T00:30:00.000Z"',
  '"2024-13-01T00:00:00.000Z"',
  '"2024-02-28T24:00:00.000Z"',
  '"2024-02-28T00:30:00.00zZ"',
  '"0000-01-01T00:00:00.000Z"',
  String(dayStart),
  String(dayStart + 1),
);
const good: Readonly<Record<Column["type"], fc.Arbitrary<string>>> = {
  int: fc.integer().map(String),
  float: fc.oneof(fc.integer(), fc.double({ noNaN: true })).map((n) => JSON.stringify(n)),
  string: fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary" })).map((s) => JSON.stringify(s)),
  boolean: fc.boolean().map(String),
  datetime: fc
    .integer({ min: dayStart - 90_000_000, max: dayStart + 90_000_000 })
    .map((at) => `"${new Date(at).toISOString()}"`),
};

function objectText({ ownColumns }: Source): fc.Arbitrary<string> {
  const values = ownColumns.map(({ type }) =>
    fc.oneof({ arbitrary: good[type], weight: 12 }, { arbitrary: common, weight: 1 }),
  );
  return fc.tuple(...values).map((texts) => {
    const pairs = texts.map((text, i) => `${JSON.stringify(ownColumns[i]!.name)}:${text}`);
    return `{${pairs.join(",")}}`;
  });
}

/** A character left out or put in, now and then. */
function flawed(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const flaws = fc.tuple(
    texts,
    fc.nat({ max: 200 }),
    fc.constantFrom("", "", " ", "}", ",", '"', "\r", "{}"),
  );
  const damaged = flaws.map(([text, at, by]) => text.slice(0, at) + by + text.slice(by === "" ? at + 1 : at));
  return fc.oneof({ arbitrary: texts, weight: 3 }, { arbitrary: damaged, weight: 1 });
}

const plain = flawed(objectText(parcels));
const replayed = flawed(
  fc
    .tuple(
      fc.oneof({ arbitrary: fc.constant(String(arrival)), weight: 9 }, { arbitrary: common, weight: 1 }),
      fc.oneof({ arbitrary: fc.nat().map(String), weight: 9 }, { arbitrary: common, weight: 1 }),
      objectText(history),
    )
    .map(([at, row, event]) => `{"sluice":"replay","arrival":${at},"row":${row},"event":${event}}`),
);

describe("an object is read alike with white space before it and without", () => {
  it.each([
    ["plain", parcels, plain],
    ["replayed", history, replayed],
  ])("%s, alone", (_, source, texts) => {
    let read = 0;
    const check = fc.property(texts, (text) => {
      const quick = decode(source, text);
      const slow = decode(source, ` ${text}`);
      expect(quick.events).toEqual(slow.events);
      expect(quick.arrival).toBe(slow.arrival);
      expect(quick.poison.map(({ reason }) => reason)).toEqual(slow.poison.map(({ reason }) => reason));
      read += quick.events.length;
    });
    fc.assert(check, { seed: 20_010_628, numRuns: 10_000 });
    expect(read).toBeGreaterThan(1_000);
  });

  it.each([
    ["plain", parcels, plain],
    ["replayed", history, replayed],
  ])("%s, with others", (_, source, texts) => {
    const records = fc.array(
      fc.oneof({ arbitrary: texts, weight: 4 }, { arbitrary: fc.constantFrom("", " "), weight: 1 }),
      {
        minLength: 2,
        maxLength: 5,
      },
    );
    const check = fc.property(records, (lines) => {
      const quick = decode(source, lines.join("\n"));
      const slow = decode(source, lines.map((line) => ` ${line}`).join("\n"));
      expect(quick.events).toEqual(slow.events);
      expect(quick.poison.map(({ index, reason }) => [index, reason])).toEqual(
        slow.poison.map(({ index, reason }) => [index, reason]),
      );
    });
    fc.assert(check, { seed: 20_010_629, numRuns: 5_000 });
  });
});

it("what the encoders write is read in one look, unless it has a fraction or is not ASCII", () => {
  const random = seeded(5);
  const looks = Array.from({ length: 500 }, () => {
    const event: Event = { ...randomParcel(random), weight: 3 };
    const isPlain = /^[ !#-[\]-~]*$/.test(String(event["depot"] ?? ""));
    const bytes = encodeEvent(parcels, event);
    const found = quickReader(parcels)(bytes, 0, Number(event["scanned"]));
    return [isPlain, found === null ? null : found.event, event] as const;
  });
  for (const [isPlain, found, event] of looks) expect(found).toEqual(isPlain ? event : null);
  const event = { scanned: dayStart, cost: 3, depot: "A" };
  const line = encodeReplayed(history, { row: 1, arrival, event });
  const packed = encodePacked([line, line]);
  expect(quickReader(history)(packed, line.length + 1, 0)).toEqual({ event, arrival, end: packed.length });
});
