/** Wrong products fail while they are loaded, and say the rule, what arrived and the way out. */
import { GraphQLDateTime } from "graphql-scalars";
import { describe, expect, test } from "vitest";
import { columns } from "../../src/model/columns.ts";
import { type Expression, ratio } from "../../src/model/expression.ts";
import {
  AdHoc,
  DataProduct,
  Dimension,
  Measure,
  type ProductOptions,
  rollup,
} from "../../src/model/product.ts";
import { type Class, Column, Source } from "../../src/model/source.ts";
import { Departure, departure, Landing, refusal } from "./departures.ts";

/** A product class named `Activity`; what is not given is right. */
function declareProduct(
  options: Partial<ProductOptions>,
  measures: Readonly<Record<string, Expression>> = { departures: departure.count() },
  dimensions: readonly string[] = ["origin"],
  target: Class = class Activity {},
): void {
  for (const dimension of dimensions) Dimension()(target.prototype as object, dimension);
  for (const [name, expression] of Object.entries(measures))
    Measure(expression, { description: "…" })(target.prototype as object, name);
  DataProduct({
    source: Departure,
    owner: "network-planning",
    freshness: "PT1H",
    description: "Departures.",
    rollups: [rollup([], { grains: ["DAY"] })],
    ...options,
  })(target);
}

describe("a product", () => {
  test("has a source", () => {
    expect(refusal(() => declareProduct({ source: class Flights {} }))).toBe(
      "A product's source is a class with @Source. Got Flights. Put @Source({ table, time, … }) on it, in a file that is loaded before.",
    );
  });

  test("has measures", () => {
    expect(refusal(() => declareProduct({}, {}))).toBe(
      `A product has measures. "Activity" has none. Add for example @Measure(columns(Departure).count(), { description: "…" }).`,
    );
  });

  test("has rollups", () => {
    expect(refusal(() => declareProduct({ rollups: [] }))).toBe(
      `A product has at least one rollup. "Activity" has none. Add rollup([], { grains: ["DAY"] }) for the total.`,
    );
  });

  test("has a freshness that is a duration", () => {
    expect(refusal(() => declareProduct({ freshness: "hourly" }))).toBe(
      `Product "Activity", freshness: A duration is ISO 8601 in weeks, days, hours, minutes and seconds. Got "hourly". Use for example "PT1H" or "P7D".`,
    );
  });

  test("has dimensions out of its source's columns", () => {
    expect(refusal(() => declareProduct({}, undefined, ["orign"]))).toBe(
      `Product "Activity" has no column "orign". Did you mean "origin"?`,
    );
  });

  test("has a name that is its own", () => {
    class OnceActivity {}
    class Again {}
    Object.defineProperty(Again, "name", { value: "OnceActivity" });
    declareProduct({}, undefined, undefined, OnceActivity);
    expect(refusal(() => declareProduct({}, undefined, undefined, Again))).toBe(
      `Product names are unique. "OnceActivity" is declared twice.`,
    );
  });

  test.each(["mean delay", "délai", "1st", "__type"])("has no measure %j", (name) => {
    expect(refusal(() => declareProduct({}, { [name]: departure.count() }))).toBe(
      `Names are letters, digits and "_", without "__" in front (GraphQL). "Activity" has "${name}".`,
    );
  });

  test("has a name that GraphQL allows", () => {
    class $Activity {}
    expect(refusal(() => declareProduct({}, undefined, undefined, $Activity))).toBe(
      `Names are letters, digits and "_", without "__" in front (GraphQL). "$Activity" has "$Activity".`,
    );
  });

  test.each(["id", "from", "to", "complete", "series", "previous", "growth"])("has no measure %s", (name) => {
    expect(refusal(() => declareProduct({}, { [name]: departure.count() }))).toBe(
      `Every product has a field "${name}" of its own. Rename it in "Activity".`,
    );
  });

  test("declares a name once", () => {
    expect(refusal(() => declareProduct({}, { origin: departure.count() }))).toBe(
      `A dimension or measure is declared once. "Activity" declares "origin" twice.`,
    );
  });
});

describe("the gold of a product", () => {
  const sourceOf = (table: string): Class => {
    class Event {
      @Column(() => GraphQLDateTime) date!: Date;
    }
    Source({ table, time: "date", description: "Events." })(Event);
    return Event;
  };
  const declareNamed = (name: string, source: Class): void => {
    const count = { events: columns(source).count() };
    declareProduct({ source }, count, [], { [name]: class {} }[name]);
  };
  const message =
    `The gold of a product has a table of its own. "lake.sold_items_gold" is that of product "SoldItems", ` +
    `and the table of source "Event". Rename the product, or the source's table.`;

  test("has no table of a source that is declared before", () => {
    const source = sourceOf("lake.events");
    sourceOf("Lake.Sold_Items_Gold");
    expect(refusal(() => declareNamed("SoldItems", source))).toBe(message);
    declareNamed("SoldItems", sourceOf("shop.events"));
  });

  test("has no table of a source that is declared after", () => {
    declareNamed("LostItems", sourceOf("lake.events"));
    sourceOf("shop.lost_items_gold");
    expect(refusal(() => sourceOf("LAKE.lost_items_gold"))).toBe(
      message.replace("sold_items", "lost_items").replace("SoldItems", "LostItems"),
    );
  });

  test("has no table of another product's", () => {
    declareNamed("ABTest", sourceOf("lake.events"));
    expect(refusal(() => declareNamed("AbTest", sourceOf("lake.visits")))).toBe(
      `The gold of a product has a table of its own. "lake.ab_test_gold" is that of "ABTest" and of "AbTest". Rename one of them.`,
    );
    declareNamed("AbTest", sourceOf("shop.visits"));
  });
});

