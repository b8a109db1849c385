/** Wrong lookups fail while they are loaded, and say the rule, what arrived and the way out. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { describe, expect, test } from "vitest";
import { columns } from "../../src/model/columns.ts";
import { lookup, type LookupOptions } from "../../src/model/lookup.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source, sourceFor } from "../../src/model/source.ts";
import { storedLayout } from "../../src/model/stored-layout.ts";
import { refusal } from "./departures.ts";

const usual: LookupOptions = {
  table: "lake.places",
  on: { place: "id" },
  take: { city: "City", height: "height" },
};

function declared(...lookups: readonly LookupOptions[]) {
  class Event {
    @Column(() => GraphQLDateTime) date!: Date;
    @Column(() => String) place!: string;
    @Column(() => Int) floor!: number;
    @Column(() => String, { nullable: true }) city!: string | null;
    @Column(() => Int, { nullable: true }) height!: number | null;
    @Column(() => GraphQLDateTime, { nullable: true }) opened!: Date | null;
  }
  Source({ table: "lake.events", time: "date", description: "Events.", lookups: lookups.map(lookup) })(Event);
  return Event;
}

const refused = (...lookups: readonly Partial<LookupOptions>[]): string =>
  refusal(() => declared(...lookups.map((each) => ({ ...usual, ...each }))));

describe("a lookup", () => {
  test("reads a table in a database", () => {
    expect(refused({ table: "places" })).toBe(
      `A lookup's table is "database.table". The lookup of source "Event" in "places" names another. Write for example "lake.places".`,
    );
  });

  test("goes by columns of the source", () => {
    expect(refused({ on: { plaec: "id" } })).toBe(
      `"on" names columns of the source, then those of the table. The lookup of source "Event" in "lake.places" names "plaec", which the source does not have. Did you mean "place"?`,
    );
  });

  test("goes by at least one", () => {
    expect(refused({ on: {} })).toBe(
      `A lookup goes by at least one column and takes at least one. The lookup of source "Event" in "lake.places" has none. Write on: { property: "column of the table" }.`,
    );
  });

  test("goes by the source's own columns", () => {
    expect(refused({}, { table: "lake.cities", on: { city: "name" }, take: { opened: "opened" } })).toContain(
      `goes by "city", which is itself taken from a table. Take what is needed from one table.`,
    );
  });

  test("compares a key column once", () => {
    expect(refused({ on: { place: "id", floor: "ID" } })).toBe(
      `A key column of a table is compared with one column of the source. The lookup of source "Event" in "lake.places" compares "ID" twice.`,
    );
  });

  test("takes columns that the source declares", () => {
    expect(refused({ take: { citty: "City" } })).toContain(
      `names "citty", which the source does not have. Did you mean "city"?`,
    );
  });

  test("takes something", () => {
    expect(refused({ take: {} })).toContain(`Write take: { property: "column of the table" }.`);
  });

  test("takes what may be missing", () => {
    expect(refused({ take: { floor: "floor" } })).toBe(
      `What is looked up may be missing. The lookup of source "Event" in "lake.places" takes "floor", which is not nullable. Declare it with @Column(…, { nullable: true }).`,
    );
  });

  test("leaves the time alone", () => {
    expect(refused({ take: { date: "opened" } })).toContain(
      `The time of an event is its own. The lookup of source "Event" in "lake.places" takes "date", the time of the source.`,
    );
  });

  test("fills a column that no other fills", () => {
    expect(refused({}, { table: "lake.cities", take: { city: "name" } })).toBe(
      `A column is filled by one lookup. Source "Event" takes "city" twice. Drop it from one of them.`,
    );
  });

  test("reads a column as one type", () => {
    expect(refused({ take: { city: "id", height: "ID" } })).toContain(
      `A column of a table has one type. The lookup of source "Event" in "lake.places" reads "id" as string and as int.`,
    );
    expect(refused({ valid: { from: "city", to: "until" } })).toContain(
      `reads "City" as string and as datetime.`,
    );
  });

  test("has a validity that begins and ends in two columns", () => {
    expect(refused({ valid: { from: "valid", to: "Valid" } })).toBe(
      `A validity has a column for its beginning and one for its end. The lookup of source "Event" in "lake.places" has "valid" for both.`,
    );
  });
});

describe("enriched columns", () => {
  test("are columns of the source, and not of its lake, stream and archive", () => {
    const source = sourceFor(declared(usual));
    expect(source.columns.map(({ property }) => property)).toEqual([
      "date",
      "place",
      "floor",
      "city",
      "height",
      "opened",
    ]);
    expect(source.ownColumns.map(({ property }) => property)).toEqual(["date", "place", "floor", "opened"]);
  });

  test("mean something else where they are looked up otherwise", () => {
    const product = (name: string, ...lookups: readonly LookupOptions[]) => {
      const target = declared(...lookups);
      const Activity = { [name]: class {} }[name]!;
      Dimension()(Activity.prototype, "city");
      Measure(columns(target).count(), { description: "Events." })(Activity.prototype, "events");
      DataProduct({
        source: target,
        owner: "test",
        freshness: "PT1H",
        description: "Events.",
        rollups: [rollup(["city"], { grains: ["DAY"] })],
      })(Activity);
      return declaredProducts().find((each) => each.name === name)!;
    };
    const shapes = [
      product("OwnCity"),
      product("LookedUpCity", usual),
      product("OtherTableCity", { ...usual, table: "lake.sites" }),
      product("OtherKeyCity", { ...usual, on: { floor: "id" } }),
      product("OtherColumnCity", { ...usual, take: { ...usual.take, city: "Town" } }),
      product("ValidCity", { ...usual, valid: { from: "from", to: "to" } }),
    ];
    expect(new Set(shapes.map(({ shape }) => shape)).size).toBe(shapes.length);
    const dimensions = shapes.map((each) => storedLayout(each).rollups[0]!.dimensions[0]);
    expect(new Set(dimensions).size).toBe(shapes.length);
    expect(dimensions[0]).toBe("city@city:string");
  });
});
