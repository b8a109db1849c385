/** What is said of questions that no rollup answers; and that whoever follows it is answered from one. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlightActivity } from "../../products/flights.ts";
import { StrikeActivity } from "../../products/strikes.ts";
import type { Condition, Filter } from "../../src/model/filter.ts";
import { declaredProducts, type Product } from "../../src/model/product.ts";
import { ownServing } from "../../src/model/serving.ts";
import type { Range } from "../../src/model/time.ts";
import { adviceFor, reasonFor, rollupFor, type Unserved } from "../../src/sql/advice.ts";
import { planStored, type View } from "../../src/sql/plan.ts";

const productOf = (target: unknown): Product => declaredProducts().find((each) => each.target === target)!;
const flights = productOf(FlightActivity);
const strikes = productOf(StrikeActivity);
const at = (text: string): number => Date.parse(`${text}Z`);

const view: View = {
  coverage: { from: at("2001-01-01T00:00"), until: at("2001-06-28T00:00") },
  newest: at("2001-06-27T23:00"),
  live: null,
};

interface Asked {
  readonly product?: Product;
  readonly measure?: string;
  readonly where?: Filter;
  readonly from?: string;
  readonly to?: string;
  readonly view?: View;
}

function unserved({ product = flights, measure, where = [], from, to, view: seen = view }: Asked): Unserved {
  return {
    product,
    serving: ownServing(product),
    where,
    ranges: [{ from: at(from ?? "2001-02-01T00:00"), to: at(to ?? "2001-03-01T00:00") }],
    view: seen,
    measure: product.measure(measure ?? product.measures[0]!.name),
  };
}

const advice = (asked: Asked): readonly string[] => adviceFor(unserved(asked));
const pinned = (column: string, value: string | number = "LAX"): Condition => ({ op: "eq", column, value });

describe("a field that no rollup serves is told", () => {
  test("that none can, where the measure is not mergeable, whatever the slice", () => {
    expect(advice({ measure: "p90Delay", where: [pinned("delay", 3)] })).toEqual([
      "No rollup can serve it: Athena computes it from the events.",
    ]);
    const asked = unserved({ measure: "p90Delay" });
    const plan = planStored(asked.serving, asked.where, asked.ranges[0]!, view);
    expect(reasonFor(asked, plan)).toBe(
      "p90Delay (percentile) is not mergeable: its value over a range does not follow from those of its buckets",
    );
  });

  test("the rollup of its dimensions, by the coarsest grain that the range lies on", () => {
    const where = [pinned("destination")];
    expect(advice({ where })).toEqual([`Declare rollup(["destination"], { grains: ["MONTH"] }).`]);
    expect(advice({ where, to: "2001-03-02T00:00" })).toEqual([
      `Declare rollup(["destination"], { grains: ["DAY"] }).`,
    ]);
    expect(advice({ where, to: "2001-03-02T07:00" })).toEqual([
      `Declare rollup(["destination"], { grains: ["HOUR"] }).`,
    ]);
  });

  test("the finer grain of a rollup that is there, or the edges that it has", () => {
    expect(advice({ where: [pinned("destination"), pinned("origin")], from: "2001-02-01T06:00" })).toEqual([
      `Declare rollup(["origin", "destination"], { grains: ["HOUR", "DAY", "MONTH"] }) in place of the present one.`,
      "Or let the range begin and end on edges of DAY.",
    ]);
  });

  test("to move an edge that no grain has", () => {
    expect(advice({ from: "2001-02-01T06:30" })).toEqual([
      "Let the range begin and end on edges of HOUR or DAY: 2001-02-01T06:30:00.000Z is on none.",
    ]);
  });

  test("which column has to be a dimension, and which condition has to pin it", () => {
    expect(advice({ where: [pinned("origin"), { op: "gte", column: "distance", value: 2_000 }] })).toEqual([
      "Declare @Dimension() distance: a rollup holds values of dimensions.",
      "Pin distance by eq or in: a rollup has a key per value, and cannot tell those of gte.",
      `Declare rollup(["origin", "distance"], { grains: ["MONTH"] }).`,
    ]);
    expect(advice({ where: [{ op: "startsWith", column: "origin", value: "L" }] })).toEqual([
      "Pin origin by eq or in: a rollup has a key per value, and cannot tell those of startsWith.",
    ]);
    expect(advice({ where: [pinned("origin"), { op: "isNull", column: "origin", value: false }] })).toEqual([
      "Give origin one condition: a rollup's key has one value of it.",
      "Pin origin by eq or in: a rollup has a key per value, and cannot tell those of isNull.",
    ]);
  });

  test("to ask for event time by range", () => {
    expect(advice({ where: [{ op: "gte", column: "date", value: at("2001-02-01T00:00") }] })).toEqual([
      "Ask for date by range: a rollup's buckets are of event time.",
    ]);
  });

  test("to ask for fewer values", () => {
    const values = Array.from({ length: 1_001 }, (_, i) => `A${i}`);
    expect(advice({ where: [{ op: "in", column: "origin", values }] })).toEqual([
      "Ask for at most 1000 combinations of values at a time.",
    ]);
  });

  test("that a bucket is open, where nothing is live", () => {
    const open: View = { ...view, coverage: { ...view.coverage, until: at("2001-06-27T07:00") } };
    expect(
      advice({ product: strikes, where: [pinned("airport")], to: "2001-07-01T00:00", view: open }),
    ).toEqual([
      `Declare rollup(["airport"], { grains: ["HOUR", "DAY", "MONTH"] }) in place of the present one.`,
      "Or let the range begin and end on edges of DAY, within the coverage.",
    ]);
  });

  test("to refresh, where the rollup or the measure is declared and not stored yet", () => {
    const asked = unserved({ where: [pinned("origin")] });
    const [origin] = asked.serving.rollups.filter(({ name }) => name === "origin");
    const serving = { ...asked.serving, rollups: [], awaited: [origin!] };
    const refresh = ['Run "sluice refresh FlightActivity": it stores what is missing.'];
    expect(adviceFor({ ...asked, serving })).toEqual(refresh);
    expect(adviceFor(asked)).toEqual(refresh);
    const plan = planStored(asked.serving, asked.where, asked.ranges[0]!, view);
    expect(reasonFor(asked, plan)).toBe("flights is not stored before the next refresh");
  });
});

test("whoever declares the rollup that is advised has every range answered from it", () => {
  const columns = ["origin", "destination", "distance", "delay"];
  const hour = fc
    .integer({ min: -100, max: 5_000 })
    .map((hours) => at("2001-01-01T00:00") + hours * 3_600_000);
  const edge = fc.oneof(
    hour,
    hour.map((instant) => Math.floor(instant / 86_400_000) * 86_400_000),
  );
  const range = fc
    .tuple(edge, edge)
    .filter(([a, b]) => a !== b)
    .map(([a, b]): Range => ({ from: Math.min(a, b), to: Math.max(a, b) }));
  const live = fc.constantFrom<View["live"]>(null, {
    from: at("2001-06-28T00:00"),
    sweptUntil: null,
    to: at("2001-06-29T12:00"),
  });
  let advised = 0;
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom(...columns), { maxLength: 3 }),
      fc.array(range, { minLength: 1, maxLength: 4 }),
      live,
      fc.integer({ min: 0, max: 72 }),
      (pins, ranges, seenLive, openHours) => {
        const until = at("2001-06-28T00:00") - openHours * 3_600_000;
        const seen: View = {
          coverage: { ...view.coverage, until },
          newest: at("2001-06-29T12:34"),
          live: seenLive,
        };
        const where = pins.map((column) => pinned(column));
        const asked = { ...unserved({ where, view: seen }), ranges };
        const wanted = rollupFor(asked);
        if (wanted === null) return;
        advised++;
        const rollup = { name: "advised", ...wanted, finest: wanted.grains[0]!, live: true, top: null };
        const served = { dimensions: flights.source.columns, rollups: [rollup], awaited: [] };
        expect(ranges.map((each) => planStored(served, where, each, seen).kind)).toEqual(
          ranges.map(() => "stored"),
        );
      },
    ),
    { seed: 16, numRuns: 2_000 },
  );
  expect(advised).toBeGreaterThan(500);
});
