/** Groups of what has just come in: live items alone, behind editions, and beside Athena, which ends at the coverage. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../etl/batch/run.ts";
import { liveApplier } from "../../etl/live/apply.ts";
import { groupByItem, liveTargets } from "../../etl/live/fold.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import { ReadBudget } from "../../src/loaders/read-budget.ts";
import { columns } from "../../src/model/columns.ts";
import {
  type ArchiveRecord,
  archiveKey,
  type Checkpoint,
  checkpointKey,
  type LiveStart,
  liveStartKey,
  shapeId,
} from "../../src/model/control.ts";
import { AdHoc, DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { Event } from "../../src/model/values.ts";
import { buildSluiceSchema } from "../../src/resolvers/schema.ts";
import { type Cloud, gateway, startCloud } from "../batch/cloud.ts";
import { seeded } from "../property/random.ts";
import { silent } from "../live/live-run.ts";
import { type Asking, asking, type Json, rowsOf, sourcesOf } from "./asking.ts";

@Source({
  table: "market.visits",
  time: "at",
  description: "Visits.",
  stream: { name: "visits", lateness: "PT1H" },
})
class Visit {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) town!: string | null;
  @Column(() => Int) stall!: number;
  @Column(() => Float, { nullable: true }) price!: number | null;
}

const visit = columns(Visit);

@DataProduct({
  source: Visit,
  owner: "market",
  freshness: "PT1H",
  description: "Visits.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY"] }),
    rollup(["town"], { grains: ["HOUR", "DAY"], top: 100 }),
    rollup(["stall", "town"], { grains: ["DAY"], top: { n: 2, within: ["town"] } }),
    rollup(["stall"], { grains: ["DAY"] }),
  ],
})
class VisitActivity {
  @Dimension() town!: string | null;
  @Dimension() stall!: number;
  @Measure(visit.count(), { description: "Visits." }) visits!: number;
  @Measure(visit.sum("price"), { description: "Revenue." }) revenue!: number;
  @Measure(visit.max("price"), { description: "Dearest." }) dearest!: number;
  @AdHoc(visit.percentile("price", 0.5), { description: "Median price." }) median!: number;
}

const visits = declaredProducts().find(({ name }) => name === VisitActivity.name)!;
const measures = {
  visits: "count(*)",
  revenue: "coalesce(sum(price), 0)",
  dearest: "max(price)",
  median: "quantile_disc(price, 0.5)",
} as const;

const covered = "2024-03-03T00:00:00Z";
const long = "long ".repeat(120);
let cloud: Cloud;
let ask: Asking;

beforeAll(async () => {
  cloud = await startCloud();
  const random = seeded(12);
  const lake = [...visitsOf(random, "2024-03-01", 200), ...visitsOf(random, "2024-03-02", 200)];
  const live = [...visitsOf(random, "2024-03-03", 150), ...visitsOf(random, "2024-03-04", 60)];
  await writeTruth([...lake, ...live]);
  for (const day of ["2024-03-01", "2024-03-02"]) await writeLake(day);
  // the micro-batches have seen the last covered day, too
  await applyLive([...lake.filter(({ at }) => Number(at) >= Date.parse("2024-03-02T00:00:00Z")), ...live]);
  await refresh(visits, { ...cloud.deps, stream: passedStream() });
  ask = asking(cloud, buildSluiceSchema([visits]), gateway(cloud));
});
afterAll(() => cloud.close());

function visitsOf(random: () => number, day: string, count: number): Event[] {
  const towns = [null, "Ulm", "Ülm", "😀", "\uff62", day];
  return Array.from({ length: count }, () => ({
    at: Date.parse(`${day}T00:00:00Z`) + Math.floor(random() * 86_400_000),
    town: towns[Math.floor(random() * towns.length)]!,
    stall: Math.floor(random() * 9),
    price: random() < 0.2 ? null : Math.floor(random() * 16) / 4,
  }));
}

async function writeTruth(events: readonly Event[]): Promise<void> {
  const rows = events.map(({ at, town, stall, price }) => {
    const name = town === null ? "NULL" : `'${String(town)}'`;
    return `(make_timestamp_ms(${String(at)}), ${name}, ${String(stall)}, ${price === null ? "NULL" : String(price)})`;
  });
  await cloud.duck.run(
    `CREATE TABLE visits ("at" TIMESTAMP, town VARCHAR, stall INTEGER, price DOUBLE); INSERT INTO visits VALUES ${rows.join(", ")}`,
  );
}

async function writeLake(day: string): Promise<void> {
  const folder = path.join(cloud.lakeFolder, `market/visits/day=${day}`);
  await mkdir(folder, { recursive: true });
  await cloud.duck.run(
    `COPY (SELECT * FROM visits WHERE "at"::DATE = DATE '${day}') TO '${folder}/a.parquet' (FORMAT parquet)`,
  );
}

let sequence = 0;

/** As a micro-batch of one shard does it: live items, then its checkpoint. */
async function applyLive(events: readonly Event[]): Promise<void> {
  const { insights, control } = cloud.deps;
  const effects = {
    clock: Date.now,
    random: Math.random,
    wait: (ms: number) => wait(ms),
    log: silent,
    signal: new AbortController().signal,
  };
  const arrival = Date.parse("2024-03-04T13:00:00Z");
  const decoded = events.map((event) => ({ sequence: textOf(++sequence), index: 0, arrival, event }));
  await liveApplier({ insights, effects }).apply("s1", groupByItem(liveTargets([visits]), decoded));
  const checkpoint: Checkpoint = {
    sequence: textOf(sequence),
    arrival,
    newest: Math.max(...events.map(({ at }) => Number(at))),
    shapes: [shapeId(visits)],
  };
  const stream = visits.source.stream!;
  await control.put(checkpointKey(stream, "s1"), checkpoint, "any");
  const start: LiveStart = { from: Date.parse("2024-03-02T00:00:00Z") };
  await control.put(liveStartKey(visits), start, "any");
}

