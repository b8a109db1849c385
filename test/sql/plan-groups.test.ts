import { describe, expect, it } from "vitest";
import { FlightActivity } from "../../products/flights.ts";
import type { Filter } from "../../src/model/filter.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { ownServing } from "../../src/model/serving.ts";
import type { Value } from "../../src/model/values.ts";
import {
  byRank,
  groupOf,
  type GroupsPlan,
  isAsked,
  isWhole,
  knownLead,
  namedKeys,
  planGroups,
} from "../../src/sql/plan-groups.ts";
import type { Piece, View } from "../../src/sql/plan.ts";

const served = ownServing(declaredProducts().find(({ target }) => target === FlightActivity)!);
const at = (text: string): number => Date.parse(`${text}Z`);
const view: View = {
  coverage: { from: at("2001-01-01T00:00"), until: at("2001-06-29T00:00") },
  newest: at("2001-06-29T12:34"),
  live: { from: at("2001-06-28T00:00"), sweptUntil: null, to: at("2001-06-29T12:00") },
};
const january = { from: at("2001-01-01T00:00"), to: at("2001-02-01T00:00") };
const eq = (column: string, value: Value): Filter => [{ op: "eq", column, value: value! }];

function plan(where: Filter, grouped: readonly string[], range = january): GroupsPlan {
  const planned = planGroups(served, where, grouped, range, view);
  if (planned.kind === "unstored") throw new Error(planned.reason);
  return planned;
}

function reason(where: Filter, grouped: readonly string[], range = january): string {
  const planned = planGroups(served, where, grouped, range, view);
  return planned.kind === "unstored" ? planned.reason : "stored";
}

describe("where groups come from", () => {
  it("is the rollup of what is pinned and what is grouped by, its keys named by leaderboards", () => {
    const origins = plan([], ["origin"]);
    expect([origins.rollup.name, origins.keys]).toEqual(["origin", { kind: "boards", withins: [[]] }]);
    const destinations = plan(eq("origin", "ORD"), ["destination"]);
    expect([destinations.rollup.name, destinations.keys]).toEqual([
      "origin+destination",
      { kind: "boards", withins: [["ORD"]] },
    ]);
  });

  it("is the pinned keys where all of them are, also of what is grouped by", () => {
    const where: Filter = [
      { op: "in", column: "origin", values: ["ORD", "JFK", "ORD"] },
      { op: "isNull", column: "destination", value: true },
    ];
    expect(plan(where, ["origin"]).keys).toEqual({
      kind: "pinned",
      keys: [
        ["ORD", null],
        ["JFK", null],
      ],
    });
  });

  it("is the live items alone where no edition covers", () => {
    const range = { from: at("2001-06-29T00:00"), to: at("2001-06-30T00:00") };
    expect(plan([], ["destination", "origin"], range).keys).toEqual({ kind: "live" });
  });

  it("is Athena for everything else, and why is said", () => {
    expect(reason([], ["destination"])).toBe("there is no rollup of [destination]");
    expect(reason([], ["origin", "destination"])).toBe(
      "the leaderboards of [origin, destination] are within [origin], which the question does not hold to values",
    );
    expect(reason([{ op: "startsWith", column: "origin", value: "O" }], ["origin"])).toBe(
      "no rollup answers startsWith on origin",
    );
    expect(reason(eq("distance", 5), ["origin"])).toBe("no rollup answers eq on distance");
    expect(reason([], ["origin"], { ...january, from: at("2001-01-01T00:30") })).toMatch(
      /is not on an edge of HOUR/,
    );
    const many = Array.from({ length: 1_001 }, (_, i) => `A${i}`);
    expect(reason([{ op: "in", column: "origin", values: many }], ["origin"])).toMatch(/^1001 keys are more/);
  });
});

