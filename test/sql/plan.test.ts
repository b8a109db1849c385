import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlightActivity } from "../../products/flights.ts";
import type { Filter } from "../../src/model/filter.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { ownServing } from "../../src/model/serving.ts";
import { dayMs, hourMs, nextBucket, periodRange } from "../../src/model/time.ts";
import { type Piece, planStored, type StoredPlan, type View } from "../../src/sql/plan.ts";

const product = declaredProducts().find(({ target }) => target === FlightActivity)!;
const served = ownServing(product);
const at = (text: string): number => Date.parse(`${text}Z`);

const covered: View = {
  coverage: { from: at("2001-01-01T00:00"), until: at("2001-06-28T00:00") },
  newest: at("2001-06-27T23:00"),
  live: { from: at("2001-06-28T00:00"), sweptUntil: null, to: at("2001-06-28T00:00") },
};
const streaming: View = {
  ...covered,
  coverage: { from: at("2001-01-01T00:00"), until: at("2001-06-29T07:00") },
  newest: at("2001-06-30T12:34"),
  live: { from: at("2001-06-28T00:00"), sweptUntil: null, to: at("2001-06-30T12:34") },
};
const origin = (value: string): Filter => [{ op: "eq", column: "origin", value }];

function stored(where: Filter, from: string, to: string, view: View): StoredPlan {
  const plan = planStored(served, where, { from: at(from), to: at(to) }, view);
  if (plan.kind !== "stored") throw new Error(plan.reason);
  return plan;
}

const shown = (pieces: readonly Piece[]): string[] =>
  pieces.map(({ grain, period, first, end }) => `${grain} ${period} ${first}-${end}`);

