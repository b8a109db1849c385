/** Wrong sources and expressions fail while they are loaded, and say the rule, what arrived and the way out. */
import { GraphQLDateTime, GraphQLJSON } from "graphql-scalars";
import { Int } from "type-graphql";
import { describe, expect, test } from "vitest";
import type { Expression } from "../../src/model/expression.ts";
import { rollup } from "../../src/model/product.ts";
import { Column, type ColumnOptions, Source, sourceFor, type SourceOptions } from "../../src/model/source.ts";
import { departure, refusal } from "./departures.ts";

/** A source class named `Event` with the given columns besides `date`. */
function declareSource(
  options: Partial<SourceOptions>,
  more: Readonly<Record<string, ColumnOptions & { type?: () => unknown }>> = {},
): void {
  class Event {
    @Column(() => GraphQLDateTime) date!: Date;
    @Column(() => GraphQLDateTime, { nullable: true }) seen!: Date | null;
  }
  for (const [property, { type, ...column }] of Object.entries(more))
    Column(type ?? (() => Int), column)(Event.prototype, property);
  Source({ table: "lake.events", time: "date", description: "Events.", ...options })(Event);
}

describe("a source", () => {
  test("has a table in a database", () => {
    expect(refusal(() => declareSource({ table: "events" }))).toBe(
      `A source's table is "database.table". Source "Event" has "events". Write for example "lake.events".`,
    );
  });

  test("has a time that is one of its columns", () => {
    expect(refusal(() => declareSource({ time: "dat" }))).toBe(
      `Source "Event" has no column "dat" for its time. Did you mean "date"?`,
    );
  });

  test("has a time that is a datetime", () => {
    expect(refusal(() => declareSource({ time: "year" }, { year: {} }))).toBe(
      `The time of a source is a datetime that is never null. Column "year" of "Event" is int.`,
    );
  });

  test("has a time that is never null", () => {
    expect(refusal(() => declareSource({ time: "seen" }))).toBe(
      `The time of a source is a datetime that is never null. Column "seen" of "Event" is nullable datetime.`,
    );
  });

  test("has columns that GraphQL can name", () => {
    expect(refusal(() => declareSource({}, { "Cost Total $": {} }))).toBe(
      `Names are letters, digits and "_", without "__" in front (GraphQL). Source "Event" has "Cost Total $". Keep the lake's name apart: @Column(…, { name: "Cost Total $" }).`,
    );
  });

  test("has columns of the five types", () => {
    expect(refusal(() => declareSource({}, { payload: { type: () => GraphQLJSON } }))).toBe(
      `A column is an Int, Float, String, Boolean or GraphQLDateTime. Column "payload" is declared as JSON.`,
    );
  });

  test("has columns that Athena can tell apart", () => {
    expect(refusal(() => declareSource({}, { cost: { name: "Cost" }, price: { name: "COST" } }))).toBe(
      `Column names of a lake table differ by more than case, the partition column included. Source "Event" has "Cost" and "COST".`,
    );
  });

  test("has no column named as its partition column", () => {
    expect(refusal(() => declareSource({}, { Day: {} }))).toBe(
      `Column names of a lake table differ by more than case, the partition column included. Source "Event" has "Day" and "day".`,
    );
  });

  test.each(["lateness", "skew"] as const)("has a %s that is a duration", (option) => {
    expect(refusal(() => declareSource({ stream: { name: "events", [option]: "1 hour" } }))).toBe(
      `Source "Event", ${option}: A duration is ISO 8601 in weeks, days, hours, minutes and seconds. Got "1 hour". Use for example "PT1H" or "P7D".`,
    );
  });

  test("is a class with @Source", () => {
    class Plain {}
    expect(refusal(() => sourceFor(Plain))).toBe(
      "A product's source is a class with @Source. Got Plain. Put @Source({ table, time, … }) on it, in a file that is loaded before.",
    );
  });
});