const textOf = (position: number): string => `056:${String(position).padStart(6, "0")}`;

/** A stream whose archive has passed every barrier an hour behind the coverage. */
function passedStream(): EventStream {
  const unused = () => Promise.reject(new Error("A refresh reads no stream."));
  return {
    shards: async () => [{ id: "s1", parents: [], closed: false }],
    put: async () => {
      const barrier = { sequence: "9", arrival: Date.parse(covered) + 3_600_000 };
      const record: ArchiveRecord = { through: "9", files: 1, barrier, copying: [] };
      await cloud.deps.control.put(archiveKey(visits.source.stream!, "s1"), record, "any");
      return [{ shard: "s1", sequence: "9" }];
    },
    iterator: unused,
    fetch: unused,
  };
}

interface Asked {
  readonly by: readonly ("TOWN" | "STALL")[];
  readonly from?: string;
  readonly to?: string;
  readonly where?: Record<string, Json>;
  readonly filter?: string;
  readonly order?: readonly [measure: keyof typeof measures, direction: "ASC" | "DESC"];
  readonly first?: number;
  readonly selected?: readonly (keyof typeof measures)[];
}

/** Asks, holds every node against DuckDB, and resolves to where they came from. */
async function expectTrue(asked: Asked): Promise<string[]> {
  const { by, where = {}, filter = "TRUE", order, first = 1_000 } = asked;
  const { from = "2024-03-01T00:00:00Z", to = "2024-03-05T00:00:00Z" } = asked;
  const selected = asked.selected ?? ["visits", "revenue", "dearest"];
  const names = by.map((each) => each.toLowerCase());
  const orderBy = order ? `orderBy: { measure: ${order[0].toUpperCase()}, direction: ${order[1]} }` : "";
  const answer = await ask(
    `query($where: VisitActivityFilter) { by: visitActivityBy(dimensions: [${by.join(", ")}], where: $where,
      range: { from: "${from}", to: "${to}" }, ${orderBy} first: ${first}) {
      nodes { ${[...names, ...selected].join(" ")} complete } totalCount pageInfo { hasNextPage } } }`,
    { where },
  );
  expect(answer.messages).toEqual([]);
  const sources = sourcesOf(answer, "by.nodes");
  const isAsked = answer.provenance.some(
    ({ source, fields }) => source === "ATHENA" && fields.includes("visits"),
  );
  const upTo = isAsked ? covered : to;
  const adHoc = `"at" < TIMESTAMP '${covered.slice(0, 19)}'`;
  const columnsSql = selected.map((name) =>
    name === "median"
      ? `${measures.median} FILTER (WHERE ${adHoc}) AS median`
      : `${measures[name]} AS ${name}`,
  );
  const ordered = order ? [`${measures[order[0]]} ${order[1]} NULLS LAST`] : [];
  const ties = names.map((name) => `${name} NULLS LAST`);
  const rows = await rowsOf(
    cloud,
    `SELECT ${[...names, ...columnsSql].join(", ")}, CAST(count(*) OVER () AS INTEGER) AS total FROM visits
     WHERE "at" >= TIMESTAMP '${from.slice(0, 19)}' AND "at" < TIMESTAMP '${upTo.slice(0, 19)}' AND ${filter}
     GROUP BY ${names.join(", ")} ORDER BY ${[...ordered, ...ties].join(", ")} LIMIT ${first}`,
  );
  const { nodes, totalCount, pageInfo } = answer.data.by;
  const shown = nodes.map(({ complete: _complete, ...node }: Json) => node);
  expect({ asked, shown }).toEqual({ asked, shown: rows.map(({ total: _total, ...row }) => row) });
  const total = rows[0]?.total ?? 0;
  expect([total, null]).toContain(totalCount);
  expect(pageInfo.hasNextPage).toBe(total > first);
  return sources;
}

