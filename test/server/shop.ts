/** Two small products of somebody else's: odd column names, booleans, floats, nullable dimensions; one without a stream. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { AdHoc, DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";

@Source({ table: "shop.sales", time: "at", stream: "sales", description: "Sales at the counter." })
export class Sale {
  @Column(() => GraphQLDateTime, { description: "When it was paid." }) at!: Date;
  @Column(() => String, { nullable: true, description: "The shop, unknown for sales by phone." }) shop!:
    | string
    | null;
  @Column(() => Int, { unit: "pieces" }) amount!: number;
  @Column(() => Float, { name: "Cost Total $", unit: "US dollars" }) cost!: number;
  @Column(() => Boolean, { name: "is gift?", nullable: true }) gift!: boolean | null;
}

const sale = columns(Sale);

@DataProduct({
  source: Sale,
  owner: "shops",
  freshness: "PT1H",
  description: "How shops are selling.",
  rollups: [rollup([], { grains: ["DAY"] }), rollup(["shop"], { grains: ["HOUR", "DAY"], top: 5 })],
})
export class ShopActivity {
  @Dimension() shop!: string | null;
  @Dimension() gift!: boolean | null;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
  @Measure(sale.sum("cost"), { description: "Turnover, US dollars.", unit: "US dollars" }) turnover!: number;
  @Measure(sale.sum("amount"), { description: "Pieces sold.", unit: "pieces" }) pieces!: number;
  @Measure(ratio("turnover", "sales"), { description: "Mean turnover of a sale, US dollars." }) mean!: number;
  @AdHoc(sale.percentile("cost", 0.9), { description: "90th percentile, US dollars." }) p90!: number;
}

@Source({ table: "shop.stock", time: "on", description: "Stock takings." })
export class Count {
  @Column(() => GraphQLDateTime) on!: Date;
  @Column(() => Int) pieces!: number;
}

@DataProduct({
  source: Count,
  owner: "shops",
  freshness: "P1D",
  description: "What is in stock.",
  rollups: [rollup([], { grains: ["MONTH"] })],
})
export class StockLevel {
  @Measure(columns(Count).sum("pieces"), { description: "Pieces in stock." }) pieces!: number;
}

export const shopActivity = productNamed("ShopActivity");
export const stockLevel = productNamed("StockLevel");

function productNamed(name: string) {
  return declaredProducts().find((product) => product.name === name)!;
}
