import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  decodeRecord,
  decodeRecords,
  encodeBarrier,
  encodeEvent,
  encodePacked,
  encodeReplayed,
  encodeResent,
  replayedRows,
  resentLetters,
} from "../../etl/live/wire.ts";
import type { Source } from "../../src/model/source.ts";
import { dayStart, history, parcels } from "./parcels.ts";

const arrival = dayStart + 3_600_000;
const sequence = "003:100";
const decode = (data: string | Uint8Array, source: Source = parcels) =>
  decodeRecord(source, {
    sequence,
    arrival,
    data: typeof data === "string" ? Buffer.from(data) : data,
  });

const good = { "Scan Time": "2024-02-28T00:30:00Z", weight: 1.5 };
const withFields = (fields: object): string => JSON.stringify({ ...good, ...fields });
const reasonsOf = (data: string | Uint8Array, source?: Source): string[] =>
  decode(data, source).poison.map(({ reason }) => reason);

describe("a plain record", () => {
  it("is one event by column name; a missing key is null and an unknown one ignored", () => {
    expect(decode(withFields({ "Cost Total $": 7, "is?damaged": true, extra: {} })).events).toEqual([
      {
        sequence,
        index: 0,
        arrival,
        event: {
          scanned: Date.parse("2024-02-28T00:30:00Z"),
          cost: 7,
          weight: 1.5,
          depot: null,
          damaged: true,
          due: null,
        },
      },
    ]);
  });

  it.each([
    ["2024-02-28T00:30:00", "2024-02-28T00:30:00.000Z"],
    ["2024-02-28 00:30:00.25", "2024-02-28T00:30:00.250Z"],
    ["2024-02-28T00:30", "2024-02-28T00:30:00.000Z"],
    ["2024-02-28T01:30:00+01:00", "2024-02-28T00:30:00.000Z"],
    ["2024-02-28", "2024-02-28T00:00:00.000Z"],
    ["2024-02-28T00:30:00.123456Z", "2024-02-28T00:30:00.123Z"],
    [Date.parse("2024-02-28T00:30:00Z"), "2024-02-28T00:30:00.000Z"],
  ])("reads the time %s as UTC", (text, expected) => {
    const [decoded] = decode(withFields({ "Scan Time": text })).events;
    expect(new Date(Number(decoded?.event["scanned"])).toISOString()).toBe(expected);
  });

  it("is what encodeEvent writes", () => {
    const event = { scanned: dayStart, cost: -1, weight: 0.1, depot: "Köln", damaged: false, due: dayStart };
    expect(decode(encodeEvent(parcels, event)).events.map((decoded) => decoded.event)).toEqual([event]);
  });

  it("may be written over several lines", () => {
    expect(decode(JSON.stringify(good, null, 2)).events).toHaveLength(1);
  });

  it("may hold many events, one a line, indexed by line", () => {
    const { events, poison } = decode(`${withFields({})}\n\n{"bad\n${withFields({ depot: "B" })}\n`);
    expect(events.map(({ index, event }) => [index, event["depot"]])).toEqual([
      [0, null],
      [3, "B"],
    ]);
    expect(poison.map(({ index, bytes }) => [index, Buffer.from(bytes).toString()])).toEqual([[2, '{"bad']]);
  });

  it("takes the bounds of lateness in, and nothing beyond", () => {
    const at = (ms: number) => reasonsOf(withFields({ "Scan Time": ms }));
    const lateness = 2 * 86_400_000;
    expect(at(arrival - lateness)).toEqual([]);
    expect(at(arrival - lateness - 1)).toEqual(["TOO_LATE"]);
    expect(at(arrival + 86_400_000)).toEqual([]);
    expect(at(arrival + 86_400_001)).toEqual(["TOO_LATE"]);
  });
});

