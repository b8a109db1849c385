/** Where the values of a response came from, and how far each entry counts. */
import { expect, test } from "vitest";
import { ProvenanceRecord } from "../../src/loaders/provenance.ts";

const day = 86_400_000;
const edition = { source: "EDITION", edition: "e" } as const;

function throughOf(buckets: readonly (readonly [through: number, to: number])[]): string[] {
  const record = new ProvenanceRecord();
  for (const [through, to] of buckets)
    record.add(["q", "series", "sales"], { ...edition, through: through * day }, to * day);
  return record.extensions().provenance.map((entry) => entry.through.slice(0, 10));
}

test("a list through which nothing is cut short counts to the end of its last range", () => {
  expect(
    throughOf([
      [1, 1],
      [3, 3],
      [2, 2],
    ]),
  ).toEqual(["1970-01-04"]);
});

test("a list tells where what is cut short ends, wherever it stands", () => {
  expect(
    throughOf([
      [1, 1],
      [2, 3],
      [2, 4],
    ]),
  ).toEqual(["1970-01-03"]);
  expect(
    throughOf([
      [2, 4],
      [1, 1],
    ]),
  ).toEqual(["1970-01-03"]);
});
