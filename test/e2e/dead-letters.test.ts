/**
 * What happens to late and bad events, through the real SDK and the command line: `in = applied + dead`, late ones
 * within the lateness count at once, later ones once they are admitted and refreshed, bad ones once the declaration is
 * mended and they are re-sent. What is right is counted by plain DuckDB over the events that were put.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Backends, backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { type DeadLetterFlags, runDeadLetters } from "../../bin/commands/dead-letters.ts";
import { readEnvironment } from "../../bin/environment.ts";
import { openGateway } from "../../bin/gateway.ts";
import { refreshDeps } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import { declaredProducts, type Product } from "../../src/model/product.ts";
import { caughtUp, type LiveRun, startConsumer } from "../live/live-run.ts";
import { data as answerOf, type Json } from "./client.ts";
import { DeskActivity } from "./tickets/tickets.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const now = Date.now();

const mended = declaredProducts().find(({ target }) => target === DeskActivity)!;
const source = mended.source;
/** As it was declared at first. */
const atFirst: Product = {
  ...mended,
  source: { ...source, ownColumns: source.ownColumns.map((column) => ({ ...column, nullable: false })) },
};

interface Ticket {
  readonly opened: number;
  readonly number: number;
  readonly team: string;
  readonly minutes?: number;
}

const settings = { progress: () => {}, retention: { editions: 10, ms: 0 } };

// every command is a process of its own
vi.setConfig({ testTimeout: 180_000 });

let folder: string;
let stores: Backends;
let duck: DuckDBConnection;
let url: string;
let live: LiveRun;
const closing: (() => Promise<unknown>)[] = [];
const counted = { in: 0, applied: 0, dead: 0 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-letters-"));
  const cloud = await startCloud(folder);
  closing.push(async () => cloud.close());
  duck = await (await DuckDBInstance.create()).connect();
  await duck.run(
    `CREATE TABLE tickets ("in" VARCHAR, opened TIMESTAMP, number BIGINT, team VARCHAR, minutes BIGINT)`,
  );
  await writeLake();
  const clients = localClients(cloud.endpoints);
  closing.push(async () => closeClients(clients));
  await provision(clients, [mended]);
  stores = backends(clients);
  closing.push(() => stores.gold.close());
  live = startConsumer(stores, stores.streamOf(source)!, [atFirst]);
  await refresh(mended, refreshDeps(mended, stores, settings));
  const log = pino({ level: "silent" });
  const listening = { host: "127.0.0.1", port: 0, adHocWaitMs: 60_000, cursorSecret: null, log };
  const gateway = await openGateway([mended], stores, processBroadcast(), listening);
  closing.push(() => gateway.close());
  url = `${gateway.url}/graphql`;
});

afterAll(async () => {
  await live.stop();
  for (const close of closing.toReversed()) await close();
  duck.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

async function writeLake(): Promise<void> {
  const tickets = Array.from({ length: 60 }, (_, i) => ticket(i, now - 5 * day + i * hour));
  await add("lake", tickets);
  const table = join(lakeFolder(folder), "desk");
  mkdirSync(table, { recursive: true });
  await duck.run(
    `COPY (SELECT * EXCLUDE ("in"), strftime(opened, '%Y-%m-%d') AS day FROM tickets) TO '${table}/tickets' (FORMAT parquet, PARTITION_BY (day))`,
  );
}

const ticket = (number: number, opened: number): Ticket => ({
  number,
  opened,
  team: ["A", "B", "Ü"][number % 3]!,
  minutes: number * 2,
});

/** What DuckDB knows to be somewhere. */
async function add(where: string, tickets: readonly Ticket[]): Promise<void> {
  const rows = tickets.map(
    ({ opened, number, team, minutes }) =>
      `('${where}', make_timestamp(${opened} * 1000), ${number}, '${team}', ${minutes ?? "NULL"})`,
  );
  await duck.run(`INSERT INTO tickets VALUES ${rows.join(", ")}`);
}

/** Puts records of several lines each, and waits until they are applied. */
async function put(records: readonly (readonly string[])[]): Promise<void> {
  const stream = stores.streamOf(source)!;
  await stream.put(
    records.map((lines, i) => ({ partitionKey: `key ${i}`, data: Buffer.from(lines.join("\n")) })),
  );
  await caughtUp(stores, stream, mended);
}

const lineOf = ({ opened, ...rest }: Ticket): string =>
  JSON.stringify({ opened: new Date(opened).toISOString(), ...rest });

async function refreshed(): Promise<void> {
  const { edition } = await refresh(mended, refreshDeps(mended, stores, settings));
  // the gateway looks for it every second
  const served = async () =>
    (await answerOf(url, `{ product(name: "DeskActivity") { editions(first: 1) { id current } } }`)).product;
  await expect.poll(served, { timeout: 20_000 }).toEqual({ editions: [{ id: edition, current: true }] });
}

async function sluice(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, SLUICE_DATA: folder, SLUICE_PRODUCTS: file("./tickets") };
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), "dead-letters", ...args], { env });
  let output = "";
  for (const out of [child.stdout, child.stderr])
    out.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