describe("poison", () => {
  it.each([
    ["nothing", ""],
    ["bad JSON", '{"a":'],
    ["NaN", '{"Scan Time": 0, "weight": NaN}'],
    ["an array", "[]"],
    ["null", "null"],
  ])("%s is BAD_JSON with its bytes", (_, text) => {
    const [poison] = decode(text).poison;
    expect(poison).toMatchObject({ reason: "BAD_JSON", sequence, index: 0 });
    expect(Buffer.from(poison!.bytes).toString()).toBe(text);
  });

  it("bytes that are not UTF-8 are BAD_JSON", () => {
    expect(
      reasonsOf(Buffer.concat([Buffer.from('{"depot":"'), Buffer.from([0xff]), Buffer.from('"}')])),
    ).toEqual(["BAD_JSON"]);
  });

  it.each<[string, string]>([
    ["a missing column that is not nullable", JSON.stringify({ "Scan Time": good["Scan Time"] })],
    ["a null in it", withFields({ weight: null })],
    ["text for a number", withFields({ weight: "1.5" })],
    ["an infinite number", withFields({}).replace("1.5", "1e400")],
    ["a fraction for an int", withFields({ "Cost Total $": 1.5 })],
    ["an int that no double holds", withFields({ "Cost Total $": 0 }).replace(":0", ":9007199254740993")],
    ["a number for text", withFields({ depot: 1 })],
    ["half a surrogate pair", withFields({}).replace("{", '{"depot":"\\ud800",')],
    ["an object for text", withFields({ depot: {} })],
    ["0 for a boolean", withFields({ "is?damaged": 0 })],
    ["30 February", withFields({ "Scan Time": "2024-02-30T00:00:00Z" })],
    ["hour 24", withFields({ "Scan Time": "2024-02-28T24:00:00Z" })],
    ["a date in words", withFields({ "Scan Time": "28 Feb 2024" })],
    ["an instant that no calendar names", withFields({ "Scan Time": 9e15 })],
    ["the year 10000", withFields({ due: 253_402_300_800_000 })],
  ])("%s is BAD_VALUE", (_, text) => {
    expect(reasonsOf(text)).toEqual(["BAD_VALUE"]);
  });

  it("an inherited property is no column's value", () => {
    const source = {
      ...parcels,
      ownColumns: [{ ...parcels.columns[3]!, name: "constructor" }, parcels.time],
    };
    expect(decode(withFields({}), source).events[0]?.event["depot"]).toBeNull();
  });

  it("a replay envelope on a plain stream is BAD_ENVELOPE", () => {
    expect(reasonsOf(withFields({ sluice: "replay" }))).toEqual(["BAD_ENVELOPE"]);
  });

  it("columns may be called reason and detail", () => {
    const named = (name: string, i: number) => ({ ...parcels.columns[3]!, property: name, name, i });
    const source = { ...parcels, ownColumns: [parcels.time, ...["reason", "detail", "id"].map(named)] };
    expect(decode(withFields({ reason: "BAD_JSON", detail: "x", id: "y" }), source)).toMatchObject({
      poison: [],
      barriers: [],
      events: [{ event: { reason: "BAD_JSON", detail: "x", id: "y" } }],
    });
  });
});

