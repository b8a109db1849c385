/** Sources with a stream: barriers, coverage, the archive and its compaction. The stream and its archiver are fakes. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { columns } from "../../src/model/columns.ts";
import { archiveKey, type ArchiveRecord, clockKey } from "../../src/model/control.ts";
import { expect as promise } from "../../src/model/expectation.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { storedBuckets, storedManifest } from "./stored.ts";

@Source({
  table: "shop.clicks",
  time: "at",
  description: "Clicks.",
  stream: { name: "clicks", lateness: "PT1H", skew: "PT10M" },
})
class Click {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Int, { name: "part", nullable: true }) page!: number | null;
}

@Source({
  table: "shop.replayed",
  time: "at",
  description: "Clicks again.",
  stream: { name: "replayed", replay: true },
})
class Replayed {
  @Column(() => GraphQLDateTime) at!: Date;
}

@DataProduct({
  source: Click,
  owner: "web",
  freshness: "PT1H",
  description: "Clicks.",
  rollups: [rollup([], { grains: ["HOUR", "MONTH"] }), rollup(["page"], { grains: ["DAY"] })],
})
class ClickActivity {
  @Dimension() page!: number | null;
  @Measure(columns(Click).count(), { description: "Clicks." }) clicks!: number;
}

@DataProduct({
  source: Replayed,
  owner: "web",
  freshness: "PT1H",
  description: "Clicks again.",
  rollups: [rollup([], { grains: ["DAY"] })],
})
class ReplayedActivity {
  @Measure(columns(Replayed).count(), { description: "Clicks." }) clicks!: number;
}

const product = (target: { name: string }) => declaredProducts().find(({ name }) => name === target.name)!;
const clicks = product(ClickActivity);
const replayed = product(ReplayedActivity);
/** What a whole day holds, and no part of one. */
const busyClicks: Product = {
  ...clicks,
  expectations: [
    promise.between("clicks", { min: 400, rollup: ["page"] }),
    promise.rowCount({ min: 1_000, per: "partition" }),
  ],
};

let cloud: Cloud;
let archive: FakeArchive;
let deps: RefreshDeps;

beforeAll(async () => {
  cloud = await startCloud();
  await writeClicks("shop/clicks/day=2024-03-01/a.parquet", "2024-03-01T00:00:00Z", 1_440);
  archive = new FakeArchive();
  deps = { ...cloud.deps, stream: archive.stream, barrierWaitMs: 0 };
});
afterAll(() => cloud.close());
beforeEach(() => {
  cloud.statements.length = 0;
});

/** One click a minute. */
async function writeClicks(key: string, from: string, count: number): Promise<void> {
  const file = path.join(cloud.lakeFolder, key);
  await mkdir(path.dirname(file), { recursive: true });
  await cloud.duck.run(`COPY (
    SELECT TIMESTAMP '${from.slice(0, 19)}' + to_minutes(i) AS at, CASE i % 3 WHEN 0 THEN NULL ELSE i % 3 END AS part
    FROM range(${count}) AS t(i)) TO '${file}' (FORMAT parquet)`);
}

/** Two open shards and a closed one; where `arrivals` says so, the archive passes barriers as soon as they are put. */
class FakeArchive {
  arrivals: Record<string, string> = {};
  copying: ArchiveRecord["copying"] = [];
  readonly barriers: { shard: string; data: unknown }[] = [];
  #sequence = 100;

  readonly stream: EventStream = {
    shards: async () => [
      { id: "s0", parents: [], closed: true },
      { id: "s1", parents: ["s0"], closed: false },
      { id: "s2", parents: ["s0"], closed: false },
    ],
    put: async (entries) => {
      const placed = entries.map(({ shard = "" }) => ({ shard, sequence: `056:${++this.#sequence}` }));
      for (const [i, { shard, sequence }] of placed.entries()) {
        this.barriers.push({ shard, data: JSON.parse(Buffer.from(entries[i]!.data).toString()) });
        await this.#pass(shard, sequence);
      }
      return placed;
    },
    iterator: () => Promise.reject(new Error("not used")),
    fetch: () => Promise.reject(new Error("not used")),
  };

  async #pass(shard: string, sequence: string): Promise<void> {
    const arrival = this.arrivals[shard];
    if (arrival === undefined) return;
    const record: ArchiveRecord = {
      through: sequence,
      files: 1,
      barrier: { sequence, arrival: Date.parse(arrival) },
      copying: this.copying,
    };
    for (const { source } of [clicks, replayed])
      await cloud.deps.control.put(archiveKey(source.stream!, shard), record, "any");
  }
}