describe("a measure", () => {
  test("is over columns of the product's source", () => {
    const message = `Product "Activity" has no column "speed". There are: date, delay, origin, cancelled, total.`;
    for (const expression of [
      columns(Landing).sum("speed"),
      columns(Landing).avg("speed"),
      columns(Landing).countIf({ speed: { gte: 100 } }),
      columns(Landing).percentile("speed", 0.5),
      columns(Landing).sql("stddev_samp({speed})"),
    ])
      expect(refusal(() => declareProduct({}, { speed: expression }))).toBe(message);
  });

  test("fits the type of the product's column where another source has one of that name", () => {
    expect(
      refusal(() => declareProduct({}, { late: columns(Landing).countIf({ delay: { eq: true } }) })),
    ).toBe(
      "A condition compares with values of its column's type, int. In delay: { eq: … } the value true is not a safe integer.",
    );
  });

  test("that is a ratio is of two measures", () => {
    expect(
      refusal(() =>
        declareProduct({}, { departures: departure.count(), share: ratio("departure", "departures") }),
      ),
    ).toBe(`Product "Activity" has no measure "departure" for a ratio. Did you mean "departures"?`);
  });

  test("that is a ratio does not contain itself", () => {
    expect(
      refusal(() => declareProduct({}, { a: ratio("b", "n"), b: ratio("n", "a"), n: departure.count() })),
    ).toBe(`A ratio cannot contain itself. Product "Activity": a -> b -> a.`);
  });

  test("is checked when ad hoc, too", () => {
    class Activity {}
    AdHoc(ratio("p90", "p90"), { description: "…" })(Activity.prototype, "share");
    expect(refusal(() => declareProduct({}, undefined, undefined, Activity))).toBe(
      `Product "Activity" has no measure "p90" for a ratio. There are: share, departures.`,
    );
  });
});

describe("a rollup", () => {
  const roll =
    (...rollups: ProductOptions["rollups"]) =>
    () =>
      declareProduct({ rollups }, undefined, ["origin", "total", "delay"]);

  test("is over dimensions of the product", () => {
    expect(refusal(roll(rollup(["orgin"], { grains: ["DAY"] })))).toBe(
      `A rollup is over dimensions of the product. "Activity" has no dimension "orgin". Did you mean "origin"?`,
    );
  });

  test("names a dimension once", () => {
    expect(refusal(roll(rollup(["origin", "origin"], { grains: ["DAY"] })))).toBe(
      `A rollup names a dimension once. "Activity" has [origin, origin].`,
    );
  });

  test("has grains", () => {
    expect(refusal(roll(rollup(["origin"], { grains: [] })))).toBe(
      `A rollup has grains out of HOUR, DAY, MONTH. Rollup [origin] of "Activity" has none of them.`,
    );
  });

  test("has grains that are stored", () => {
    expect(refusal(roll(rollup(["origin"], { grains: ["DAY", "WEEK" as "DAY"] })))).toBe(
      `A rollup has grains out of HOUR, DAY, MONTH. Product "Activity" has one with "WEEK": other grains are rolled up on reading.`,
    );
  });

  test("of one set of dimensions is declared once, in whatever order", () => {
    expect(
      refusal(
        roll(
          rollup(["origin", "delay"], { grains: ["DAY"] }),
          rollup(["delay", "origin"], { grains: ["MONTH"] }),
        ),
      ),
    ).toBe(`A set of dimensions is rolled up once. "Activity" has two rollups of [delay, origin].`);
  });

  test("over a dimension is not named as the one over none", () => {
    expect(refusal(roll(rollup(["total"], { grains: ["DAY"] })))).toBe(
      `"total" names what is rolled up over no dimension. "Activity" rolls up dimension "total" alone. Name the property otherwise: @Column(…, { name: "total" }).`,
    );
  });

  test.each([0, -1, 1.5, Number.NaN, 10_001])("has no leaderboard of %d keys", (n) => {
    expect(refusal(roll(rollup(["origin"], { grains: ["DAY"], top: n })))).toBe(
      `A leaderboard holds 1 to 10000 keys. Rollup [origin] of "Activity" has top: ${n}.`,
    );
  });

  test("has a leaderboard of at least one dimension that it is not within", () => {
    expect(refusal(roll(rollup(["origin"], { grains: ["DAY"], top: { n: 5, within: ["origin"] } })))).toBe(
      'A leaderboard ranks keys by at least one dimension that it is not within. Rollup [origin] of "Activity" has none left. Drop top, or a dimension from within.',
    );
  });

  test("has a leaderboard only where a measure is stored to rank by", () => {
    const rollups = [rollup(["origin"], { grains: ["DAY"], top: 5 })];
    expect(refusal(() => declareProduct({ rollups }, { places: departure.distinct("origin") }))).toBe(
      'A leaderboard ranks by stored measures. "Activity" stores none, and rollup [origin] has top. Drop top, or declare a mergeable @Measure.',
    );
  });

  test("has a leaderboard within its own dimensions", () => {
    expect(
      refusal(roll(rollup(["origin", "delay"], { grains: ["DAY"], top: { n: 5, within: ["orgin"] } }))),
    ).toBe(
      `"within" names dimensions of its rollup. Rollup [origin, delay] of "Activity" has no "orgin". Did you mean "origin"?`,
    );
  });

  test("is live where the source has a stream", () => {
    expect(
      refusal(() =>
        declareProduct(
          { source: Landing, rollups: [rollup([], { grains: ["DAY"], live: true })] },
          { landings: columns(Landing).count() },
          [],
        ),
      ),
    ).toBe(
      `A live rollup needs a stream. Source "Landing" has none. Add stream: "…" to its @Source, or drop live: true from rollup [] of "Activity".`,
    );
  });
});