/** Every number that is asked for, stored and ad hoc, beside DuckDB's over what was put into the given places. */
async function expectCounted(...places: string[]): Promise<void> {
  const { product } = await answerOf(url, `{ product(name: "DeskActivity") { coverage { from to } } }`);
  const { from, to } = product.coverage as { from: string; to: string };
  const where = places.map((place) => `'${place}'`).join(", ");
  for (const [team, open] of [null, "A", "B", "Ü"].flatMap((name) => [
    [name, false] as const,
    [name, true] as const,
  ])) {
    // up to the coverage an edition and Athena answer, beyond it the live items
    const until = open ? new Date(Math.ceil(Date.now() / hour) * hour + hour).toISOString() : to;
    const slice = team === null ? "" : `where: {team: {eq: "${team}"}}, `;
    const asked = `${slice}range: {from: "${from}", to: "${until}"}`;
    const fields = open ? "tickets spent" : "tickets spent numbers";
    const { deskActivity } = await answerOf(url, `{ deskActivity(${asked}) { ${fields} } }`);
    const rows = await duck.runAndReadAll(
      `SELECT count(*)::INT, sum(minutes)::INT, count(DISTINCT number)::INT FROM tickets
       WHERE "in" IN (${where}) AND opened < TIMESTAMP '${until.slice(0, 23)}' ${team === null ? "" : `AND team = '${team}'`}`,
    );
    const [tickets, spent, numbers] = rows.getRows()[0]!;
    const expected: Json = open ? { tickets, spent } : { tickets, spent, numbers };
    expect(deskActivity, `${team} until ${until}`).toEqual(expected);
  }
}

/** Adds up what the micro-batches said since the last time. */
async function stopped(): Promise<void> {
  await live.stop();
  for (const key of ["in", "applied", "dead"] as const) counted[key] += live.counts[key];
}

const onTime = [0, 1, 2, 3, 4].map((i) => ticket(100 + i, now - i * minute));
const late = [0, 1, 2, 3].map((i) => ticket(200 + i, now - (40 + i) * minute));
const tooLate = [3 * hour, 4 * hour, 27 * hour, 2 * day].map((ago, i) => ticket(300 + i, now - ago));
const beforeTheLake = [ticket(400, now - 300 * day)];
const ahead = [ticket(500, now + 3 * day)];
const withoutMinutes = [0, 1].map((i) => ({ opened: now - i * minute, number: 600 + i, team: "A" }));
const bad = ['{"opened":', "[]", lineOf({ ...ticket(700, now), number: 0.5 })];