describe("an expression", () => {
  /** The calls of somebody without a type checker. */
  const untyped = departure as unknown as Record<string, (...args: unknown[]) => Expression>;

  test.each(["sum", "min", "max", "avg", "distinct", "approxDistinct"])(
    "%s is over a column that exists",
    (kind) => {
      expect(refusal(() => untyped[kind]!("dealy"))).toBe(
        `Source "Departure" has no column "dealy". Did you mean "delay"?`,
      );
    },
  );

  test("names what there is when nothing is near", () => {
    expect(refusal(() => untyped["sum"]!("passengers"))).toBe(
      `Source "Departure" has no column "passengers". There are: date, delay, origin, cancelled, total.`,
    );
  });

  test.each(["sum", "min", "max", "avg", "percentile", "approxPercentile"])("%s is over a number", (kind) => {
    expect(refusal(() => untyped[kind]!("origin", 0.5))).toBe(
      `${kind} needs a number. Column "origin" of "Departure" is a string. Use count, countIf or distinct, or another column.`,
    );
  });

  test.each([
    [90, " Did you mean 0.9?"],
    [0, ""],
    [-0.1, ""],
    [Number.NaN, ""],
  ])("a percentile of %d is refused", (fraction, way) => {
    expect(refusal(() => departure.percentile("delay", fraction))).toBe(
      `A percentile is a fraction in (0, 1]. Got ${fraction}.${way}`,
    );
  });

  test("countIf has a condition", () => {
    const message = `countIf needs a condition. Got {}. Use count() for all events of "Departure".`;
    expect(refusal(() => departure.countIf({}))).toBe(message);
    expect(refusal(() => departure.countIf({ delay: {} }))).toBe(message);
  });

  test("countIf is over columns that exist", () => {
    expect(refusal(() => untyped["countIf"]!({ dealy: { gte: 15 } }))).toBe(
      `Source "Departure" has no column "dealy". Did you mean "delay"?`,
    );
  });

  test("countIf uses operators that fit the column", () => {
    expect(refusal(() => untyped["countIf"]!({ delay: { startsWith: "1" } }))).toBe(
      "A column of type int is asked with eq, in, gte, lt, isNull. Got delay: { startsWith: … }.",
    );
    expect(refusal(() => untyped["countIf"]!({ delay: { gt: 15 } }))).toBe(
      "A column of type int is asked with eq, in, gte, lt, isNull. Got delay: { gt: … }.",
    );
  });

  test.each([
    [{ delay: { gte: 1.5 } }, `int. In delay: { gte: … } the value 1.5 is not a safe integer.`],
    [{ delay: { in: [1, "2"] } }, `int. In delay: { in: … } the value "2" is not a safe integer.`],
    [{ origin: { eq: 1 } }, `string. In origin: { eq: … } the value 1 is not a string.`],
    [{ cancelled: { eq: "true" } }, `boolean. In cancelled: { eq: … } the value "true" is not a boolean.`],
    [{ origin: { isNull: "yes" } }, `boolean. In origin: { isNull: … } the value "yes" is not a boolean.`],
    [
      { date: { lt: new Date("never") } },
      `datetime. In date: { lt: … } the value null is not a safe integer.`,
    ],
  ])("countIf compares with values of the column's type: %j", (where, end) => {
    expect(refusal(() => untyped["countIf"]!(where))).toBe(
      `A condition compares with values of its column's type, ${end}`,
    );
  });

  test("countIf does not compare with null", () => {
    expect(refusal(() => untyped["countIf"]!({ delay: { eq: null } }))).toBe(
      `Source "Departure": A filter compares with values, not with null. Got delay: { eq: null }. Use delay: { isNull: true }.`,
    );
  });

  test("sql names columns that exist", () => {
    expect(refusal(() => departure.sql("stddev_samp({dealy})"))).toBe(
      `Source "Departure" has no column "dealy". Did you mean "delay"?`,
    );
  });

  test("sql closes its braces", () => {
    expect(refusal(() => departure.sql("stddev_samp({delay)"))).toBe(
      "Columns of an sql expression stand in braces, {like} this. Got: stddev_samp({delay)",
    );
  });

  test.each(["max({delay}); DROP TABLE x", "max_by({delay}, ?)"])("sql is one aggregate: %s", (text) => {
    expect(refusal(() => departure.sql(text))).toBe(
      `An sql expression is one aggregate without "?" or ";". Got: ${text}`,
    );
  });
});

/** Never called: what must not compile. `npm run typecheck` fails when one of these lines does. */
export function doesNotCompile(): void {
  // @ts-expect-error: no such column
  departure.sum("dealy");
  // @ts-expect-error: a string has no sum
  departure.sum("origin");
  // @ts-expect-error: a boolean has no maximum
  departure.max("cancelled");
  // @ts-expect-error: a datetime has no mean
  departure.avg("date");
  // @ts-expect-error: a datetime has no percentile
  departure.percentile("date", 0.5);
  // @ts-expect-error: no such column
  departure.distinct("dealy");
  // @ts-expect-error: no such column
  departure.countIf({ dealy: { gte: 15 } });
  // @ts-expect-error: a number is not compared with text
  departure.countIf({ delay: { gte: "15" } });
  // @ts-expect-error: a number does not start with text
  departure.countIf({ delay: { startsWith: "1" } });
  // @ts-expect-error: text is not ordered in filters
  departure.countIf({ origin: { gte: "A" } });
  // @ts-expect-error: null is asked for with isNull
  departure.countIf({ delay: { eq: null } });
  // @ts-expect-error: a datetime is compared with a Date
  departure.countIf({ date: { lt: "2001-01-01" } });
  // @ts-expect-error: weeks are not stored
  rollup([], { grains: ["WEEK"] });
}