/** What readers find, against plain DuckDB over all files of lake and archive. */
async function expectServed(until: string): Promise<void> {
  const files = ["shop/clicks", "archive/shop.clicks"].map(
    (each) => `'${cloud.lakeFolder}/${each}/**/*.parquet'`,
  );
  const expected = new Map<string, (number | null)[]>();
  for (const [name, key, grain] of [
    ["total HOUR", "[]", "hour"],
    ["total MONTH", "[]", "month"],
    ["page DAY", `'[' || coalesce(CAST(part AS VARCHAR), 'null') || ']'`, "day"],
  ] as const) {
    const result = await cloud.duck.runAndReadAll(
      `SELECT ${key === "[]" ? "'[]'" : key}, epoch_ms(date_trunc('${grain}', "at")), count(*)
       FROM read_parquet([${files.join(", ")}], hive_partitioning = false, union_by_name = true) WHERE "at" < TIMESTAMP '${until}'
       GROUP BY ALL HAVING date_trunc('${grain}', any_value("at")) + INTERVAL 1 ${grain} <= TIMESTAMP '${until}'`,
    );
    for (const [text, at, count] of result.getRows())
      expected.set(`${name} ${String(text)} ${new Date(Number(at)).toISOString()}`, [Number(count)]);
  }
  expect(await storedBuckets(cloud, "ClickActivity")).toEqual(expected);
}

async function countInCatalogue(): Promise<number> {
  const sql = `SELECT count(*) FROM "shop"."clicks"`;
  const { rows } = await cloud.deps.warehouse.run({ sql, parameters: [], database: "shop" });
  return Number(rows[0]![0]);
}

test("without micro-batches and earlier coverage a refresh fails and says what must run", async () => {
  await expect(refresh(clicks, deps)).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining("Start the micro-batches") as string,
  });
  expect(cloud.statements).toEqual([]);
});

test("coverage is the earliest barrier's arrival less lateness and skew, on an edge of the finest grain", async () => {
  await writeClicks("archive/shop.clicks/day=2024-03-02/s1-1.parquet", "2024-03-02T00:00:00Z", 11 * 60 + 30);
  await writeClicks("archive/shop.clicks/day=2024-03-02/s2-1.parquet", "2024-03-02T00:00:30Z", 60);
  archive.arrivals = { s1: "2024-03-02T12:34:56Z", s2: "2024-03-02T12:15:00Z" };
  const result = await refresh(clicks, deps);
  expect(result.coveredUntil).toBe(Date.parse("2024-03-02T11:00:00Z"));
  expect(result.rows).toBe(1_440 + 11 * 60 + 60);
  expect(archive.barriers.slice(-2).map(({ shard }) => shard)).toEqual(["s1", "s2"]);
  await expectServed("2024-03-02T11:00:00Z");
});

test("the archived partition is compacted once, and queries see both parts", async () => {
  expect(await countInCatalogue()).toBe(1_440 + 11 * 60 + 30 + 60);
  const control = [...(await cloud.items("sluice-control")).values()];
  const placed = control.find(({ pk, sk }) => pk === "lake#shop.clicks" && sk === "2024-03-02");
  expect(placed!["d"]).toContain("compacted/shop.clicks/");
});

test("events archived beyond the last coverage count when it reaches them, without another compaction", async () => {
  archive.arrivals = { s1: "2024-03-02T13:10:00Z", s2: "2024-03-02T13:10:00Z" };
  // and nobody expects of the day so far what a whole day holds
  const result = await refresh(busyClicks, deps);
  expect(result).toMatchObject({ changed: ["2024-03-02"], rows: 1_440 + 11 * 60 + 30 + 60 });
  const ofTheSource = cloud.statements.filter((sql) => !sql.includes("_gold`"));
  expect(ofTheSource).toHaveLength(1);
  expect(ofTheSource[0]).toContain("GROUPING SETS");
  await expectServed("2024-03-02T12:00:00Z");
});

test("past the wait the previous coverage stays, and nothing changes", async () => {
  archive.arrivals = {};
  const before = await storedManifest(cloud, "ClickActivity");
  expect(await refresh(clicks, deps)).toMatchObject({ published: false });
  expect(cloud.statements).toEqual([]);
  expect(await storedManifest(cloud, "ClickActivity")).toEqual(before);
});

test("coverage never goes backwards", async () => {
  archive.arrivals = { s1: "2024-03-02T13:10:00Z", s2: "2024-03-02T05:00:00Z" };
  expect(await refresh(clicks, deps)).toMatchObject({ published: false });
});

