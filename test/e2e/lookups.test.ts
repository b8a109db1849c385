/**
 * Looked up columns of a stream: the same numbers live, after a refresh and ad hoc, while the dimension table changes.
 * Records say when they arrived, so that days pass within the test.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Client } from "graphql-ws";
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Backends, backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { openGateway } from "../../bin/gateway.ts";
import { refreshDeps, runMicroBatches } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { columns } from "../../src/model/columns.ts";
import { lookup } from "../../src/model/lookup.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import { data, follow, type Following, type Json, socket } from "./client.ts";

@Source({
  table: "grid.readings",
  time: "at",
  stream: { name: "readings", lateness: "PT1H" },
  description: "Readings of meters.",
  lookups: [
    lookup({ table: "grid.meters", on: { meter: "id" }, take: { town: "town", limit: "limit" } }),
    lookup({ table: "grid.meters", on: { backup: "id" }, take: { backupTown: "town" } }),
  ],
})
class MeterReading {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) meter!: string;
  @Column(() => String, { nullable: true }) backup!: string | null;
  @Column(() => Int) load!: number;
  @Column(() => String, { nullable: true }) town!: string | null;
  @Column(() => Int, { nullable: true }) limit!: number | null;
  @Column(() => String, { nullable: true }) backupTown!: string | null;
}

const reading = columns(MeterReading);
const described = { description: "Of the test." };

@DataProduct({
  source: MeterReading,
  owner: "grid",
  freshness: "PT1H",
  description: "Load by town.",
  rollups: [
    rollup([], { grains: ["HOUR"] }),
    rollup(["town"], { grains: ["HOUR", "DAY"] }),
    rollup(["town", "backupTown"], { grains: ["DAY"] }),
  ],
})
class TownLoad {
  @Dimension() town!: string | null;
  @Dimension() backupTown!: string | null;
  @Measure(reading.count(), described) readings!: number;
  @Measure(reading.sum("load"), described) total!: number;
  @Measure(reading.max("limit"), described) highestLimit!: number;
  @Measure(reading.countIf({ backupTown: { ne: "Aue" } }), described) elsewhere!: number;
}

const product = declaredProducts().find(({ name }) => name === TownLoad.name)!;
const hour = 3_600_000;
const day = 24 * hour;
const start = Date.parse("2024-02-27T00:00:00Z");

interface Sent {
  readonly at: number;
  readonly meter: string;
  readonly backup: string | null;
  readonly load: number;
}

let folder: string;
let duck: DuckDBConnection;
let stores: Backends;
let url: string;
let client: Client;
let feed: Following;
let aueFeed: Following;
const closing: (() => unknown)[] = [];
const sent: Sent[] = [];
const logged: string[] = [];
let now = start;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-lookups-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  duck = await (await DuckDBInstance.create(":memory:")).connect();
  closing.push(() => duck.closeSync());
  await duck.run(
    `CREATE TABLE readings ("at" TIMESTAMP, meter VARCHAR, backup VARCHAR, load BIGINT);
     CREATE TABLE meters (v_from TIMESTAMP, v_to TIMESTAMP, id VARCHAR, town VARCHAR, "limit" BIGINT);`,
  );
  const cloud = await startCloud(folder);
  closing.push(() => cloud.close());
  const clients = localClients(cloud.endpoints);
  closing.push(() => closeClients(clients));
  await provision(clients, [product]);
  const real = backends(clients);
  closing.push(() => real.gold.close());
  const stream = arriving(real.streamOf(product.source)!);
  stores = { ...real, streamOf: () => stream };
  const log = pino({ level: "warn" }, { write: (line: string) => void logged.push(line) });
  const stopping = new AbortController();
  const broadcast = processBroadcast();
  const live = runMicroBatches([product], stores, { broadcast, windowMs: 100, log, signal: stopping.signal });
  closing.push(() => live);
  closing.push(() => stopping.abort());
  const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 60_000, cursorSecret: null, log };
  const gateway = await openGateway([product], stores, broadcast, settings);
  closing.push(() => gateway.close());
  url = `${gateway.url}/graphql`;
  client = socket(url);
  closing.push(() => client.dispose());
  feed = follow(
    client,
    `subscription { meterReadingFeed { events { at meter load town limit backupTown } } }`,
  );
  aueFeed = follow(
    client,
    `subscription { meterReadingFeed(where: {backupTown: {eq: "Aue"}}) { events { load } } }`,
  );
}, 60_000);

afterAll(async () => {
  for (const close of closing.toReversed()) await close();
});

/** A stream whose records arrive at the test's own time. */
function arriving(stream: EventStream): EventStream {
  const arrivals = new Map<string, number>();
  return {
    ...stream,
    put: async (entries) => {
      const placed = await stream.put(entries);
      for (const { sequence } of placed) arrivals.set(sequence, now);
      return placed;
    },
    fetch: async (iterator, limit) => {
      const fetched = await stream.fetch(iterator, limit);
      if (fetched === "expired") return fetched;
      const records = fetched.records.map((record) => ({
        ...record,
        arrival: arrivals.get(record.sequence)!,
      }));
      // a record may be read before the test knows its name
      return records.every(({ arrival }) => arrival !== undefined)
        ? { ...fetched, records }
        : { records: [], next: iterator, millisBehindLatest: 1 };
    },
  };
}

