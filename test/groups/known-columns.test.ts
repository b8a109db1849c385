/** A gateway of the next declaration before its refresh: Athena is not asked for columns that it does not know yet. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float } from "type-graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { openSession } from "../../src/loaders/session.ts";
import { columns } from "../../src/model/columns.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { Column, Source } from "../../src/model/source.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { type Asking, asking, rowsOf } from "./asking.ts";
import { stallActivity, writeSales } from "./stalls.ts";

/** What was known of a sale before. */
@Source({ table: "market.sales", time: "at", description: "Sales." })
class FormerSale {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) town!: string | null;
  @Column(() => Float, { nullable: true }) price!: number | null;
}

const sale = columns(FormerSale);

@DataProduct({
  source: FormerSale,
  owner: "market",
  freshness: "P1D",
  description: "Sales.",
  rollups: [rollup([], { grains: ["DAY", "MONTH"] })],
})
class FormerStallActivity {
  @Dimension() town!: string | null;
  @Measure(sale.count(), { description: "Sales." }) sales!: number;
}

const former: Product = {
  ...declaredProducts().find(({ name }) => name === FormerStallActivity.name)!,
  name: stallActivity.name,
};
let cloud: Cloud;
let ask: Asking;

beforeAll(async () => {
  cloud = await startCloud();
  await writeSales(cloud, "2024-02-01", 1);
  await refresh(former, cloud.deps);
  ask = asking(cloud, buildSluiceSchema([stallActivity]), gateway(cloud));
});
afterAll(() => cloud.close());

const refused = (asked: string, column: string): string =>
  `What is asked of Athena reads columns that the published edition knows. ${asked} of "StallActivity" needs "${column}", which it does not. Run "sluice refresh StallActivity".`;

test("measures, groups and values of dimensions that need a new column say so, and the others are answered", async () => {
  const answer = await ask(`{
    plain: stallActivity { sales revenue stalls }
    byStall: stallActivityBy(dimensions: [STALL]) { totalCount }
    ordered: stallActivityBy(dimensions: [TOWN], orderBy: { measure: STALLS }) { totalCount }
    towns: stallActivityBy(dimensions: [TOWN]) { nodes { town sales median } }
  }`);
  const sales = `read_parquet('${cloud.lakeFolder}/market/sales/**/*.parquet', hive_partitioning = false)`;
  const [plain] = await rowsOf(
    cloud,
    `SELECT count(*) AS sales, sum(price) AS revenue, NULL AS stalls FROM ${sales}`,
  );
  const towns = await rowsOf(
    cloud,
    `SELECT town, count(*) AS sales, quantile_disc(price, 0.5) AS median FROM ${sales} GROUP BY town ORDER BY town NULLS LAST`,
  );
  expect(answer.data).toMatchObject({ plain, byStall: null, ordered: null, towns: { nodes: towns } });
  expect([...answer.messages].sort()).toEqual([
    refused("A group", "stall"),
    refused("A group", "stall"),
    refused('Measure "stalls"', "stall"),
  ]);
  expect(new Set(answer.codes)).toEqual(new Set(["BACKEND_UNAVAILABLE"]));
  expect(answer.statements).toHaveLength(1);
  const session = openSession(gateway(cloud), { scope: analystScope, adHocWaitMs: 60_000 });
  const entry = await session.catalogue(stallActivity);
  const [values, ...others] = await Promise.allSettled(
    stallActivity.dimensions.map(({ property }) => entry.dimensionValues(property, null, 9)),
  );
  expect(values).toEqual({ status: "fulfilled", value: towns.flatMap(({ town }) => town ?? []) });
  expect(others.map((other) => (other as PromiseRejectedResult).reason.message)).toEqual(
    ["stall", "cash", "size", "picked"].map((name) => refused(`Dimension "${name}"`, name)),
  );
});
