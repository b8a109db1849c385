/** `sluice replay` and `sluice live rebuild` as processes of their own, beside the embedded cloud and micro-batches. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { DuckDBInstance } from "@duckdb/node-api";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Backends, backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { type Clients, closeClients, localClients, provision } from "../../bin/clients.ts";
import { type RunningCloud, startCloud } from "../../bin/cloud.ts";
import { runMicroBatches } from "../../bin/system.ts";
import { tables } from "../../cloud/resources.ts";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { livePartition, unpackBuckets } from "../../src/model/layout.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { WeatherReport } from "./weather/weather.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const report = declaredProducts().find(({ target }) => target === WeatherReport)!;
const stopping = new AbortController();

let folder: string;
let cloud: RunningCloud;
let clients: Clients;
let stores: Backends;
let live: Promise<void>;
let truth: ReadonlyMap<string, readonly number[]>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-rebuild-"));
  cloud = await startCloud(folder);
  clients = localClients(cloud.endpoints);
  stores = backends(clients);
  await provision(clients, [report]);
  const log = pino({ level: "warn" });
  const settings = { broadcast: processBroadcast(), windowMs: 100, log, signal: stopping.signal };
  live = runMicroBatches([report], stores, settings);
  truth = await oracle();
});

afterAll(async () => {
  stopping.abort();
  await live;
  closeClients(clients);
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Days, rain and the warmest of December, by sky and day and over all skies. */
async function oracle(): Promise<ReadonlyMap<string, readonly number[]>> {
  const duck = await (await DuckDBInstance.create()).connect();
  const csv = file("../../node_modules/vega-datasets/data/seattle-weather.csv");
  const rows = await duck.runAndReadAll(
    `SELECT CASE WHEN grouping(weather) = 1 THEN '[]' ELSE '["' || weather || '"]' END || ' ' || day(date),
       count(*)::INT, sum(precipitation)::DOUBLE, max(temp_max)::DOUBLE
     FROM read_csv('${csv}') WHERE date >= DATE '2015-12-01' GROUP BY GROUPING SETS ((weather, date), (date))`,
  );
  duck.closeSync();
  return new Map(rows.getRows().map(([id, ...values]) => [String(id), values.map(Number)]));
}

async function items(): Promise<LiveItem[]> {
  const found: LiveItem[] = [];
  for (const rollup of report.rollups)
    for await (const item of stores.insights.listLive(livePartition(report, rollup, "2015-12")))
      found.push(item);
  return found;
}

async function stored(): Promise<Map<string, readonly (number | null)[]>> {
  return new Map(
    (await items()).flatMap(({ sk, packed }) =>
      [...unpackBuckets(packed)].map(([day, state]) => [`${sk} ${day + 1}`, state] as const),
    ),
  );
}

interface Command {
  readonly ended: Promise<{ readonly code: number; readonly output: string }>;
  interrupt(): void;
}

function start(...args: readonly string[]): Command {
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), ...args], {
    env: { ...process.env, SLUICE_DATA: folder, SLUICE_PRODUCTS: file("./weather") },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return {
    ended: once(child, "close").then(([code]) => ({ code: code as number, output })),
    interrupt: () => child.kill("SIGINT"),
  };
}

const run = (...args: readonly string[]) => start(...args).ended;
const figuresOf = (output: string): Record<string, unknown> =>
  JSON.parse(output.trim().split("\n").at(-1)!) as Record<string, unknown>;

describe("sluice replay", () => {
  it("stops at SIGINT, goes on where it ended, and puts every row once", async () => {
    // 31 pauses of a quarter of a second each
    const slow = start("replay", "Weather", "--speed", "86400");
    await vi.waitFor(async () => expect((await stored()).size).toBeGreaterThan(0), {
      timeout: 50_000,
      interval: 20,
    });
    slow.interrupt();
    expect(await slow.ended).toMatchObject({
      code: 0,
      output: expect.stringContaining("Stopped.") as string,
    });
    const halfway = (await stored()).size;
    expect(halfway).toBeLessThan(truth.size);
    const rest = await run("replay", "--speed", "max");
    expect(rest.code).toBe(0);
    const figures = figuresOf(rest.output);
    expect(figures).toMatchObject({ replay: "Weather", time: "2015-12-31T00:00:00.000Z", done: true });
    expect(figures["rows"]).toBeLessThan(31);
    await vi.waitFor(async () => expect(await stored()).toEqual(truth), { timeout: 30_000, interval: 100 });
    expect(figuresOf((await run("replay")).output)).toMatchObject({ rows: 0, done: true });
  });

  it("says which sources can be replayed", async () => {
    const [unknown, fast] = await Promise.all([run("replay", "Wheather"), run("replay", "--speed", "fast")]);
    expect(unknown.output).toContain('there is Weather. Did you mean "Weather"?');
    expect(fast.output).toContain("--speed is a positive number or max");
    expect([unknown.code, fast.code]).toEqual([1, 1]);
  });
});

describe("sluice live rebuild", () => {
  const rebuild = (...flags: readonly string[]) =>
    run("live", "rebuild", "WeatherReport", "--from", "2015-12-15", ...flags);

  it("finds nothing wrong where nothing is", async () => {
    const { code, output } = await rebuild("--dry-run");
    expect(code).toBe(0);
    expect(figuresOf(output)).toMatchObject({
      rebuild: "WeatherReport",
      changed: 0,
      emptied: 0,
      advanced: 0,
    });
  });

  it("tells what differs, and repairs numbers, lost items and such that hold what never was", async () => {
    const all = await items();
    const [total, lost] = [all.find(({ sk }) => sk === "[]")!, all.find(({ sk }) => sk === '["rain"]')!];
    const spoilt = { ...total, packed: total.packed.replaceAll("1", "2"), version: total.version + 1 };
    await stores.insights.writeLive(spoilt, total.version);
    await stores.insights.writeLive({ ...total, sk: '["frogs"]', pk: lost.pk }, null);
    const Key = { pk: { S: lost.pk }, sk: { S: lost.sk } };
    await clients.dynamodb.send(new DeleteItemCommand({ TableName: tables.live, Key }));
    const wrong = await stored();
    const foretold = figuresOf((await rebuild("--dry-run")).output);
    expect(foretold).toMatchObject({ dryRun: true, changed: 2, emptied: 1, unchanged: all.length - 2 });
    expect(await stored()).toEqual(wrong);
    const repaired = await rebuild();
    expect(repaired.code).toBe(0);
    expect(figuresOf(repaired.output)).toMatchObject({ dryRun: false, changed: 2, emptied: 1 });
    expect(await stored()).toEqual(truth);
    expect(figuresOf((await rebuild("--dry-run")).output)).toMatchObject({ changed: 0, emptied: 0 });
  });

  it("says what is wrong with how it is called", async () => {
    const refused = async (message: string, ...args: readonly string[]): Promise<void> =>
      expect(await run("live", "rebuild", ...args)).toMatchObject({
        code: 1,
        output: expect.stringContaining(message) as string,
      });
    await Promise.all([
      refused('Did you mean "WeatherReport"?', "WeatherReprt", "--from", "2015-12-01"),
      refused("--from is a day or an instant", "WeatherReport", "--from", "yesterday"),
      refused("by the replay's clock", "WeatherReport", "--from", "2016-02-01"),
      refused("required option '--from <time>'", "WeatherReport"),
    ]);
  });
});
