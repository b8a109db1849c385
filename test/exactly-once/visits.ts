/** Two products of one stream: nullable dimension, all mergeable measures, two grains, and a rollup that is not live. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source, sourceFor } from "../../src/model/source.ts";

@Source({
  table: "mall.visits",
  time: "at",
  description: "Visits.",
  stream: { name: "visits", lateness: "PT1H", skew: "PT10M" },
})
class Visit {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Int) id!: number;
  @Column(() => String, { nullable: true }) shop!: string | null;
  @Column(() => Int, { nullable: true }) amount!: number | null;
  @Column(() => Boolean) member!: boolean;
}

const visit = columns(Visit);

@DataProduct({
  source: Visit,
  owner: "shop",
  freshness: "PT1H",
  description: "Visits by shop.",
  rollups: [rollup([], { grains: ["HOUR", "DAY"] }), rollup(["shop"], { grains: ["HOUR", "DAY"] })],
})
class ShopVisits {
  @Dimension() shop!: string;
  @Measure(visit.count(), { description: "Visits." }) visits!: number;
  @Measure(visit.sum("amount"), { description: "Amount." }) amount!: number;
  @Measure(visit.min("amount"), { description: "Least." }) least!: number;
  @Measure(visit.max("amount"), { description: "Most." }) most!: number;
  @Measure(visit.countIf({ amount: { gte: 50 } }), { description: "Large ones." }) large!: number;
  @Measure(visit.avg("amount"), { description: "Mean." }) mean!: number;
}

@DataProduct({
  source: Visit,
  owner: "shop",
  freshness: "P1D",
  description: "Visits by day.",
  rollups: [rollup([], { grains: ["DAY"] }), rollup(["member"], { grains: ["DAY"], live: false })],
})
class DailyVisits {
  @Dimension() member!: boolean;
  @Measure(visit.count(), { description: "Visits." }) visits!: number;
  @Measure(visit.sum("amount"), { description: "Amount." }) amount!: number;
}

const named = (name: string): Product => declaredProducts().find((product) => product.name === name)!;
export const shopVisits = named(ShopVisits.name);
export const dailyVisits = named(DailyVisits.name);
export const products = [shopVisits, dailyVisits] as const;
export const visits = sourceFor(Visit);
