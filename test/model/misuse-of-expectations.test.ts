/** Wrong expectations fail while their product is loaded, and say the rule, what arrived and the way out. */
import { expect, test } from "vitest";
import { type Expectation, expect as promise, expectationText } from "../../src/model/expectation.ts";
import { AdHoc, DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import type { Class } from "../../src/model/source.ts";
import { Departure, departure, refusal } from "./departures.ts";

/** Dimensions origin (rolled up) and cancelled (not), departures and delay stored, p90 on demand. */
function declareProduct(expectations: readonly Expectation[], target: Class = class Activity {}): void {
  const prototype = target.prototype as object;
  for (const dimension of ["origin", "cancelled"]) Dimension()(prototype, dimension);
  Measure(departure.count(), { description: "…" })(prototype, "departures");
  Measure(departure.sum("delay"), { description: "…" })(prototype, "delayMinutes");
  AdHoc(departure.percentile("delay", 0.9), { description: "…" })(prototype, "p90");
  DataProduct({
    source: Departure,
    owner: "network-planning",
    freshness: "PT1H",
    description: "Departures.",
    rollups: [rollup([], { grains: ["HOUR"] }), rollup(["origin"], { grains: ["DAY"] })],
    expectations,
  })(target);
}

test.each<[string, Expectation, string]>([
  [
    "bounds",
    promise.rowCount({}),
    `An expectation with bounds has min, max or both. "Activity" has expect.rowCount().`,
  ],
  [
    "bounds in order",
    promise.between("departures", { min: 2, max: 1, rollup: [] }),
    `min is at most max. "Activity" has expect.between("departures", { min: 2, max: 1, rollup: [] }).`,
  ],
  [
    "finite bounds",
    promise.between("departures", { max: Infinity }),
    `A bound is a finite number. "Activity" has expect.between("departures", { max: Infinity }).`,
  ],
  [
    "whole numbers of events",
    promise.rowCount({ min: 0.5, per: "partition" }),
    `Events are counted in whole numbers from 0. "Activity" has expect.rowCount({ min: 0.5, per: "partition" }).`,
  ],
  [
    "measures that exist",
    promise.between("departurs", { min: 0 }),
    `expect.between("departurs", { min: 0 }) is about a stored measure: a @Measure that is mergeable. "Activity" has no "departurs". Did you mean "departures"?`,
  ],
  [
    "measures and not dimensions between bounds",
    promise.between("origin", { min: 0 }),
    `expect.between("origin", { min: 0 }) is about a stored measure: a @Measure that is mergeable. "Activity" has no "origin". There are: departures, delayMinutes.`,
  ],
  [
    "measures that are stored",
    promise.notNull("p90"),
    `expect.notNull("p90") is about dimensions and stored measures: a @Measure that is mergeable. "Activity" computes "p90" when it is asked for. There are: origin, cancelled, departures, delayMinutes.`,
  ],
  [
    "names in braces that exist",
    promise.sql("{departures} > 0 AND {delay} > 0"),
    `expect.sql("{departures} > 0 AND {delay} > 0") is about dimensions and stored measures: a @Measure that is mergeable. "Activity" has no "delay". There are: origin, cancelled, departures, delayMinutes.`,
  ],
  [
    "names in braces",
    promise.sql("departures > 0"),
    `Dimensions and measures of an expectation stand in braces, {like} this. "Activity" has: departures > 0`,
  ],
  [
    "braces that close",
    promise.sql("{departures} > {delayMinutes"),
    `Dimensions and measures of an expectation stand in braces, {like} this. "Activity" has: {departures} > {delayMinutes`,
  ],
  [
    "one condition",
    promise.sql("{departures} > 0; DROP TABLE x"),
    `An sql expectation is one condition without "?" or ";". "Activity" has: {departures} > 0; DROP TABLE x`,
  ],
  [
    "a rollup that is declared",
    promise.between("departures", { min: 0, rollup: ["cancelled"] }),
    `An expectation names a rollup by its dimensions. "Activity" has no rollup [cancelled]. There are: [], [origin].`,
  ],
  [
    "dimensions that are rolled up",
    promise.notNull("cancelled"),
    `An expectation is checked in the rollups that have all dimensions it names. "Activity" has none for expect.notNull("cancelled"). Rollups: [], [origin].`,
  ],
  [
    "dimensions of its rollup",
    promise.sql("{origin} <> 'X'", { rollup: [] }),
    `An expectation is checked in the rollups that have all dimensions it names. "Activity" has none that is [] for expect.sql("{origin} <> 'X'", { rollup: [] }). Rollups: [], [origin].`,
  ],
])("an expectation has %s", (_, expectation, message) => {
  expect(refusal(() => declareProduct([expectation]))).toBe(message);
});

test("right ones are kept as declared, and do not make another shape", () => {
  class Promising {}
  class Unpromising {}
  const expectations = [
    promise.rowCount({ min: 1, description: "There is always traffic." }),
    promise.notNull("origin"),
    promise.sql("{origin} <> '' AND {departures} > 0", { rollup: ["origin"] }),
  ];
  declareProduct(expectations, Promising);
  declareProduct([], Unpromising);
  const [promising, unpromising] = ["Promising", "Unpromising"].map(
    (name) => declaredProducts().find((product) => product.name === name)!,
  );
  expect(promising!.expectations.map(expectationText)).toEqual([
    "expect.rowCount({ min: 1 })",
    `expect.notNull("origin")`,
    `expect.sql("{origin} <> '' AND {departures} > 0", { rollup: ["origin"] })`,
  ]);
  expect(promising!.shape).toBe(unpromising!.shape);
});
