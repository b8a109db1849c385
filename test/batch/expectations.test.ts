/** Declared expectations on what a refresh has counted: numbers from plain DuckDB over the lake. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { RefreshOptions } from "../../etl/batch/deps.ts";
import { refresh } from "../../etl/batch/run.ts";
import { type Expectation, expect as promise } from "../../src/model/expectation.ts";
import type { Product } from "../../src/model/product.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { removeDay, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedManifest } from "./stored.ts";

const days = ["2024-01-30", "2024-01-31", "2024-02-27", "2024-02-28"];
let cloud: Cloud;
let orders: string;

beforeAll(async () => {
  cloud = await startCloud();
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of days.entries()) await writeOrders(cloud.duck, orders, day, 100 + i, i);
});
afterAll(() => cloud.close());

const promising = (...expectations: Expectation[]): Product => ({ ...orderActivity, expectations });

/** The refusal's message, after making sure that readers have what they had. */
async function refusal(product: Product, options: RefreshOptions = { full: true }): Promise<string> {
  const [control, insights] = [tables.control, tables.insights].map((table) => cloud.items(table));
  const before = (await control!).get("manifest#OrderActivity current");
  const items = await insights!;
  const error: unknown = await refresh(product, cloud.deps, options).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "REFRESH" });
  expect((await cloud.items(tables.control)).get("manifest#OrderActivity current")).toEqual(before);
  expect(await cloud.items(tables.insights)).toEqual(items);
  return (error as Error).message;
}

async function rows(sql: string): Promise<(string | number | null)[][]> {
  const from = `read_parquet('${orders}/*/*.parquet', hive_partitioning = false)`;
  const result = await cloud.duck.runAndReadAll(sql.replace("FROM lake", `FROM ${from}`));
  return result
    .getRows()
    .map((row) => row.map((cell) => (typeof cell === "bigint" ? Number(cell) : (cell as string | null))));
}

const iso = (at: string | number | null): string => new Date(Number(at)).toISOString();

test("a first build that breaks a promise leaves nothing to serve", async () => {
  const message = await refusal(promising(promise.rowCount({ min: 1_000 })), {});
  expect(message).toContain("Nothing was published.\n");
  expect(message).toContain("the edition counts 406 events");
  expect((await cloud.items(tables.control)).has("manifest#OrderActivity current")).toBe(false);
});

test("promises that hold let the edition go live", async () => {
  const product = promising(
    promise.rowCount({ min: 406, max: 406 }),
    promise.rowCount({ min: 100, max: 103, per: "partition" }),
    promise.notNull("orders"),
    promise.notNull("express"),
    promise.between("orders", { min: 1 }),
    promise.between("meanItems", { min: -20, max: 79 }),
    promise.sql("{expressOrders} <= {orders} -- the braces end here"),
    promise.sql("{express} = ({expressOrders} > 0)"),
    promise.sql("{country} = 'DE' OR {country} <> 'DE'"),
  );
  expect(await refresh(product, cloud.deps)).toMatchObject({ published: true, version: 1, rows: 406 });
});

test("all broken promises are told together, each with its numbers, five buckets of each at most", async () => {
  const message = await refusal(
    promising(
      promise.between("orders", { max: 2, rollup: ["country"], description: "Few orders an hour." }),
      promise.notNull("country"),
      promise.sql("{items} < 100 * {orders} / 4", { rollup: [] }),
      promise.between("orders", { min: 0 }),
    ),
  );
  const busy = await rows(`
    SELECT "Country ""$""", epoch_ms(date_trunc('hour', "Ordered At")) AS begins, count(*) FROM lake
    GROUP BY 1, 2 HAVING count(*) > 2 ORDER BY begins, 1`);
  expect(busy.length).toBeGreaterThan(0);
  const [, section] =
    /"orders", \{ max: 2, rollup: \["country"\] \}\) does not hold: Few orders an hour\.\n([^]*?)\n-/.exec(
      message,
    )!;
  const lines = section!.split("\n").filter((line) => line.includes("orders is"));
  expect(lines).toEqual(
    busy
      .slice(0, 5)
      .map(
        ([country, begins, count]) =>
          `    rollup "country", country ${JSON.stringify(country)}, ${iso(begins!)}: orders is ${count}`,
      ),
  );
  const [[nulls]] = (await rows(`
    SELECT count(DISTINCT date_trunc('hour', "Ordered At")) + count(DISTINCT (date_trunc('day', "Ordered At"), express))
    FROM lake WHERE "Country ""$""" IS NULL`)) as [[number]];
  expect(message).toContain(`expect.notNull("country") does not hold.`);
  expect(message).toContain(`rollup "country", country null, 2024-01-30T`);
  expect(message).toContain(`… ${nulls} buckets in all`);
  const [greedy] = await rows(`
    SELECT epoch_ms(date_trunc('hour', "Ordered At")) AS begins, coalesce(sum(quantity), 0) AS items, count(*) AS orders FROM lake
    GROUP BY 1 HAVING items >= 100 * orders / 4 ORDER BY begins`);
  expect(message).toContain(
    `rollup "total", ${iso(greedy![0]!)}: items is ${greedy![1]}, orders is ${greedy![2]}`,
  );
  expect(message).not.toContain(`{ min: 0 }`);
});