describe("leaderboards", () => {
  const { rollup } = plan(eq("origin", "ORD"), ["destination"]);
  const ranked = { ...rollup, top: rollup.top! };
  const board = { complete: 0b010, keys: [["LAX"], ["JFK"], ["SFO"]], buckets: [0b011, 0b010, 0b100] };
  const piece = (first: number, end: number): Piece => ({ grain: "DAY", period: "2001-01", first, end });

  it("name the keys of the buckets asked for, as the rollup has them", () => {
    expect(namedKeys(ranked, ["ORD"], board, piece(0, 2))).toEqual([
      ["ORD", "LAX"],
      ["ORD", "JFK"],
    ]);
    expect(namedKeys(ranked, ["ORD"], board, piece(2, 31))).toEqual([["ORD", "SFO"]]);
  });

  it("are whole where every bucket asked for is, or is empty", () => {
    expect(
      [piece(1, 2), piece(0, 1), piece(0, 2), piece(3, 31), piece(1, 31)].map((each) => isWhole(board, each)),
    ).toEqual([true, false, false, true, false]);
    expect(isWhole({ complete: 1 << 30, keys: [["X"]], buckets: [1 << 30] }, piece(30, 31))).toBe(true);
  });

  it("leave out what the question does not ask for", () => {
    const where: Filter = [...eq("origin", "ORD"), { op: "in", column: "destination", values: ["LAX"] }];
    const planned = plan(where, ["destination"]);
    expect(isAsked(planned, ["ORD", "LAX"])).toBe(true);
    expect(isAsked(planned, ["ORD", "JFK"])).toBe(false);
    expect(groupOf(planned, ["ORD", "LAX"])).toEqual(["LAX"]);
  });
});

describe("what boards that are not whole can tell", () => {
  const ordered = (values: readonly (number | null)[]) =>
    values.map((value, i) => ({ group: [`K${String(i).padStart(3, "0")}`], value }));
  const month = plan(eq("origin", "ORD"), ["destination"]);
  const many = ordered(Array.from({ length: 150 }, (_, i) => 150 - i));
  const lead = (planned: GroupsPlan, ranked = many, direction: "ASC" | "DESC" | null = "DESC") => {
    const known = knownLead(planned, ranked, direction);
    return "kind" in known ? known.reason : known.lead;
  };

  it("is their first n of a single bucket, largest first", () => {
    expect(lead(month)).toBe(100);
    expect(lead(month, many, "ASC")).toMatch(/no order of theirs/);
    expect(lead(month, many, null)).toMatch(/no order of theirs/);
    const days = { from: at("2001-01-01T00:00"), to: at("2001-01-03T00:00") };
    expect(lead(plan(eq("origin", "ORD"), ["destination"], days))).toMatch(/more than one stored bucket/);
    const day = { from: at("2001-01-02T00:00"), to: at("2001-01-03T00:00") };
    expect(lead(plan(eq("origin", "ORD"), ["destination"], day))).toBe(100);
  });

  it("is nothing where another declaration wrote them, which ranks nobody knows how", () => {
    const foreign = { ...month.rollup, top: { n: null, within: ["origin"] } };
    expect(lead({ ...month, rollup: foreign })).toMatch(/those of another declaration/);
  });

  it("is nothing where groups are of several keys, or leaders are left out", () => {
    const two: Filter = [{ op: "in", column: "origin", values: ["ORD", "JFK"] }];
    expect(lead(plan(two, ["destination"]))).toMatch(/a group is more than one key/);
    expect(lead(plan(two, ["origin", "destination"]))).toBe(100);
    expect(lead({ ...month, pinned: [["ORD"], ["LAX", "JFK"]] })).toMatch(/left out/);
  });

  it("is only what is better than the last one where ties are asked for in another order", () => {
    const planned = plan([{ op: "in", column: "origin", values: ["ORD", "JFK"] }], ["destination", "origin"]);
    const tied = ordered(Array.from({ length: 150 }, (_, i) => (i < 90 ? 500 - i : 7)));
    expect(lead(planned, tied)).toBe(90);
    expect(lead(planned)).toBe(99);
    expect(lead(planned, ordered(Array.from({ length: 150 }, (_, i) => (i < 60 ? 1 : null))))).toBe(60);
  });
});

it("groups are ranked by value, null last either way, ties by code point", () => {
  const groups = [
    { group: ["\uff62"], value: 1 },
    { group: ["😀"], value: 1 },
    { group: ["b"], value: null },
    { group: [null], value: 2 },
    { group: ["a"], value: null },
    { group: ["a"], value: -0 },
    { group: ["A"], value: 0 },
  ];
  const shown = (direction: "ASC" | "DESC") =>
    groups.toSorted(byRank(direction)).map(({ group }) => group[0]);
  expect(shown("DESC")).toEqual([null, "\uff62", "😀", "A", "a", "a", "b"]);
  expect(shown("ASC")).toEqual(["A", "a", "\uff62", "😀", null, "a", "b"]);
});