describe("dead letters", () => {
  it("are what is too late, ahead or bad; what is late within the lateness counts at once; in = applied + dead", async () => {
    await put([
      [...onTime, tooLate[0]!, late[0]!].map(lineOf),
      [bad[0]!, lineOf(late[1]!), lineOf(tooLate[1]!), bad[1]!, ...withoutMinutes.map(lineOf)],
      [...late.slice(2), ...tooLate.slice(2), ...beforeTheLake, ...ahead].map(lineOf).concat(bad.slice(2)),
    ]);
    await add("stream", [...onTime, ...late]);
    await stopped();
    expect(counted).toEqual({ in: 20, applied: 9, dead: 11 });
    await expectCounted("lake", "stream");
  });

  it("are listed by reason and one by one, newest first, or as JSON", async () => {
    const { code, output } = await sluice("tickets", "--first", "2", "--reason", "BAD_JSON");
    expect(code).toBe(0);
    expect(output).toContain("Ticket: 11 dead letters, 11 open");
    expect(output).toMatch(/TOO_LATE +6 open/);
    expect(output).toMatch(/BAD_JSON +2 open/);
    expect(output).toMatch(/BAD_VALUE +3 open/);
    expect(output).toContain(`  {"opened":\n`);
    expect(output).not.toContain("0.5");
    const json = (await sluice("Ticket", "--json")).output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const texts = [...tooLate, ...beforeTheLake, ...ahead, ...withoutMinutes].map(lineOf).concat(bad);
    expect(json.map(({ text }) => text as string).sort((a, b) => a.localeCompare(b))).toEqual(
      texts.sort((a, b) => a.localeCompare(b)),
    );
    expect(json.every(({ outcome, stream }) => outcome === null && stream === "tickets")).toBe(true);
  });

  it("that are too late are admitted, and the next refresh counts them, stored and ad hoc", async () => {
    const foretold = await sluice("Ticket", "--admit", "--dry-run");
    expect(foretold.output).toContain("Ticket: 4 can be admitted.");
    const { code, output } = await sluice("Ticket", "--admit");
    expect(code).toBe(0);
    expect(output).toContain("Ticket: 4 admitted to the lake.");
    expect(output).toContain("2 are within the lateness: --replay");
    expect(output).toContain("1 are of a time before");
    expect(output).toContain("BAD_VALUE (1)");
    live = startConsumer(stores, stores.streamOf(source)!, [mended]);
    await refreshed();
    await add("admitted", tooLate);
    await expectCounted("lake", "stream", "admitted");
  });

  it("that a mended declaration decodes are re-sent once, and count at once", async () => {
    const { code, output } = await sluice("Ticket", "--replay");
    expect(code).toBe(0);
    expect(output).toContain(`Ticket: 2 re-sent into "tickets".`);
    expect((await sluice("Ticket", "--replay")).output).toContain("Ticket: 0 re-sent");
    await put([]);
    await add("resent", withoutMinutes);
    await stopped();
    // a re-sent event is a new one
    expect(counted).toEqual({ in: 22, applied: 11, dead: 11 });
    live = startConsumer(stores, stores.streamOf(source)!, [mended]);
    await expectCounted("lake", "stream", "admitted", "resent");
    const { output: listed } = await sluice("Ticket", "--all", "--first", "1");
    expect(listed).toMatch(/TOO_LATE +2 open, 4 admitted/);
    expect(listed).toMatch(/BAD_VALUE +1 open, 2 re-sent/);
  });

  it("of a time before the lake are admitted when that is said, and coverage begins with them", async () => {
    const from = new Date(now - 400 * day).toISOString();
    expect((await sluice("Ticket", "--admit", "--from", from)).output).toContain("Ticket: 1 admitted");
    await refreshed();
    await add("admitted", beforeTheLake);
    await expectCounted("lake", "stream", "admitted", "resent");
    const { product } = await answerOf(url, `{ product(name: "DeskActivity") { coverage { from } } }`);
    expect(product.coverage.from).toBe(new Date(Math.floor((now - 300 * day) / day) * day).toISOString());
  });

  it("says which sources there are", async () => {
    const { code, output } = await sluice("Tickt");
    expect(code).toBe(1);
    expect(output).toContain('Did you mean "Ticket"?');
  });

  it.each<[DeadLetterFlags, string]>([
    [{ admit: true, replay: true }, "Drop one of them"],
    [{ dryRun: true }, "goes with"],
    [{ replay: true, from: "2001-01-01" }, "goes with --admit"],
    [{ admit: true, from: "yesterday" }, "--from is a day or an instant"],
    [{ admit: true, json: true }, "is for listing"],
    [{ first: "none" }, "from 1 to 999999"],
  ])("refuses %j and says the way out", async (flags, message) => {
    const environment = readEnvironment({ SLUICE_DATA: folder }, folder);
    await expect(runDeadLetters(environment, undefined, flags)).rejects.toThrow(message);
  });
});