test("a mean and a ratio are those that readers get", async () => {
  const message = await refusal(
    promising(
      promise.between("meanItems", { max: 28, rollup: ["express", "country"] }),
      promise.between("meanRevenue", { min: 1e9, rollup: [] }),
    ),
  );
  const means = await rows(`
    SELECT epoch_ms(date_trunc('day', "Ordered At")) AS begins, "Country ""$""", express, avg(quantity) FROM lake
    GROUP BY ALL HAVING avg(quantity) > 28 ORDER BY begins, "Country ""$""", express LIMIT 5`);
  expect(means.length).toBeGreaterThan(0);
  for (const [begins, country, express, mean] of means)
    expect(message).toContain(
      `country ${JSON.stringify(country)}, express ${express}, ${iso(begins!)}: meanItems is ${mean}`,
    );
  const [ratio] = await rows(`
    SELECT epoch_ms(date_trunc('hour', "Ordered At")) AS begins, sum("Cost Total $") / count(*) FROM lake
    GROUP BY 1 ORDER BY 1 LIMIT 1`);
  const shown = new RegExp(`${iso(ratio![0]!)}: meanRevenue is (\\S+)`).exec(message)!;
  expect(Number(shown[1])).toBeCloseTo(Number(ratio![1]), 6);
});

test("a month that is made of days is judged as a whole once it has ended", async () => {
  const january = (await rows(`
    SELECT bucket, count(*) FROM lake WHERE "Ordered At" < TIMESTAMP '2024-02-01' GROUP BY 1 ORDER BY 2`)) as [
    number | null,
    number,
  ][];
  const [, fewest] = january[0]!;
  const enough = promising(promise.between("orders", { min: fewest, rollup: ["bucket"] }));
  expect(await refresh(enough, cloud.deps, { full: true })).toMatchObject({ published: true });
  const message = await refusal(
    promising(promise.between("orders", { min: fewest + 1, rollup: ["bucket"] })),
  );
  const broken = january.filter(([, count]) => count < fewest + 1);
  expect(message.match(/rollup "bucket", bucket \S+, 2024-01-01T00:00:00.000Z: orders is/g)).toHaveLength(
    broken.length,
  );
  expect(message).not.toContain("2024-02-01T");
});

test("one changed day brings its month's other days to judgement", async () => {
  const [[largest]] = (await rows(`
    SELECT count(*) FROM lake WHERE "Ordered At" < TIMESTAMP '2024-02-01' GROUP BY bucket ORDER BY 1 DESC LIMIT 1`)) as [
    [number],
  ];
  await writeOrders(cloud.duck, orders, "2024-01-31", 40, 51);
  const product = promising(promise.between("orders", { max: largest, rollup: ["bucket"] }));
  const [[now]] = (await rows(`
    SELECT count(*) FROM lake WHERE "Ordered At" < TIMESTAMP '2024-02-01' GROUP BY bucket ORDER BY 1 DESC LIMIT 1`)) as [
    [number],
  ];
  expect(now).toBeGreaterThan(largest);
  expect(await refusal(product, {})).toContain(`orders is ${now}`);
});

test("promises are kept by what is counted: a range, a changed day; a new promise waits for --full", async () => {
  expect(await refresh(orderActivity, cloud.deps)).toMatchObject({ published: true });
  const product = promising(promise.rowCount({ max: 102, per: "partition" }));
  expect(await refresh(product, cloud.deps)).toMatchObject({ published: false });
  const range = (from: string, to: string) => ({
    range: { from: Date.parse(`${from}T00:00:00Z`), to: Date.parse(`${to}T00:00:00Z`) },
  });
  expect(await refresh(product, cloud.deps, range("2024-01-30", "2024-01-31"))).toMatchObject({
    published: true,
    changed: ["2024-01-30"],
  });
  expect(await refusal(product, range("2024-01-30", "2024-02-28"))).toContain(
    "partition 2024-01-31 counts 141 events",
  );
  const message = await refusal(product);
  expect(message).toContain("partition 2024-01-31 counts 141 events");
  expect(message).toContain("partition 2024-02-28 counts 103 events");
  expect(message).not.toContain("partition 2024-01-30");
});

test("a day that lost most of its events does not go live", async () => {
  const { edition } = await storedManifest(cloud);
  await removeDay(orders, "2024-02-28");
  await writeOrders(cloud.duck, orders, "2024-02-28", 3, 3);
  const message = await refusal(promising(promise.rowCount({ min: 50, per: "partition" })), {});
  expect(message).toContain(
    `expect.rowCount({ min: 50, per: "partition" }) does not hold.\n    partition 2024-02-28 counts 3 events`,
  );
  expect(message).toContain(`edition ${edition} goes on serving`);
});

test("a condition that DuckDB cannot evaluate is named", async () => {
  const message = await refusal(promising(promise.sql("{orders} > 0"), promise.sql("{orders} >> 'much'")));
  expect(message).toContain(`expect.sql("{orders} >> 'much'") of "OrderActivity" is not:`);
});