/** Readings every ten minutes of the hours from `from` to `to`. Those of an hour arrive at its end, or all ahead, now. */
async function send(from: number, to: number, { ahead = false } = {}): Promise<void> {
  for (let at = from; at < to; at += hour) {
    if (!ahead) now = at + hour;
    const readings = [0, 1, 2, 3, 4, 5].map((i) => readingAt(at + i * 600_000, sent.length + i));
    sent.push(...readings);
    await stores.streamOf(product.source)!.put(readings.map(recordOf));
    const rows = readings.map(
      ({ at: time, meter, backup, load }) =>
        `(make_timestamp(${time}000), '${meter}', ${backup === null ? "NULL" : `'${backup}'`}, ${load})`,
    );
    await duck.run(`INSERT INTO readings VALUES ${rows.join(", ")}`);
  }
}

/** On the edges of hours, and so of versions, too. */
function readingAt(at: number, n: number): Sent {
  const backup = [null, "m0", "m1", "m9"][n % 4]!;
  return { at: at + [0, 1, 599_999][n % 3]!, meter: `m${n % 5}`, backup, load: n };
}

/** What a producer says of a looked up column does not count. */
function recordOf(event: Sent) {
  const record = { ...event, at: new Date(event.at).toISOString(), town: "elsewhere", limit: "none" };
  return { partitionKey: event.meter, data: Buffer.from(JSON.stringify(record)) };
}

/** The table as it lies in the lake from now on, and from when on events are to be given it. */
async function writeMeters(
  rows: readonly (readonly [string, string | null, number | null])[],
  from: number | null,
) {
  const values = rows
    .map(
      ([id, town, limit]) => `('${id}', ${town === null ? "NULL" : `'${town}'`}, ${limit ?? "NULL"}::BIGINT)`,
    )
    .join(", ");
  const table = join(lakeFolder(folder), "grid/meters");
  mkdirSync(table, { recursive: true });
  await duck.run(
    `COPY (SELECT * FROM (VALUES ${values}) AS t(id, town, "limit")) TO '${table}/meters.parquet' (FORMAT parquet)`,
  );
  const begins = from === null ? "NULL" : `make_timestamp(${from}000)`;
  await duck.run(`UPDATE meters SET v_to = ${begins} WHERE v_to IS NULL`);
  await duck.run(`INSERT INTO meters SELECT ${begins}, NULL, * FROM read_parquet('${table}/meters.parquet')`);
}

const runRefresh = () =>
  refresh(product, {
    ...refreshDeps(product, stores, { progress: () => {}, retention: { editions: 10, ms: 0 } }),
    clock: () => now,
  });

const range = `range: {from: "2024-02-27T00:00:00Z", to: "2024-03-10T00:00:00Z"}`;
const stored = "readings total highestLimit elsewhere";
const question = `{
  total: townLoad(${range}) { ${stored} }
  aue: townLoad(where: {town: {eq: "Aue"}}, ${range}) { ${stored} series(grain: HOUR) { from readings highestLimit } }
  calw: townLoad(where: {town: {eq: "Calw"}}, ${range}) { ${stored} }
  none: townLoad(where: {town: {isNull: true}}, ${range}) { ${stored} }
  both: townLoad(where: {town: {eq: "Calw"}, backupTown: {eq: "Aue"}}, ${range}) { ${stored} }
}`;

const joined = `(SELECT r.*, m.town, m."limit", b.town AS "backupTown" FROM readings r
  LEFT JOIN meters m ON m.id = r.meter AND (m.v_from IS NULL OR r.at >= m.v_from) AND (m.v_to IS NULL OR r.at < m.v_to)
  LEFT JOIN meters b ON b.id = r.backup AND (b.v_from IS NULL OR r.at >= b.v_from) AND (b.v_to IS NULL OR r.at < b.v_to))`;

async function truth(where: string): Promise<Json> {
  const result = await duck.runAndReadAll(
    `SELECT count(*), coalesce(sum(load), 0), max("limit"), count(*) FILTER (WHERE "backupTown" <> 'Aue') FROM ${joined} WHERE ${where}`,
  );
  const [readings, total, highestLimit, elsewhere] = result
    .getRows()[0]!
    .map((each) => (each === null ? null : Number(each)));
  return { readings, total, highestLimit, elsewhere };
}

const questions = {
  total: "TRUE",
  aue: "town = 'Aue'",
  calw: "town = 'Calw'",
  none: "town IS NULL",
  both: `town = 'Calw' AND "backupTown" = 'Aue'`,
};