describe("a record in gzip", () => {
  const lines = [withFields({ depot: "A" }), '{"bad', withFields({ depot: "B" })].map((line) =>
    Buffer.from(line),
  );
  const packed = encodePacked(lines, { gzip: true });

  it("is what it unpacks to, and its poison has the bytes of the line", () => {
    expect(Buffer.from(packed).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    const plain = decode(encodePacked(lines));
    expect(plain.events.map(({ index, event }) => [index, event["depot"]])).toEqual([
      [0, "A"],
      [2, "B"],
    ]);
    expect(plain.poison.map(({ index, bytes }) => [index, String(bytes)])).toEqual([[1, '{"bad']]);
    expect(decode(packed)).toEqual(plain);
  });

  it("may be several members in a row, which are one text", () => {
    const cut = 20;
    const text = Buffer.from(encodePacked(lines));
    const members = [text.subarray(0, cut), text.subarray(cut)].map((part) => gzipSync(part));
    expect(decode(Buffer.concat(members))).toEqual(decode(text));
  });

  it.each([
    ["damaged", Buffer.from(packed).fill(0xff, 20, 40)],
    ["truncated", packed.subarray(0, packed.length - 5)],
    ["with a text behind it", Buffer.concat([packed, Buffer.from(withFields({}))])],
    ["with half a member behind it", Buffer.concat([packed, packed.subarray(0, 12)])],
    ["two bytes long", packed.subarray(0, 2)],
    ["unpacking to more than 64 MiB", gzipSync(Buffer.alloc(64 * 1024 * 1024 + 1, " "))],
  ])("%s is BAD_GZIP as a whole, with its bytes", (_, data) => {
    const { events, poison } = decode(data);
    expect(events).toEqual([]);
    expect(poison).toMatchObject([{ reason: "BAD_GZIP", sequence, index: 0 }]);
    expect(Buffer.from(data).equals(poison[0]!.bytes)).toBe(true);
  });

  it("of events on a replay stream names their rows", () => {
    const event = { scanned: dayStart, cost: 3, depot: "A" };
    const replayed = [4, 5].map((row) => encodeReplayed(history, { row, arrival: dayStart, event }));
    const data = encodePacked(replayed, { gzip: true });
    expect(replayedRows({ sequence, arrival, data })).toEqual([4, 5]);
  });
});

describe("lines", () => {
  const [a, b] = ["A", "B"].map((depot) => withFields({ depot })) as [string, string];
  const byteOrderMark = "\uFEFF";
  const found = (data: string | Uint8Array): (readonly [number, string])[] => {
    const { events, poison } = decode(data);
    const texts = [
      ...events.map(({ index, event }) => [index, String(event["depot"])] as const),
      ...poison.map(({ index, bytes }) => [index, Buffer.from(bytes).toString("latin1")] as const),
    ];
    return texts.sort(([i], [j]) => i - j);
  };

  it.each<[string, string, (readonly [number, string])[]]>([
    ["of one object count from the object, blank ones before it or not", `\n \r\n${a}\n`, [[0, "A"]]],
    [
      "may end in a carriage return",
      `${a}\r\n${b}\r\n`,
      [
        [0, "A"],
        [1, "B"],
      ],
    ],
    ["that are all blank are one poison", " \n\t\n", [[0, " \n\t\n"]]],
    [
      "hold one object each",
      `${a} ${b}\n${a}`,
      [
        [0, `${a} ${b}`],
        [1, "A"],
      ],
    ],
    [
      "that together are an array are poison",
      `[${a},\n${b}]`,
      [
        [0, `[${a},`],
        [1, `${b}]`],
      ],
    ],
    [
      "may begin with a byte order mark",
      `${byteOrderMark}${a}\n${byteOrderMark}${b}`,
      [
        [0, "A"],
        [1, "B"],
      ],
    ],
    [
      "with two byte order marks are poison",
      `${byteOrderMark}${byteOrderMark}1\n${b}`,
      [
        [0, "ï»¿ï»¿1"],
        [1, "B"],
      ],
    ],
    [
      "of an object do not mend one another",
      `{"a":[{}\n{}]}\n${b}`,
      [
        [0, '{"a":[{}'],
        [1, "{}]}"],
        [2, "B"],
      ],
    ],
  ])("%s", (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it("that are not UTF-8 are poison with their own bytes, and the others count", () => {
    const broken = Buffer.from([0x7b, 0xff, 0x7d]);
    const data = Buffer.concat([a, "\n", broken, "\n\n", b].map((part) => Buffer.from(part as Buffer)));
    expect(found(data)).toEqual([
      [0, "A"],
      [1, "{ÿ}"],
      [3, "B"],
    ]);
  });

  it("decode alike one by one and many records at once", () => {
    const records = Array.from({ length: 2_000 }, (_, i) => ({
      sequence: `003:${i}`,
      arrival,
      data: Buffer.from(i % 7 === 3 ? `${a}\n{` : [a, b].slice(i % 2).join("\n")),
    }));
    const decoded = decodeRecords(parcels, records);
    expect(decoded).toEqual(records.map((record) => decodeRecord(parcels, record)));
    expect(decoded.map(({ events }) => events.length)).toEqual(
      records.map((_, i) => (i % 7 === 3 || i % 2 === 1 ? 1 : 2)),
    );
  });
});

describe("envelopes", () => {
  const event = { scanned: dayStart, cost: 3, depot: "A" };

  it("a barrier of a plain stream has the record's arrival", () => {
    expect(decode(encodeBarrier({ id: "b" }))).toEqual({
      sequence,
      arrival,
      events: [],
      poison: [],
      barriers: [{ id: "b", sequence, arrival }],
    });
  });

  it("a barrier of a replay states its arrival", () => {
    expect(decode(encodeBarrier({ id: "b", arrival: 5 }), history)).toMatchObject({
      arrival: 5,
      barriers: [{ id: "b", arrival: 5 }],
    });
    expect(reasonsOf(encodeBarrier({ id: "b" }), history)).toEqual(["BAD_ENVELOPE"]);
  });

  it("a replayed event has the envelope's arrival", () => {
    const data = encodeReplayed(history, { row: 9, arrival: dayStart + 3_600_000, event });
    expect(decode(data, history)).toMatchObject({
      arrival: dayStart + 3_600_000,
      events: [{ arrival: dayStart + 3_600_000, event }],
    });
    expect(replayedRows({ sequence, arrival, data })).toEqual([9]);
  });

  it("a replayed event later than the source's lateness is TOO_LATE", () => {
    const data = encodeReplayed(history, { row: 9, arrival: dayStart + 3_600_001, event });
    expect(reasonsOf(data, history)).toEqual(["TOO_LATE"]);
  });

  it("a re-sent event of a plain stream has the record's arrival and tells which dead letter it was", () => {
    const parcel = { scanned: dayStart, cost: 3, weight: 1, depot: "A", damaged: null, due: null };
    const data = encodeResent(parcels, { of: "s#003:100#2", event: parcel });
    expect(decode(data)).toMatchObject({ poison: [], events: [{ index: 0, arrival, event: parcel }] });
    expect(resentLetters({ sequence, arrival, data })).toEqual(["s#003:100#2"]);
    expect(resentLetters({ sequence, arrival, data: encodeEvent(parcels, parcel) })).toEqual([]);
  });

  it("a re-sent event of a replay states its arrival, and is too late by that", () => {
    const resent = (at: number) => encodeResent(history, { of: "s#1#0", arrival: at, event });
    expect(decode(resent(dayStart + 3_600_000), history)).toMatchObject({
      arrival: dayStart + 3_600_000,
      events: [{ arrival: dayStart + 3_600_000, event }],
    });
    expect(reasonsOf(resent(dayStart + 3_600_001), history)).toEqual(["TOO_LATE"]);
    expect(reasonsOf(encodeResent(history, { of: "s#1#0", event }), history)).toEqual(["BAD_ENVELOPE"]);
  });

  it("a re-sent event without its dead letter, or without an event, is BAD_ENVELOPE", () => {
    expect(reasonsOf(withFields({ sluice: "resent", event: good }))).toEqual(["BAD_ENVELOPE"]);
    expect(reasonsOf(withFields({ sluice: "resent", of: "s#1#0" }))).toEqual(["BAD_ENVELOPE"]);
  });

  it("a plain record on a replay stream is poison and says no arrival", () => {
    expect(decode(encodeEvent(history, event), history)).toMatchObject({
      arrival: null,
      poison: [{ reason: "BAD_ENVELOPE" }],
    });
  });

  it.each([
    { sluice: "replay", arrival: "now", row: 1, event: {} },
    { sluice: "replay", arrival: 0, row: 0.5, event: {} },
    { sluice: "replay", arrival: 0, row: 1, event: [] },
    { sluice: "other", arrival: 0, row: 1, event: {} },
  ])("%j is BAD_ENVELOPE", (envelope) => {
    expect(reasonsOf(JSON.stringify(envelope), history)).toEqual(["BAD_ENVELOPE"]);
  });
});