test("live items alone name their groups, also of a rollup without leaderboards", async () => {
  const range = { from: "2024-03-03T00:00:00Z", to: "2024-03-05T00:00:00Z" };
  for (const by of [["TOWN"], ["STALL"], ["STALL", "TOWN"], ["TOWN", "STALL"]] as const)
    for (const order of [undefined, ["revenue", "DESC"], ["dearest", "ASC"]] as const)
      expect(await expectTrue({ by, ...range, ...(order && { order }), first: 7 })).toEqual(["LIVE"]);
  const hours = { from: "2024-03-03T05:00:00Z", to: "2024-03-03T06:00:00Z" };
  expect(await expectTrue({ by: ["TOWN"], ...hours })).toEqual(["LIVE"]);
});

test("editions and live items are one answer; what both have seen counts once", async () => {
  expect(await expectTrue({ by: ["TOWN"] })).toEqual(["EDITION", "LIVE"]);
  expect(await expectTrue({ by: ["TOWN"], order: ["visits", "DESC"], first: 3 })).toEqual([
    "EDITION",
    "LIVE",
  ]);
  const pinned = { where: { stall: { in: [1, 5, 99] } }, filter: "stall IN (1, 5, 99)" };
  expect(await expectTrue({ by: ["STALL"], ...pinned, order: ["revenue", "ASC"] })).toEqual([
    "EDITION",
    "LIVE",
  ]);
});

test("an ad-hoc field beside live groups is asked for all of them at once and ends at the coverage", async () => {
  const selected = ["visits", "median"] as const;
  const before = cloud.statements.length;
  expect(await expectTrue({ by: ["TOWN"], selected, order: ["visits", "DESC"], first: 4 })).toEqual([
    "ATHENA",
    "EDITION",
    "LIVE",
  ]);
  expect(cloud.statements.length - before).toBe(1);
});

