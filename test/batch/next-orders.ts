/** OrderActivity as its owner declares it next: other rollups, some measures less and a new one, a promise. */
import { columns } from "../../src/model/columns.ts";
import { expect } from "../../src/model/expectation.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Order, orderActivity } from "./orders.ts";

const order = columns(Order);

@DataProduct({
  source: Order,
  owner: "shop",
  freshness: "PT1H",
  description: "Orders.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["country"], { grains: ["HOUR", "DAY"] }),
    rollup(["express"], { grains: ["DAY"] }),
  ],
  expectations: [expect.between("smallest", { min: -20 })],
})
export class NextOrderActivity {
  @Dimension() country!: string | null;
  @Dimension() express!: boolean;
  @Measure(order.count(), { description: "Orders." }) orders!: number;
  @Measure(order.sum("quantity"), { description: "Items." }) items!: number;
  @Measure(order.min("quantity"), { description: "Smallest." }) smallest!: number;
}

export const nextOrderActivity: Product = {
  ...declaredProducts().find(({ name }) => name === NextOrderActivity.name)!,
  name: orderActivity.name,
};