describe("the planner", () => {
  it("takes the largest grains that fit, and finer ones at the edges", () => {
    const plan = stored([], "2001-01-15T22:00", "2001-04-02T03:00", covered);
    expect(shown(plan.editions)).toEqual([
      "HOUR 2001-01-15 22-24",
      "DAY 2001-01 15-31",
      "MONTH 2001 1-3",
      "DAY 2001-04 0-1",
      "HOUR 2001-04-02 0-3",
    ]);
    expect(plan.live).toEqual([]);
    expect(plan.complete).toBe(true);
  });

  it("reads what ends by the coverage from editions and the rest live", () => {
    const total = stored([], "2001-06-28T00:00", "2001-06-30T00:00", streaming);
    expect(shown(total.editions)).toEqual(["DAY 2001-06 27-28", "HOUR 2001-06-29 0-7"]);
    expect(shown(total.live)).toEqual(["HOUR 2001-06-29 7-24"]);
    expect(total.complete).toBe(true);
  });

  it("reads a whole day live where the rollup's finest bucket ends after the coverage", () => {
    const where: Filter = [...origin("ORD"), { op: "eq", column: "destination", value: "LAX" }];
    const route = stored(where, "2001-06-28T00:00", "2001-06-30T00:00", streaming);
    expect(shown(route.editions)).toEqual(["DAY 2001-06 27-28"]);
    expect(shown(route.live)).toEqual(["DAY 2001-06 28-29"]);
  });

  it("cuts open ends to where events can be", () => {
    const plan = stored([], "1999-12-31T10:30", "2030-02-03T04:05", streaming);
    expect(plan.editions[0]).toEqual({ grain: "MONTH", period: "2001", first: 0, end: 5 });
    expect(shown(plan.live).at(-1)).toBe("HOUR 2001-06-30 0-13");
    expect(plan.complete).toBe(false);
  });

  it("tells an incomplete answer: before the coverage, past the live events, in a partial bucket", () => {
    expect(stored([], "2000-12-31T00:00", "2001-02-01T00:00", covered).complete).toBe(false);
    expect(stored([], "2001-06-30T00:00", "2001-06-30T13:00", streaming).complete).toBe(false);
    const late: View = { ...streaming, live: { ...streaming.live!, from: at("2001-06-29T08:00") } };
    expect(stored([], "2001-06-29T07:00", "2001-06-29T12:00", late).complete).toBe(false);
    expect(
      stored([], "2001-06-29T08:00", "2001-06-29T12:00", {
        ...late,
        coverage: { ...late.coverage, until: at("2001-06-29T08:00") },
      }).complete,
    ).toBe(true);
  });

  it("takes a live bucket for partial when its period was swept, and for whole while only finer ones were", () => {
    const [total] = served.rollups;
    const monthly = { ...served, rollups: [{ ...total!, grains: ["MONTH"], finest: "MONTH" } as const] };
    const month = { from: at("2001-06-01T00:00"), to: at("2001-07-01T00:00") };
    const swept = (until: string): View => ({
      ...streaming,
      live: { from: at("2001-01-01T00:00"), sweptUntil: at(until), to: at("2001-07-01T00:00") },
    });
    // days of HOUR buckets are swept one by one, the months of a year stay together
    expect(planStored(monthly, [], month, swept("2001-06-29T00:00"))).toMatchObject({
      partial: false,
      complete: true,
    });
    expect(planStored(monthly, [], month, swept("2002-01-01T00:00"))).toMatchObject({
      partial: true,
      complete: false,
    });
    const hours = (until: string) => stored([], "2001-06-29T07:00", "2001-06-29T12:00", swept(until)).partial;
    expect(hours("2001-06-29T00:00")).toBe(false);
    expect(hours("2001-06-30T00:00")).toBe(true);
  });

  it("leaves to Athena what no rollup holds, and says why", () => {
    const reason = (where: Filter, from: string, to: string): string => {
      const plan = planStored(served, where, { from: at(from), to: at(to) }, covered);
      return plan.kind === "unstored" ? plan.reason : "stored";
    };
    expect(reason([], "2001-02-01T00:30", "2001-02-02T00:00")).toBe(
      "2001-02-01T00:30:00.000Z is not on an edge of HOUR, the finest grain of []",
    );
    expect(reason([{ op: "gte", column: "delay", value: 15 }], "2001-02-01T00:00", "2001-02-02T00:00")).toBe(
      "no rollup answers gte on delay",
    );
    expect(
      reason([{ op: "eq", column: "destination", value: "LAX" }], "2001-02-01T00:00", "2001-02-02T00:00"),
    ).toBe("there is no rollup of [destination]");
    const [total] = served.rollups;
    expect(
      planStored(
        { ...served, rollups: [], awaited: [total!] },
        [],
        { from: at("2001-02-01T00:00"), to: at("2001-02-02T00:00") },
        covered,
      ),
    ).toMatchObject({ kind: "unstored", reason: "the rollup [] is not stored before the next refresh" });
  });

  it("asks for each key of a list once", () => {
    const plan = stored(
      [{ op: "in", column: "origin", values: ["ORD", "LAX", "ORD"] }],
      "2001-02-01T00:00",
      "2001-03-01T00:00",
      covered,
    );
    expect(plan.keys).toEqual([["ORD"], ["LAX"]]);
  });

  it("covers every finest bucket of a range exactly once", () => {
    const hour = fc
      .integer({ min: -24 * 5, max: 24 * 190 })
      .map((hours) => at("2001-01-01T00:00") + hours * hourMs);
    const until = fc
      .integer({ min: 0, max: 24 * 185 })
      .map((hours) => at("2001-01-01T00:00") + hours * hourMs);
    fc.assert(
      fc.property(
        hour,
        hour,
        until,
        fc.integer({ min: 0, max: 10 * dayMs }),
        fc.boolean(),
        (a, b, coveredUntil, ahead, byRoute) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const view: View = {
            coverage: { from: at("2001-01-01T00:00"), until: coveredUntil },
            newest: coveredUntil + ahead,
            live: { from: coveredUntil, sweptUntil: null, to: coveredUntil },
          };
          const where: Filter = byRoute
            ? [...origin("ORD"), { op: "eq", column: "destination", value: "LAX" }]
            : origin("ORD");
          const plan = planStored(served, where, { from, to }, view);
          if (plan.kind === "unstored") return;
          const finest = byRoute ? dayMs : hourMs;
          const buckets = [...plan.editions, ...plan.live].flatMap((piece) => finestBuckets(piece, finest));
          const end =
            Math.max(Math.ceil(coveredUntil / finest), Math.floor((coveredUntil + ahead) / finest) + 1) *
            finest;
          const expected: number[] = [];
          for (let bucket = Math.max(from, view.coverage.from); bucket < Math.min(to, end); bucket += finest)
            expected.push(bucket);
          expect(buckets).toEqual(expected);
          for (const piece of plan.editions)
            for (const bucket of finestBuckets(piece, finest))
              expect(bucket + finest).toBeLessThanOrEqual(coveredUntil);
          for (const piece of plan.live)
            for (const bucket of finestBuckets(piece, finest))
              expect(bucket + finest).toBeGreaterThan(coveredUntil);
        },
      ),
      { numRuns: 500 },
    );
  });
});

function finestBuckets({ grain, period, first, end }: Piece, width: number): number[] {
  const edges = [periodRange(period).from];
  while (edges.length <= end) edges.push(nextBucket(edges.at(-1)!, grain));
  const result: number[] = [];
  for (let bucket = edges[first]!; bucket < edges[end]!; bucket += width) result.push(bucket);
  return result;
}
