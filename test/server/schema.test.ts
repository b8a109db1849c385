import {
  getNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  printType,
} from "graphql";
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { describe, expect, test } from "vitest";
import { columns } from "../../src/model/columns.ts";
import { AdHoc, DataProduct, declaredProducts, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { printSluiceSchema } from "../../src/schema/build.ts";
import { enumValue } from "../../src/schema/names.ts";
import { shopActivity, stockLevel } from "./shop.ts";

const schema = buildSluiceSchema([shopActivity, stockLevel]);

describe("the contract of a product", () => {
  test("its type", () => {
    expect(fieldsOf(schema, "ShopActivity")).toEqual([
      "complete: Boolean!",
      "from: DateTime!",
      "gift: Boolean",
      "growth(over: Period!): ShopActivityGrowth",
      "id: ID!",
      "mean: Float",
      "p90: Float",
      "pieces: SafeInt",
      "previous(period: Period!): ShopActivity",
      "sales: SafeInt",
      "series(grain: Grain!): [ShopActivity!]",
      "shop: String",
      "to: DateTime!",
      "turnover: Float",
    ]);
  });

  test("its growth: of stored measures, extremes and ad-hoc ones left out", () => {
    expect(fieldsOf(schema, "ShopActivityGrowth")).toEqual([
      "mean: Float",
      "pieces: Float",
      "sales: Float",
      "turnover: Float",
    ]);
    const peaks = buildSluiceSchema([declareExtremes()]);
    expect(fieldsOf(peaks, "PeakLoad")).toContain("previous(period: Period!): PeakLoad");
    expect(fieldsOf(peaks, "PeakLoad").filter((field) => field.startsWith("growth"))).toEqual([]);
    expect(peaks.getType("PeakLoadGrowth")).toBeUndefined();
  });

  test("its questions and subscriptions; none of its own without a stream", () => {
    expect(fieldsOf(schema, "Query")).toEqual([
      "adHocJob(id: ID!): AdHocJob",
      "product(name: String!): DataProduct",
      "products: [DataProduct!]!",
      "shopActivity(where: ShopActivityFilter, range: TimeRange): ShopActivity",
      "shopActivityBy(dimensions: [ShopActivityDimension!]!, where: ShopActivityFilter, range: TimeRange, orderBy: ShopActivityOrder, first: Int = 10, after: String): ShopActivityConnection",
      "stockLevel(where: StockLevelFilter, range: TimeRange): StockLevel",
    ]);
    expect(fieldsOf(schema, "Subscription")).toEqual([
      "adHocJobUpdated(id: ID!): AdHocJob",
      "saleFeed(where: SaleFilter, after: Cursor): SaleFeedPage",
      "shopActivityUpdated(where: ShopActivityFilter, range: TimeRange): ShopActivity",
    ]);
    expect(fieldsOf(buildSluiceSchema([stockLevel]), "Subscription")).toEqual([
      "adHocJobUpdated(id: ID!): AdHocJob",
    ]);
  });

  test("its groups, their order and page", () => {
    expect(fieldsOf(schema, "ShopActivityConnection")).toEqual([
      "edges: [ShopActivityEdge!]!",
      "nodes: [ShopActivity!]!",
      "pageInfo: PageInfo!",
      "totalCount: SafeInt",
    ]);
    expect(fieldsOf(schema, "ShopActivityEdge")).toEqual(["cursor: String!", "node: ShopActivity!"]);
    expect(fieldsOf(schema, "PageInfo")).toEqual([
      "endCursor: String",
      "hasNextPage: Boolean!",
      "hasPreviousPage: Boolean!",
      "startCursor: String",
    ]);
    expect(fieldsOf(schema, "ShopActivityOrder")).toEqual([
      "direction: Direction! = DESC",
      "measure: ShopActivityMeasure!",
    ]);
    expect(valuesOf(schema, "ShopActivityDimension")).toEqual(["GIFT", "SHOP"]);
    expect(valuesOf(schema, "ShopActivityMeasure")).toEqual(["MEAN", "P90", "PIECES", "SALES", "TURNOVER"]);
    expect(valuesOf(schema, "Direction")).toEqual(["ASC", "DESC"]);
  });

  test("no groups without dimensions", () => {
    const visits = buildSluiceSchema([declareNamed("Plain")]);
    expect(printSluiceSchema(visits)).not.toMatch(/plainBy|PageInfo|Direction/);
  });

  test("its events and their page", () => {
    expect(fieldsOf(schema, "Sale")).toEqual([
      "amount: SafeInt!",
      "at: DateTime!",
      "cost: Float!",
      "gift: Boolean",
      "id: ID!",
      "shop: String",
    ]);
    expect(fieldsOf(schema, "SaleFeedPage")).toEqual(["cursor: Cursor!", "events: [Sale!]!"]);
    expect(schema.getType("Count")).toBeUndefined();
  });

  test.each(["ShopActivityFilter", "SaleFilter"])("%s has all columns of the source", (name) => {
    expect(fieldsOf(schema, name)).toEqual([
      "amount: IntFilter",
      "at: DateTimeFilter",
      "cost: FloatFilter",
      "gift: BooleanFilter",
      "shop: StringFilter",
    ]);
  });

  test("its inputs", () => {
    expect(fieldsOf(schema, "StringFilter")).toEqual([
      "eq: String",
      "in: [String!]",
      "isNull: Boolean",
      "ne: String",
      "notIn: [String!]",
      "startsWith: String",
    ]);
    expect(fieldsOf(schema, "DateTimeFilter")).toEqual([
      "eq: DateTime",
      "gte: DateTime",
      "in: [DateTime!]",
      "isNull: Boolean",
      "lt: DateTime",
    ]);
    expect(fieldsOf(schema, "BooleanFilter")).toEqual(["eq: Boolean", "isNull: Boolean"]);
    expect(fieldsOf(schema, "TimeRange")).toEqual(["from: DateTime", "last: Duration", "to: DateTime"]);
  });

  test("the catalogue", () => {
    expect(fieldsOf(schema, "DataProduct")).toContain("editions(first: Int = 10): [Edition!]!");
    expect(fieldsOf(schema, "Dimension")).toContain("values(first: Int = 20, search: String): [String!]!");
    expect(fieldsOf(schema, "Freshness")).toEqual([
      "actual: Duration",
      "asOf: DateTime",
      "promised: Duration!",
      "stale: Boolean!",
    ]);
    expect(fieldsOf(schema, "Rollup")).toEqual([
      "dimensions: [String!]!",
      "grains: [Grain!]!",
      "live: Boolean!",
      "top: Int",
    ]);
  });

  test("ad-hoc jobs", () => {
    expect(fieldsOf(schema, "Mutation")).toEqual(["cancelAdHocJob(id: ID!): AdHocJob"]);
    expect(fieldsOf(schema, "AdHocJob")).toEqual([
      "bytesScanned: SafeInt",
      "error: String",
      "id: ID!",
      "progress: Float",
      "state: AdHocState!",
      "submittedAt: DateTime!",
    ]);
    const states = schema.getType("AdHocState");
    if (!isEnumType(states)) throw new TypeError("AdHocState is an enum.");
    expect(states.getValues().map(({ name }) => name)).toEqual([
      "QUEUED",
      "RUNNING",
      "SUCCEEDED",
      "FAILED",
      "CANCELLED",
    ]);
  });
});

test("every type, field, argument and value is described, with units and time zone", () => {
  expect(undescribed(schema)).toEqual([]);
  const text = printSluiceSchema(schema);
  expect(text).toContain('"""The column "Cost Total $", in US dollars."""');
  expect(text).toContain('"""When it was paid, in UTC."""');
  expect(text).toContain('"""The column "amount", in pieces."""');
});

test("the text is stable, whatever the order of declaration", () => {
  const other = buildSluiceSchema([stockLevel, shopActivity]);
  expect(printSluiceSchema(other)).toBe(printSluiceSchema(schema));
});

describe("several schemas in one process", () => {
  test("hold their own products only", () => {
    const alone = buildSluiceSchema([stockLevel]);
    expect(fieldsOf(alone, "Query")).toEqual([
      "adHocJob(id: ID!): AdHocJob",
      "product(name: String!): DataProduct",
      "products: [DataProduct!]!",
      "stockLevel(where: StockLevelFilter, range: TimeRange): StockLevel",
    ]);
    for (const name of ["ShopActivity", "Sale", "SaleFilter", "Cursor"])
      expect(alone.getType(name)).toBeUndefined();
    expect(printType(alone.getType("StockLevel")!)).toBe(printType(schema.getType("StockLevel")!));
  });

  test("may be built of what was declared after the first one", () => {
    declareVisits();
    const visits = declaredProducts().find((product) => product.name === "VisitCount")!;
    const later = buildSluiceSchema([visits]);
    expect(fieldsOf(later, "Visit")).toEqual(["at: DateTime!", "id: ID!", "minutes: SafeInt!"]);
    expect(fieldsOf(later, "VisitCount")).toContain("series(grain: Grain!): [VisitCount!]");
    expect(undescribed(later)).toEqual([]);
  });
});

describe("declarations that lead to one name fail at start", () => {
  test("a product named like a type of ours", () => {
    expect(() => buildSluiceSchema([declareNamed("Edition")])).toThrow(
      /A name in the schema means one thing\. "Edition" would be product "Edition"'s and Sluice's own/,
    );
  });

  test.each(["AdHocJob", "AdHocState", "CancelAdHocJob", "AdHocJobUpdated"])("a product named %s", (name) => {
    expect(() => buildSluiceSchema([declareNamed(name)])).toThrow(/A name in the schema means one thing/);
  });

  test("a product that takes the catalogue's field", () => {
    expect(() => buildSluiceSchema([declareNamed("Products")])).toThrow(/"products" would be/);
  });

  test("a product named like the growth of another", () => {
    expect(() => buildSluiceSchema([stockLevel, declareNamed("StockLevelGrowth")])).toThrow(
      /"StockLevelGrowth" would be product "StockLevelGrowth"'s and product "StockLevel"'s/,
    );
  });

  test("a product twice", () => {
    expect(() => buildSluiceSchema([stockLevel, stockLevel])).toThrow(/"StockLevel" would be/);
  });

  test("a product named like the type of another one's groups", () => {
    const connection = declareNamed("ShopActivityConnection");
    expect(() => buildSluiceSchema([shopActivity, connection])).toThrow(
      /"ShopActivityConnection" would be product "ShopActivityConnection"'s and product "ShopActivity"'s/,
    );
  });

  test("two properties that lead to one value of an enum", () => {
    expect(enumValue("p90Delay")).toBe("P90_DELAY");
    const twice = { ...declareNamed("Twice"), dimensions: shopActivity.dimensions };
    const named = (name: string) => ({ ...twice.measures[0]!, name });
    expect(() =>
      buildSluiceSchema([{ ...twice, measures: [named("meanDelay"), named("mean_delay")] }]),
    ).toThrow('"MEAN_DELAY" of TwiceMeasure would be "meanDelay" and "mean_delay". Rename one of them.');
  });

  test("a streamed source with a column id", () => {
    expect(() => buildSluiceSchema([declareWithId()])).toThrow(
      /Source "Ticket" has a column "id"\. Name the property otherwise: @Column\(\{ name: "id" \}\) ticketId/,
    );
  });
});

function valuesOf(of: GraphQLSchema, name: string): string[] {
  const type = of.getType(name);
  if (!isEnumType(type)) throw new TypeError(`${name} is no enum`);
  return type
    .getValues()
    .map((value) => value.name)
    .sort();
}

function fieldsOf(of: GraphQLSchema, name: string): string[] {
  const type = of.getType(name);
  if (!isObjectType(type) && !isInputObjectType(type)) throw new TypeError(`No fields on ${name}`);
  const bare = printType(type).replaceAll(/"""[\s\S]*?"""/g, "");
  return bare
    .slice(bare.indexOf("{") + 1, bare.lastIndexOf("}"))
    .replaceAll(
      /\(\s+([\s\S]*?)\s+\)/g,
      (_, args: string) => `(${args.split(/\n\s*/).filter(Boolean).join(", ")})`,
    )
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .sort();
}

/** Paths of everything without a description. */
function undescribed(of: GraphQLSchema): string[] {
  const missing: string[] = [];
  const see = (path: string, described: { readonly description?: string | null | undefined }) => {
    if (!described.description) missing.push(path);
  };
  for (const type of Object.values(of.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    see(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) see(`${type.name}.${value.name}`, value);
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) see(`${type.name}.${field.name}`, field);
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      see(`${type.name}.${field.name}: ${getNamedType(field.type).name}`, field);
      for (const argument of field.args) see(`${type.name}.${field.name}(${argument.name})`, argument);
    }
  }
  return missing;
}