test("groups that Athena must tell end at the coverage, stored measures and completeness included", async () => {
  // stalls have no leaderboard to name those of the covered days
  expect(await expectTrue({ by: ["STALL"] })).toEqual(["ATHENA"]);
  expect(await expectTrue({ by: ["TOWN"], order: ["median", "DESC"] })).toEqual(["ATHENA"]);
  const filtered = { where: { price: { gte: 1 } }, filter: "price >= 1" };
  expect(await expectTrue({ by: ["TOWN", "STALL"], ...filtered, first: 9 })).toEqual(["ATHENA"]);
  const answer =
    await ask(`{ visitActivityBy(dimensions: [STALL], range: { from: "2024-03-01T00:00:00Z", to: "2024-03-04T00:00:00Z" }) {
    nodes { visits complete } } }`);
  expect(answer.data.visitActivityBy.nodes.map(({ complete }: Json) => complete)).not.toContain(true);
  expect(answer.provenance.map(({ through }) => through)).toEqual(["2024-03-03T00:00:00.000Z"]);
});

test("a range without ends, and the last stretch of time, mean what they mean without groups", async () => {
  for (const range of ["{}", `{ last: "PT3H" }`, `{ last: "P2D" }`, `{ from: "2024-03-02T00:00:00Z" }`]) {
    const answer =
      await ask(`{ visitActivity(where: { town: { eq: "Ulm" } }, range: ${range}) { id from to visits }
      by: visitActivityBy(dimensions: [TOWN], range: ${range}) { nodes { town id from to visits } } }`);
    expect(answer.messages).toEqual([]);
    const own = answer.data.by.nodes.find(({ town }: Json) => town === "Ulm");
    // no node: nothing happened
    expect(own ?? { ...answer.data.visitActivity, visits: 0, town: "Ulm" }).toEqual({
      ...answer.data.visitActivity,
      town: "Ulm",
    });
  }
});

test("live items are listed no further than a request may read, and Athena tells the groups", async () => {
  let listed = 0;
  const shared = gateway(cloud);
  const insights: InsightStore = {
    ...shared.insights,
    async *listLive(partition) {
      for await (const item of shared.insights.listLive(partition)) {
        listed++;
        yield item;
      }
    },
  };
  const options = { reads: new ReadBudget(3) };
  const few = asking(cloud, buildSluiceSchema([visits]), { ...shared, insights }, options);
  const range = `range: { from: "2024-03-02T00:00:00Z", to: "2024-03-05T00:00:00Z" }`;
  const answer = await few(
    `{ by: visitActivityBy(dimensions: [TOWN], ${range}) { nodes { town visits } totalCount } }`,
  );
  expect(answer.messages).toEqual([]);
  expect(sourcesOf(answer, "by.nodes")).toEqual(["ATHENA"]);
  expect(answer.data.by.nodes).toEqual(
    await rowsOf(
      cloud,
      `SELECT town, count(*) AS visits FROM visits WHERE "at" >= TIMESTAMP '2024-03-02' AND "at" < TIMESTAMP '2024-03-03' GROUP BY town ORDER BY town NULLS LAST`,
    ),
  );
  // a leaderboard was read before
  expect(listed).toBe(3);
});

test("a live key too long to be listed leaves the groups to Athena", async () => {
  const at = Date.parse("2024-03-04T06:30:00Z");
  await applyLive([{ at, town: long, stall: 1, price: 1 }]);
  const hour = { from: "2024-03-04T05:00:00Z", to: "2024-03-04T06:00:00Z" };
  expect(await expectTrue({ by: ["TOWN"], ...hour })).toEqual(["LIVE"]);
  const answer = await ask(`{ visitActivityBy(dimensions: [TOWN]) { nodes { visits } } }`);
  expect(answer.messages).toEqual([]);
  expect(sourcesOf(answer, "visitActivityBy.nodes")).toEqual(["ATHENA"]);
});
