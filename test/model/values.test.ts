import fc from "fast-check";
import { expect, test } from "vitest";
import { compareValues, type Value } from "../../src/model/values.ts";

const characters = fc.constantFrom(
  "a",
  "b",
  "Z",
  "ü",
  "\u{D7FF}",
  "\u{E000}",
  "\u{FF62}",
  "\u{FFFF}",
  "😀",
  "\u{10000}",
  "\u{10FFFF}",
);
const texts = fc.oneof(
  fc.string({ unit: characters, maxLength: 4 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);

test("strings are in the order of their code points, as databases have them", () => {
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      expect(Math.sign(compareValues(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2_000 },
  );
});

test("false comes before true, numbers by size, null last", () => {
  const sorted = (values: readonly Value[]) => [...values].sort(compareValues);
  expect(sorted([true, null, false])).toEqual([false, true, null]);
  expect(sorted([2, null, -1, 10])).toEqual([-1, 2, 10, null]);
  expect(compareValues(null, null)).toBe(0);
});
