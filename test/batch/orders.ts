/** A product unlike the demo's: odd names, null dimensions, a boolean, floats, seconds, names that clash with gold's. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";

@Source({ table: "shop.orders", time: "orderedAt", partition: { column: "c1" }, description: "Orders." })
export class Order {
  @Column(() => GraphQLDateTime, { name: "Ordered At" }) orderedAt!: Date;
  @Column(() => String, { name: 'Country "$"', nullable: true }) country!: string | null;
  @Column(() => Boolean) express!: boolean;
  @Column(() => Int, { name: "bucket", nullable: true }) bucket!: number | null;
  @Column(() => Int, { nullable: true }) quantity!: number | null;
  @Column(() => Float, { name: "Cost Total $", nullable: true }) price!: number | null;
  @Column(() => String, { nullable: true }) unused!: string | null;
}

const order = columns(Order);

@DataProduct({
  source: Order,
  owner: "shop",
  freshness: "PT1H",
  description: "Orders.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["country"], { grains: ["HOUR", "DAY"] }),
    rollup(["country", "express"], { grains: ["DAY", "MONTH"] }),
    rollup(["bucket"], { grains: ["MONTH"] }),
  ],
})
export class OrderActivity {
  @Dimension() country!: string | null;
  @Dimension() express!: boolean;
  @Dimension() bucket!: number | null;
  @Measure(order.count(), { description: "Orders." }) orders!: number;
  @Measure(order.countIf({ express: { eq: true } }), { description: "Express." }) expressOrders!: number;
  @Measure(order.sum("quantity"), { description: "Items." }) items!: number;
  @Measure(order.sum("price"), { description: "Revenue." }) revenue!: number;
  @Measure(order.min("price"), { description: "Cheapest." }) cheapest!: number;
  @Measure(order.max("quantity"), { description: "Largest." }) largest!: number;
  @Measure(order.avg("quantity"), { description: "Mean items." }) meanItems!: number;
  @Measure(ratio("revenue", "orders"), { description: "Mean revenue." }) meanRevenue!: number;
}

export const orderActivity = declaredProducts().find(({ name }) => name === "OrderActivity")!;