/** Waits until all that was sent is counted, and holds every answer against the join by hand. */
async function expectTruth(): Promise<Json> {
  const total = await truth("TRUE");
  const answer = await vi.waitFor(
    async () => {
      const found = await data(url, question);
      expect(found.total.readings).toBe(total.readings);
      return found;
    },
    { timeout: 20_000, interval: 100 },
  );
  for (const [name, where] of Object.entries(questions)) {
    const { series: _, ...measures } = answer[name];
    expect({ [name]: measures }).toEqual({ [name]: await truth(where) });
  }
  const hours = await duck.runAndReadAll(
    `SELECT count(*), max("limit") FROM ${joined} WHERE town = 'Aue' GROUP BY date_trunc('hour', "at") ORDER BY min("at")`,
  );
  expect(
    answer.aue.series
      .filter(({ readings }: Json) => readings > 0)
      .map(({ readings, highestLimit }: Json) => [readings, highestLimit]),
  ).toEqual(hours.getRows().map((row) => row.map((each) => (each === null ? null : Number(each)))));
  return answer;
}

describe("a lookup of a stream", () => {
  it("holds events back until the first refresh has recorded the table, and no longer", async () => {
    await send(start, start + 6 * hour);
    await vi.waitFor(() => expect(logged.join()).toContain("Events wait for the first refresh"));
    expect(feed.messages).toEqual([]);
    await writeMeters(
      [
        ["m0", "Aue", 10],
        ["m1", "Calw", null],
        ["m2", "Aue", 7],
        ["m3", null, 90],
      ],
      null,
    );
    expect(await runRefresh()).toMatchObject({ published: true, coveredUntil: now - hour });
    await expectTruth();
  });

  it("gives later events the same rows, live", async () => {
    await send(start + 6 * hour, start + 2 * day);
    expect(sent).toHaveLength(2 * 24 * 6);
    await expectTruth();
  });

  it("goes by a changed table from the day that begins two days after the refresh", async () => {
    await send(start + 2 * day, start + 2 * day + 10 * hour);
    const from = start + 5 * day;
    await writeMeters(
      [
        ["m0", "Calw", 10],
        ["m1", "Calw", 3],
        ["m4", "Aue", 70],
        ["m9", "Aue", 8],
      ],
      from,
    );
    const before = await expectTruth();
    await runRefresh();
    // the gateway looks for a new manifest every second
    await vi.waitFor(async () => expect(await data(url, question)).toEqual(before));
    await send(start + 2 * day + 10 * hour, from + 2 * day);
    await send(from + 2 * day, from + 3 * day, { ahead: true });
    await expectTruth();
  });

  it("gives the same numbers when editions have taken over", async () => {
    const live = await expectTruth();
    now = start + 9 * day;
    expect(await runRefresh()).toMatchObject({ published: true, rows: sent.length });
    const answers = await vi.waitFor(
      async () => {
        const { products } = await data(url, `{ products { coverage { to } } }`);
        expect(products[0].coverage.to).toBe(new Date(now - hour).toISOString());
        return expectTruth();
      },
      { timeout: 10_000 },
    );
    expect(answers).toEqual(live);
  });

  it("gives the same numbers ad hoc", async () => {
    const asked = await data(
      url,
      `{ townLoad(where: {town: {startsWith: "A"}, backupTown: {isNull: false}, limit: {gte: 8}}, ${range}) { ${stored} } }`,
    );
    expect(asked.townLoad).toEqual(
      await truth(`town LIKE 'A%' AND "backupTown" IS NOT NULL AND "limit" >= 8`),
    );
    expect(asked.townLoad.readings).toBeGreaterThan(0);
  });

  it("sends feeds of enriched events, which can be filtered by what they were given", async () => {
    const events = (following: Following): Json[] =>
      following.messages.flatMap(({ data: page }) => page.meterReadingFeed.events);
    await feed.until(() => events(feed).length >= sent.length, "all events of the feed");
    const expected = await duck.runAndReadAll(
      `SELECT epoch_ms("at"), meter, load, town, "limit", "backupTown" FROM ${joined} ORDER BY load`,
    );
    expect(
      events(feed)
        .toSorted((a, b) => a.load - b.load)
        .map(({ at, meter, load, town, limit, backupTown }) => [
          Date.parse(at),
          meter,
          load,
          town,
          limit,
          backupTown,
        ]),
    ).toEqual(
      expected.getRows().map((row) => row.map((each) => (typeof each === "bigint" ? Number(each) : each))),
    );
    const aue = await duck.runAndReadAll(`SELECT load FROM ${joined} WHERE "backupTown" = 'Aue' ORDER BY 1`);
    await aueFeed.until(() => events(aueFeed).length >= aue.currentRowCount, "the filtered feed");
    expect(
      events(aueFeed)
        .map(({ load }) => load)
        .toSorted((a, b) => a - b),
    ).toEqual(aue.getRows().map(([load]) => Number(load)));
  });
});