test("a committed file that is still in its staging place is brought to its final one", async () => {
  await writeClicks("staging/x", "2024-03-02T12:00:00Z", 30);
  const to = "archive/shop.clicks/day=2024-03-02/s1-2.parquet";
  archive.copying = [{ from: "staging/x", to }];
  archive.arrivals = { s1: "2024-03-02T14:10:00Z", s2: "2024-03-02T14:10:00Z" };
  expect(await refresh(clicks, deps)).toMatchObject({ rows: 1_440 + 11 * 60 + 30 + 60 + 30 });
  await expectServed("2024-03-02T13:00:00Z");
});

test("a crash between compaction and ALTER is repaired by the next refresh, with the folder already written", async () => {
  await writeClicks("archive/shop.clicks/day=2024-03-02/s1-3.parquet", "2024-03-02T13:00:00Z", 30);
  archive.arrivals = { s1: "2024-03-02T15:10:00Z", s2: "2024-03-02T15:10:00Z" };
  const { warehouse } = deps;
  const dying: RefreshDeps["warehouse"] = {
    run: (statement, options) =>
      statement.sql.includes("SET LOCATION")
        ? Promise.reject(new Error("gone"))
        : warehouse.run(statement, options),
  };
  await expect(refresh(clicks, { ...deps, warehouse: dying })).rejects.toThrow("gone");
  cloud.statements.length = 0;
  expect(await refresh(clicks, deps)).toMatchObject({ rows: 1_440 + 11 * 60 + 30 + 60 + 60 });
  expect(cloud.statements.filter((sql) => sql.startsWith("UNLOAD"))).toHaveLength(1);
  expect(await countInCatalogue()).toBe(1_440 + 11 * 60 + 30 + 60 + 60);
  await expectServed("2024-03-02T14:00:00Z");
});

test("a day is held to its expectations by the refresh that completes it", async () => {
  archive.arrivals = { s1: "2024-03-03T02:00:00Z", s2: "2024-03-03T02:00:00Z" };
  const error = (await refresh(busyClicks, deps).catch((reason: unknown) => reason)) as Error;
  expect(error.message).toContain("partition 2024-03-02 counts 810 events");
  expect(error.message).toContain(`rollup "page", page 1, 2024-03-02T00:00:00.000Z: clicks is 270`);
  expect(error.message).not.toContain("2024-03-01");
  await expectServed("2024-03-02T14:00:00Z");
});

test("a month closes although nothing happens any more, without scanning it again", async () => {
  archive.arrivals = { s1: "2024-03-03T02:00:00Z", s2: "2024-03-03T02:00:00Z" };
  await refresh(clicks, deps);
  await expectServed("2024-03-03T00:00:00Z");
  cloud.statements.length = 0;
  archive.arrivals = { s1: "2024-04-01T05:00:00Z", s2: "2024-04-01T05:00:00Z" };
  expect(await refresh(clicks, deps)).toMatchObject({
    published: true,
    changed: [],
    items: expect.any(Number) as number,
  });
  expect(cloud.statements).toEqual([]);
  await expectServed("2024-04-01T03:00:00Z");
});

test("where only coverage moves, a manifest is published and no item written", async () => {
  archive.arrivals = { s1: "2024-04-01T08:00:00Z", s2: "2024-04-01T08:00:00Z" };
  const before = await storedManifest(cloud, "ClickActivity");
  const result = await refresh(clicks, deps);
  expect(result).toMatchObject({ published: true, version: before.version + 1, changed: [], items: 0 });
  const after = await storedManifest(cloud, "ClickActivity");
  expect(after.coverage.until).toBe(Date.parse("2024-04-01T06:00:00Z"));
  expect(after.pages).toEqual(before.pages);
});

test("a replay's barriers carry its clock, and without a clock there is no refresh", async () => {
  await expect(refresh(replayed, deps)).rejects.toThrow("has none yet. Start its replay");
  const at = Date.parse("2001-06-28T01:00:00Z");
  await cloud.deps.control.put(clockKey(replayed.source.stream!), { at }, null);
  archive.arrivals = { s1: "2001-06-28T01:00:00Z", s2: "2001-06-28T01:00:00Z" };
  archive.copying = [];
  const result = await refresh(replayed, deps);
  expect(archive.barriers.at(-1)!.data).toMatchObject({ sluice: "barrier", arrival: at });
  expect(result).toMatchObject({
    published: true,
    rows: 0,
    coveredUntil: Date.parse("2001-06-28T00:00:00Z"),
  });
});
