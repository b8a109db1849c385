import { expect, test } from "vitest";
import { goldColumns } from "../../src/model/gold.ts";
import {
  addPartitionsSql,
  createPartsTableSql,
  createTableSql,
  dropPartitionsSql,
  setLocationSql,
} from "../../src/sql/catalogue.ts";
import { compactSql, unloadGoldSql } from "../../src/sql/unload.ts";
import { orderActivity } from "./orders.ts";

const { source } = orderActivity;
const unload = { partitions: ["2024-02-29", "2024-03-01"], target: "s3://lake/gold/x/" };

test("gold columns give way to the partition column and to each other", () => {
  expect(goldColumns(orderActivity)).toEqual({
    partition: "c1",
    rollup: "rollup",
    bucket: "bucket",
    components: [
      "events",
      "events_where_express_eq_true",
      "sum_quantity",
      "sum_price",
      "min_price",
      "max_quantity",
      "count_quantity",
    ],
    dimensions: ["country", "express", "bucket_"],
  });
});

test("all rollups and the source's own count are grouping sets over one scan of the needed columns", () => {
  expect(unloadGoldSql(orderActivity, unload, Date.parse("2024-03-01T10:00:00Z"))).toBe(`UNLOAD (
SELECT CASE grouping("at_hour", "at_day", "at_month", "k0", "k1", "k2") WHEN 31 THEN 'total' WHEN 27 THEN 'country' WHEN 41 THEN 'country+express' WHEN 54 THEN 'bucket' ELSE '_source' END AS "rollup",
  coalesce("at_hour", "at_day", "at_month", NULL) AS "bucket",
  "k0" AS "country",
  "k1" AS "express",
  "k2" AS "bucket_",
  CAST(count(*) AS bigint) AS "events",
  CAST(count(*) FILTER (WHERE "express" = TRUE) AS bigint) AS "events_where_express_eq_true",
  CAST(coalesce(sum("quantity"), 0) AS bigint) AS "sum_quantity",
  CAST(coalesce(sum("Cost Total $"), 0) AS double) AS "sum_price",
  CAST(min("Cost Total $") AS double) AS "min_price",
  CAST(max("quantity") AS bigint) AS "max_quantity",
  CAST(count("quantity") AS bigint) AS "count_quantity",
  "c1"
FROM (
  SELECT "express",
    "quantity",
    "Cost Total $",
    date_trunc('hour', "Ordered At") AS "at_hour",
    date_trunc('day', "Ordered At") AS "at_day",
    date_trunc('month', "Ordered At") AS "at_month",
    "Country ""$""" AS "k0",
    "express" AS "k1",
    "bucket" AS "k2",
    "c1"
  FROM "shop"."orders"
  WHERE "c1" IN ('2024-02-29', '2024-03-01') AND "Ordered At" < TIMESTAMP '2024-03-01 10:00:00.000'
)
GROUP BY GROUPING SETS (
  ("c1"),
  ("c1", "at_hour"),
  ("c1", "at_hour", "k0"),
  ("c1", "at_day", "k0", "k1"),
  ("c1", "at_month", "k2")
)
)
TO 's3://lake/gold/x/'
WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['c1'])`);
});

test("compaction reads the lake's and the archive's part of a partition", () => {
  expect(compactSql(source, unload)).toBe(`UNLOAD (
SELECT "Ordered At", "Country ""$""", "express", "bucket", "quantity", "Cost Total $", "unused", "c1"
FROM "shop"."orders__parts"
WHERE "c1" IN ('2024-02-29', '2024-03-01') AND "part" IN ('lake', 'archive')
)
TO 's3://lake/gold/x/'
WITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['c1'])`);
});

test("tables are declared with backquoted names", () => {
  expect(
    createTableSql(source, "s3://lake/shop/orders/"),
  ).toBe(`CREATE EXTERNAL TABLE IF NOT EXISTS \`shop\`.\`orders\` (
  \`Ordered At\` timestamp,
  \`Country "$"\` string,
  \`express\` boolean,
  \`bucket\` bigint,
  \`quantity\` bigint,
  \`Cost Total $\` double,
  \`unused\` string
)
PARTITIONED BY (\`c1\` string)
STORED AS PARQUET
LOCATION 's3://lake/shop/orders/'`);
  expect(createPartsTableSql(source, "s3://lake/parts/")).toContain(
    "PARTITIONED BY (`c1` string, `part` string)",
  );
});

test("partitions are added, moved and dropped by value", () => {
  const at = (value: string) => ({ value, location: `s3://lake/${value}/` });
  expect(addPartitionsSql(source, [at("2024-02-29"), at("2024-03-01")])).toEqual([
    `ALTER TABLE \`shop\`.\`orders\` ADD IF NOT EXISTS
PARTITION (\`c1\` = '2024-02-29') LOCATION 's3://lake/2024-02-29/'
PARTITION (\`c1\` = '2024-03-01') LOCATION 's3://lake/2024-03-01/'`,
  ]);
  expect(
    addPartitionsSql(
      source,
      Array.from({ length: 201 }, (_, i) => at(String(i))),
    ),
  ).toHaveLength(3);
  expect(setLocationSql(source, at("2024-03-01"))).toBe(
    "ALTER TABLE `shop`.`orders` PARTITION (`c1` = '2024-03-01') SET LOCATION 's3://lake/2024-03-01/'",
  );
  expect(dropPartitionsSql(source, ["2024-02-29", "2024-03-01"])).toEqual([
    "ALTER TABLE `shop`.`orders` DROP IF EXISTS PARTITION (`c1` = '2024-02-29'), PARTITION (`c1` = '2024-03-01')",
  ]);
});
