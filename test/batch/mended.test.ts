/** The lake is corrected by hand, files of others and archived ones: the next refresh counts what is there. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { columns } from "../../src/model/columns.ts";
import { archiveKey, type ArchiveRecord } from "../../src/model/control.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { storedBuckets } from "./stored.ts";

@Source({ table: "shop.visits", time: "at", description: "Visits.", stream: "visits" })
class Visit {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Int) page!: number;
}

@DataProduct({
  source: Visit,
  owner: "web",
  freshness: "PT1H",
  description: "Visits.",
  rollups: [rollup([], { grains: ["HOUR"] }), rollup(["page"], { grains: ["DAY"] })],
})
class VisitActivity {
  @Dimension() page!: number;
  @Measure(columns(Visit).count(), { description: "Visits." }) visits!: number;
}

const visits = declaredProducts().find(({ name }) => name === VisitActivity.name)!;
const until = "2024-05-04T00:00:00Z";

let cloud: Cloud;
let deps: RefreshDeps;

beforeAll(async () => {
  cloud = await startCloud();
  deps = { ...cloud.deps, stream, barrierWaitMs: 0 };
});
afterAll(() => cloud.close());

/** One shard, whose archive has passed every barrier as soon as it is put. */
const stream: EventStream = {
  shards: async () => [{ id: "s1", parents: [], closed: false }],
  put: async () => {
    const sequence = `056:${Date.now()}`;
    const barrier = { sequence, arrival: Date.parse(until) + 3_600_000 };
    const record: ArchiveRecord = { through: sequence, files: 2, barrier, copying: [] };
    await cloud.deps.control.put(archiveKey(visits.source.stream!, "s1"), record, "any");
    return [{ shard: "s1", sequence }];
  },
  iterator: () => Promise.reject(new Error("not used")),
  fetch: () => Promise.reject(new Error("not used")),
};

/** So many visits of a day, one each three minutes; the page is their number modulo `pages`. */
async function write(key: string, day: string, count: number, pages: number): Promise<void> {
  const file = path.join(cloud.lakeFolder, key);
  await mkdir(path.dirname(file), { recursive: true });
  await cloud.duck.run(`COPY (SELECT TIMESTAMP '${day}' + to_minutes(3 * i) AS at, i % ${pages} AS page
    FROM range(${count}) AS t(i)) TO '${file}' (FORMAT parquet)`);
}

const remove = (key: string) => rm(path.join(cloud.lakeFolder, key), { recursive: true });

/** What readers and Athena find, against plain DuckDB over all files that are there. */
async function expectAsInTheLake(): Promise<void> {
  const files = await cloud.duck.runAndReadAll(
    `SELECT file FROM glob(['${cloud.lakeFolder}/shop/visits/**/*.parquet', '${cloud.lakeFolder}/archive/shop.visits/**/*.parquet'])`,
  );
  const list = files.getRows().map(([file]) => `'${String(file)}'`);
  const lake = `read_parquet([${list.join(", ")}], hive_partitioning = false)`;
  const counted = await cloud.duck.runAndReadAll(
    `SELECT 'total HOUR []', epoch_ms(date_trunc('hour', "at")), count(*) FROM ${lake} GROUP BY ALL
     UNION ALL SELECT 'page DAY [' || page || ']', epoch_ms(date_trunc('day', "at")), count(*) FROM ${lake} GROUP BY ALL`,
  );
  const expected = new Map(
    counted
      .getRows()
      .map(([id, at, count]) => [`${String(id)} ${new Date(Number(at)).toISOString()}`, [Number(count)]]),
  );
  expect(await storedBuckets(cloud, "VisitActivity")).toEqual(expected);
  const total = await cloud.duck.runAndReadAll(`SELECT count(*)::INT FROM ${lake}`);
  const sql = `SELECT count(*) FROM "shop"."visits"`;
  const { rows } = await deps.warehouse.run({ sql, parameters: [], database: "shop" });
  expect(Number(rows[0]![0])).toBe(total.getRows()[0]![0]);
}

test("a lake of files that others wrote and archived ones, both in one partition", async () => {
  await write("shop/visits/day=2024-05-01/a.parquet", "2024-05-01", 480, 3);
  await write("shop/visits/day=2024-05-02/a.parquet", "2024-05-02", 100, 3);
  await write("archive/shop.visits/day=2024-05-02/s1-0.parquet", "2024-05-02", 200, 4);
  await write("archive/shop.visits/day=2024-05-03/s1-1.parquet", "2024-05-03", 300, 5);
  expect(await refresh(visits, deps)).toMatchObject({ rows: 1_080 });
  await expectAsInTheLake();
});

test("a corrected file takes the old one's place, in the lake", async () => {
  await write("shop/visits/day=2024-05-01/a.parquet", "2024-05-01", 400, 2);
  expect(await refresh(visits, deps)).toMatchObject({ changed: ["2024-05-01"], rows: 1_000 });
  await expectAsInTheLake();
});

test("so does a corrected file in the archive, and one in the lake beside archived ones", async () => {
  await write("archive/shop.visits/day=2024-05-03/s1-1.parquet", "2024-05-03", 310, 6);
  await write("shop/visits/day=2024-05-02/a.parquet", "2024-05-02", 90, 7);
  expect(await refresh(visits, deps)).toMatchObject({ changed: ["2024-05-02", "2024-05-03"], rows: 1_000 });
  await expectAsInTheLake();
});

test("a partition's folder is deleted: in the lake, what is archived of it stays", async () => {
  await remove("shop/visits/day=2024-05-02");
  expect(await refresh(visits, deps)).toMatchObject({ changed: ["2024-05-02"], rows: 910 });
  await expectAsInTheLake();
});

test("and in the archive: nothing is left of the partition", async () => {
  await remove("archive/shop.visits/day=2024-05-02");
  await remove("shop/visits/day=2024-05-01");
  const result = await refresh(visits, deps);
  expect([...result.vanished].sort()).toEqual(["2024-05-01", "2024-05-02"]);
  await expectAsInTheLake();
});

test("what comes back counts again", async () => {
  await write("archive/shop.visits/day=2024-05-02/s1-0.parquet", "2024-05-02", 20, 2);
  expect(await refresh(visits, deps)).toMatchObject({ changed: ["2024-05-02"], rows: 330 });
  await expectAsInTheLake();
});
