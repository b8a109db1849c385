/** `sluice stream` as it is run: a process beside the embedded cloud's, stopped, killed and started again. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Backends, backends } from "../../bin/backends.ts";
import { type Clients, closeClients, localClients } from "../../bin/clients.ts";
import { chosenStreams } from "../../bin/load-products.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { declaredProducts, type Product } from "../../src/model/product.ts";
import { type Running, type RunningStream, runSluice, startCloud, startStream } from "../soak/processes.ts";
import "../soak/products/readings.ts";
import { randomRecord, Recount } from "../soak/readings.ts";
import { merge, split } from "../soak/resharding.ts";
import { archivedTallies, deadLetters, storedTallies } from "../soak/stored.ts";
import { caughtUp, until } from "./live-run.ts";

const product = declaredProducts().find(({ name }) => name === "MachineLoad")!;
const applied = `sluice_live_events_total{stream="readings",outcome="applied"}`;
const dead = `sluice_live_events_total{stream="readings",outcome="dead"}`;
const inBatches = `sluice_live_batch_events_sum{stream="readings"}`;

let data: string;
let cloud: Running;
let clients: Clients;
let stores: Backends;
let stream: EventStream;
let running: RunningStream;
const recount = new Recount();
let records = 0;

/** A few records after each other, so that there is a midst to stop in. */
async function produce(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const record = randomRecord(records++, 40, Date.now());
    await stream.put([{ partitionKey: record.plant, data: record.data }]);
    recount.add(record);
  }
}

async function anyApplied(): Promise<void> {
  await until(async () => ((await running.scrape())?.(applied) ?? 0) > 0);
}

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "sluice-stream-"));
  const started = await startCloud(data);
  cloud = started;
  clients = localClients(started.endpoints);
  stores = backends(clients);
  stream = stores.replayStreamOf(product.source.stream!);
  running = await startStream(data, ["--window", "50", "--records", "7"]);
});

afterAll(async () => {
  closeClients(clients);
  await stores.gold.close();
  await running.kill();
  await cloud.stop();
  rmSync(data, { recursive: true });
});

describe("sluice stream", { timeout: 180_000 }, () => {
  it("finishes what runs when it is told to stop, and goes on behind it when it is started again", async () => {
    const producing = produce(120);
    await anyApplied();
    const first = await running.stop();
    await producing;
    running = await startStream(data, ["Reading", "--window", "50"]);
    await caughtUp(stores, stream, product);
    const second = await running.stop();
    const summaries = [first, second].map(({ code, stdout }) => {
      expect(code).toBe(0);
      return (JSON.parse(stdout.trim().split("\n").at(-1)!) as { stream: Record<string, number> }).stream;
    });
    for (const each of summaries) {
      expect(each["in"]).toBe(each["applied"]! + each["dead"]!);
      expect(each["batches"]).toBeGreaterThan(0);
    }
    expect(summaries[0]!["applied"]! + summaries[1]!["applied"]!).toBe(recount.applied);
    expect(summaries[0]!["dead"]! + summaries[1]!["dead"]!).toBe(recount.dead);
  });

  it("counts every event once when it is killed, between a split and a merge", async () => {
    running = await startStream(data, ["--window", "50", "--records", "5"]);
    await produce(40);
    await split(clients.kinesis, "readings");
    const producing = produce(80);
    await anyApplied();
    await running.kill();
    await producing;
    await merge(clients.kinesis, "readings");
    await produce(40);
    running = await startStream(data, ["--window", "50"]);
    await caughtUp(stores, stream, product);
    expect(recount.dead).toBeGreaterThan(20);
    expect(await storedTallies(clients.dynamodb)).toEqual(recount.tallies);
    expect(await archivedTallies(data)).toEqual(recount.tallies);
    const letters = Object.values(await deadLetters(clients.dynamodb));
    expect(letters.reduce((sum, count) => sum + count, 0)).toBe(recount.dead);
  });

  it("tells Prometheus what it has done, and that it lives", async () => {
    await until(async () => (await running.scrape())!(applied) > 0);
    const metrics = (await running.scrape())!;
    expect(metrics(inBatches)).toBe(metrics(applied) + metrics(dead));
    expect(metrics(`sluice_live_write_units_total{stream="readings"}`)).toBeGreaterThan(0);
    expect(metrics("process_resident_memory_bytes")).toBeGreaterThan(0);
    const health = await fetch(`${running.url}/health`);
    expect([health.status, await health.json()]).toEqual([200, { status: "live" }]);
    expect((await fetch(`${running.url}/`)).status).toBe(404);
  });

  it("says at once what is wrong with a source, an option, a port or the cloud", async () => {
    const { port } = new URL(running.url);
    const wrong = [
      [["stream", "Readin"], data, `There is no source "Readin". Did you mean "Reading"?`],
      [["stream", "--window", "1s"], data, `--window is a whole number from 10 to 600000. Got "1s".`],
      [["stream", "--metrics-port", port], data, `Set --metrics-port (or HOST) to another one.`],
      [["stream"], join(data, "nothing"), `Start one with "npm start" (everything) or "sluice cloud"`],
    ] as const;
    for (const [args, folder, message] of wrong)
      expect(await runSluice(args, folder)).toEqual({ code: 1, output: expect.stringContaining(message) });
  });
});

describe("the sources that are named", () => {
  const silent: Product = { ...product, source: { ...product.source, name: "Note", stream: null } };

  it("have a stream", () => {
    expect(chosenStreams([product, silent], [])).toEqual([product.source]);
    expect(chosenStreams([product, silent], ["Reading"])).toEqual([product.source]);
    expect(() => chosenStreams([product, silent], ["Note"])).toThrow(
      'Source "Note" has none. Add stream: "…" to its @Source, or name one of Reading.',
    );
    expect(() => chosenStreams([silent], [])).toThrow("None of Note has one.");
  });
});