function declareVisits(): void {
  @Source({ table: "shop.visits", time: "at", stream: "visits", description: "Visits." })
  class Visit {
    @Column(() => GraphQLDateTime) at!: Date;
    @Column(() => Int) minutes!: number;
  }
  @DataProduct({
    source: Visit,
    owner: "shops",
    freshness: "PT1H",
    description: "Who comes.",
    rollups: [rollup([], { grains: ["DAY"] })],
  })
  class VisitCount {
    @Measure(columns(Visit).count(), { description: "Visits." }) visits!: number;
  }
  void VisitCount;
}

/** A product of any name over a source of its own, without a stream. */
function declareNamed(name: string) {
  class Thing {
    at!: Date;
  }
  Column(() => GraphQLDateTime)(Thing.prototype, "at");
  Source({ table: "shop.things", time: "at", description: "Things." })(Thing);
  const product = { [name]: class {} }[name]!;
  Measure(columns(Thing).count(), { description: "Things." })(product.prototype, "things");
  DataProduct({
    source: Thing,
    owner: "shops",
    freshness: "PT1H",
    description: "Things.",
    rollups: [rollup([], { grains: ["DAY"] })],
  })(product);
  return declaredProducts().find((declared) => declared.name === name)!;
}

/** A product that has no measure with a growth. */
function declareExtremes() {
  @Source({ table: "shop.loads", time: "at", description: "Loads." })
  class Load {
    @Column(() => GraphQLDateTime) at!: Date;
    @Column(() => Int) kilos!: number;
  }
  @DataProduct({
    source: Load,
    owner: "shops",
    freshness: "PT1H",
    description: "Loads.",
    rollups: [rollup([], { grains: ["DAY"] })],
  })
  class PeakLoad {
    @Measure(columns(Load).max("kilos"), { description: "The heaviest." }) heaviest!: number;
    @AdHoc(columns(Load).distinct("kilos"), { description: "Different ones." }) different!: number;
  }
  return declaredProducts().find((product) => product.target === PeakLoad)!;
}

function declareWithId() {
  @Source({ table: "shop.tickets", time: "at", stream: "tickets", description: "Tickets." })
  class Ticket {
    @Column(() => GraphQLDateTime) at!: Date;
    @Column(() => String) id!: string;
  }
  @DataProduct({
    source: Ticket,
    owner: "shops",
    freshness: "PT1H",
    description: "Tickets sold.",
    rollups: [rollup([], { grains: ["DAY"] })],
  })
  class TicketCount {
    @Measure(columns(Ticket).count(), { description: "Tickets." }) tickets!: number;
  }
  return declaredProducts().find((product) => product.target === TicketCount)!;
}
