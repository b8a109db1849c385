/** Sales of market stalls: every type of dimension, boards that are whole, that are not, and rollups that have none. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { AdHoc, DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { Cloud } from "../batch/cloud.ts";

@Source({ table: "market.sales", time: "at", description: "Sales." })
class Sale {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) town!: string | null;
  @Column(() => Int) stall!: number;
  @Column(() => Boolean, { nullable: true }) cash!: boolean | null;
  @Column(() => Float, { nullable: true }) size!: number | null;
  @Column(() => GraphQLDateTime, { nullable: true }) picked!: Date | null;
  @Column(() => Float, { nullable: true }) price!: number | null;
}

const sale = columns(Sale);

@DataProduct({
  source: Sale,
  owner: "market",
  freshness: "P1D",
  description: "Sales.",
  rollups: [
    rollup([], { grains: ["DAY", "MONTH"] }),
    rollup(["town"], { grains: ["HOUR", "DAY", "MONTH"], top: 300 }),
    rollup(["town", "stall"], { grains: ["DAY", "MONTH"], top: { n: 4, within: ["town"] } }),
    rollup(["stall", "cash"], { grains: ["DAY"], top: 4 }),
    rollup(["cash"], { grains: ["DAY"] }),
    rollup(["size"], { grains: ["DAY"], top: 50 }),
    rollup(["picked"], { grains: ["DAY"], top: 50 }),
  ],
})
class StallActivity {
  @Dimension() town!: string | null;
  @Dimension() stall!: number;
  @Dimension() cash!: boolean | null;
  @Dimension() size!: number | null;
  @Dimension() picked!: Date | null;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
  @Measure(sale.sum("price"), { description: "Revenue." }) revenue!: number;
  @Measure(sale.avg("price"), { description: "Mean price." }) meanPrice!: number;
  @Measure(sale.max("price"), { description: "Dearest." }) dearest!: number;
  @Measure(ratio("dearest", "sales"), { description: "Odd, and a ratio." }) odd!: number;
  @AdHoc(sale.percentile("price", 0.5), { description: "Median price." }) median!: number;
  @AdHoc(sale.distinct("stall"), { description: "Stalls." }) stalls!: number;
  @AdHoc(ratio("median", "stalls"), { description: "Odd, and ad hoc." }) oddMedian!: number;
}

export const stallActivity = declaredProducts().find(({ name }) => name === StallActivity.name)!;

/** Enum value -> the column in plain SQL. */
export const dimensions = {
  TOWN: "town",
  STALL: "stall",
  CASH: "cash",
  SIZE: "size",
  PICKED: "picked",
} as const;

/** Measures in plain SQL. */
export const measures = {
  sales: "count(*)",
  revenue: "coalesce(sum(price), 0)",
  meanPrice: "avg(price)",
  dearest: "max(price)",
  odd: "max(price) / count(*)",
  median: "quantile_disc(price, 0.5)",
  stalls: "count(DISTINCT stall)",
  oddMedian: "quantile_disc(price, 0.5) / count(DISTINCT stall)",
} as const;

export const towns = [null, "Ulm", "Ülm", "😀", "\uff62", 'a "b" #c'];

/** Prices are few and round: sums are exact and measures tie. Stalls are many in some towns and few in others. */
export async function writeSales(cloud: Cloud, day: string, seed: number, count = 300): Promise<void> {
  const folder = path.join(cloud.lakeFolder, `market/sales/day=${day}`);
  await mkdir(folder, { recursive: true });
  const random = (column: number) => `CAST(hash(i, ${column}, ${seed}) % 1000003 AS BIGINT)`;
  await cloud.duck.run(`COPY (
    SELECT TIMESTAMP '${day}' + to_seconds(${random(1)} % 86400) AS at,
      [NULL, 'Ulm', 'Ülm', '😀', chr(65378), 'a "b" #c'][1 + ${random(2)} % 6] AS town,
      CASE ${random(2)} % 6 WHEN 1 THEN ${random(3)} % 2 ELSE ${random(3)} % 9 END AS stall,
      [NULL, true, false][1 + ${random(4)} % 3] AS cash,
      (CAST([NULL, '0', '-0', '1.5', '-2.25', '1e10', '1e-7'] AS DOUBLE[]))[1 + ${random(5)} % 7] AS size,
      [NULL, TIMESTAMP '2024-01-01 00:00:00.001', TIMESTAMP '1969-12-31 23:59:59.999', TIMESTAMP '2024-02-29'][1 + ${random(6)} % 4] AS picked,
      CASE ${random(7)} % 5 WHEN 0 THEN NULL ELSE ${random(7)} % 8 / 4 END AS price
    FROM range(${count}) AS t(i)) TO '${folder}/a.parquet' (FORMAT parquet)`);
}
