/** `sluice start` as a user runs it: a process, a data folder, a kill -9, a second start, a refresh beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ask, data, type Json } from "./client.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const whole = `range: {from: "2012-01-01T00:00:00Z", to: "2016-01-01T00:00:00Z"}`;

let folder: string;
let port: number;
let url: string;
let truth: Json;
let running: Started | null = null;

interface Started {
  readonly process: ChildProcess;
  output(): string;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-start-"));
  port = await freePort();
  url = `http://127.0.0.1:${port}/graphql`;
  truth = await oracle();
});

afterAll(() => {
  running?.process.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("sluice start", () => {
  it("builds the lake, refreshes, serves, and prints a query that is answered from the edition", async () => {
    running = await start({ SLUICE_REPLAY_SPEED: "86400" });
    const output = running.output();
    expect(output).toContain("Built the lake table seattle.weather");
    expect(output).toContain(`http://127.0.0.1:${port}/graphiql`);
    const pasted = output.slice(output.indexOf("Paste this query:"));
    const query = pasted.slice(pasted.indexOf("{"), pasted.indexOf("\n}") + 2);
    const answer = await ask(url, query);
    expect(answer.errors).toBeUndefined();
    expect(answer.data.weatherReport).toMatchObject({ days: truth.inLake, complete: true });
    expect(answer.extensions.sluice.provenance.map(({ source }: Json) => source)).toEqual(["EDITION"]);
  });

  it("refuses a port that is taken, and a data folder that is in use, before it does anything", async () => {
    const taken = await run(["start"], { SLUICE_DATA: `${folder}/other`, PORT: String(port) });
    expect(taken).toMatchObject({ code: 1, output: expect.stringContaining("Set PORT") });
    const inUse = await run(["start"], { PORT: String(await freePort()) });
    expect(inUse).toMatchObject({ code: 1, output: expect.stringMatching(/one process at a time/) });
    expect((await data(url, "{ weatherReport { days } }")).weatherReport.days).toBeGreaterThan(0);
  });

  it("is killed in the middle of the replay, starts again on the same folder, and counts every event once", async () => {
    const killed = running!.process;
    const cloud = JSON.parse(readFileSync(join(folder, "endpoints.json"), "utf8")) as { dynamodb: string };
    killed.kill("SIGKILL");
    await once(killed, "exit");
    await vi.waitFor(() => expect(fetch(cloud.dynamodb)).rejects.toThrow("fetch failed"), {
      timeout: 20_000,
    });
    running = await start({ SLUICE_REPLAY_SPEED: "max" });
    expect(running.output()).not.toContain("Built the lake");
    expect(running.output()).not.toContain("published");
    await vi.waitFor(async () => expect((await coverage()).liveTo).toBe("2016-01-01T00:00:00.000Z"), {
      timeout: 60_000,
      interval: 200,
    });
    await expectTruth(["EDITION", "LIVE"]);
  });

  it("is refreshed from another process: the same numbers, from the edition alone", async () => {
    const refreshed = await run(["refresh", "WeatherReport"], {});
    expect(refreshed.code).toBe(0);
    await vi.waitFor(async () => expect((await coverage()).to).toBe("2016-01-01T00:00:00.000Z"), {
      timeout: 10_000,
    });
    await expectTruth(["EDITION"]);
    expect((await run(["refresh"], {})).output).toContain(`"published":false`);
    expect((await run(["editions", "WeatherReport"], {})).output).toMatch(/^\S+ +2 .* current$\n^\S+ +1 /m);
  });

  it("publishes nothing that breaks an expectation, says which with the numbers, and exits with 1", async () => {
    const hot = await run(["refresh", "WeatherReport", "--full"], { WARMEST: "34" });
    expect(hot.code).toBe(1);
    expect(hot.output).toContain(`expect.between("warmest", { max: 34, rollup: [] }) does not hold.`);
    const shown = truth.above34.slice(0, 5);
    for (const [day, warmest] of shown)
      expect(hot.output).toContain(`rollup "total", ${day}: warmest is ${warmest}`);
    expect(hot.output.match(/warmest is/g)).toHaveLength(shown.length);
    expect((await run(["editions", "WeatherReport"], {})).output).toMatch(/^\S+ +2 .* current$/m);
    await expectTruth(["EDITION"]);
  });

  it("is rolled back without losing a number, held, and released", async () => {
    const [, first] = (await run(["editions", "WeatherReport"], {})).output.match(/^\S+Z-\S+/gm)!;
    const back = await run(["rollback", "WeatherReport"], {});
    expect(back).toMatchObject({ code: 0, output: expect.stringContaining(`edition ${first} is published`) });
    await vi.waitFor(async () => expect((await coverage()).to).toBe("2015-12-01T00:00:00.000Z"), {
      timeout: 10_000,
    });
    await expectTruth(["EDITION", "LIVE"]);
    const held = await run(["refresh", "WeatherReport"], {});
    expect(held).toMatchObject({ code: 0, output: expect.stringContaining(`"published":false`) });
    expect((await run(["editions", "WeatherReport"], {})).output).toContain("Held since");
    expect(await run(["rollback", "WeatherReport", "--release"], {})).toMatchObject({ code: 0 });
    expect((await run(["refresh", "WeatherReport"], {})).output).toContain(`"published":true`);
    await vi.waitFor(async () => expect((await coverage()).to).toBe("2016-01-01T00:00:00.000Z"), {
      timeout: 10_000,
    });
    await expectTruth(["EDITION"]);
  });

  it("says what is wrong on the command line, with the way out", async () => {
    expect(await run(["refresh", "WeatherReprt"], {})).toMatchObject({
      code: 1,
      output: expect.stringContaining(`Did you mean "WeatherReport"?`),
    });
    expect(await run(["start"], { SLUICE_REPLAY_SPEED: "fast" })).toMatchObject({
      code: 1,
      output: expect.stringContaining("SLUICE_REPLAY_SPEED"),
    });
  });

  it("stops at SIGINT, the embedded cloud with it", async () => {
    const { process: gateway } = running!;
    const { dynamodb } = JSON.parse(readFileSync(join(folder, "endpoints.json"), "utf8")) as {
      dynamodb: string;
    };
    gateway.kill("SIGINT");
    const [code] = (await once(gateway, "exit")) as [number];
    expect(code).toBe(0);
    await expect(fetch(dynamodb)).rejects.toThrow("fetch failed");
    running = null;
  });
});

async function expectTruth(sources: readonly string[]): Promise<void> {
  const answer = await ask(url, `{ weatherReport(${whole}) { days rain warmest complete skies } }`);
  expect(answer.errors).toBeUndefined();
  const { days, rain, warmest, complete } = answer.data.weatherReport;
  expect({ days, warmest, complete }).toEqual({ days: truth.days, warmest: truth.warmest, complete: true });
  expect(Math.abs(rain - truth.rain)).toBeLessThan(1e-9 * truth.rain);
  const stored = answer.extensions.sluice.provenance.filter(({ source }: Json) => source !== "ATHENA");
  expect(stored.map(({ source }: Json) => source)).toEqual(sources);
}

async function coverage(): Promise<Json> {
  return (await data(url, `{ product(name: "WeatherReport") { coverage { from to liveTo } } }`)).product
    .coverage;
}

function environment(extra: Record<string, string>): NodeJS.ProcessEnv {
  return {
    ...process.env,
    SLUICE_DATA: folder,
    SLUICE_PRODUCTS: file("./weather"),
    PORT: String(port),
    SLUICE_WINDOW_MS: "200",
    ...extra,
  };
}

async function start(extra: Record<string, string>): Promise<Started> {
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), "start"], { env: environment(extra) });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await vi.waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`It ended: ${output}`);
      expect(output).toMatch(/Paste this query:\s+\{[\s\S]+\n\}/);
    },
    { timeout: 50_000, interval: 100 },
  );
  return { process: child, output: () => output };
}

/** Runs a command to its end. */
async function run(
  args: readonly string[],
  extra: Record<string, string>,
): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [file("../../bin/sluice.mjs"), ...args], { env: environment(extra) });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}

async function oracle(): Promise<Json> {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  const csv = file("../../node_modules/vega-datasets/data/seattle-weather.csv");
  const result = await duck.runAndReadAll(
    `SELECT count(*)::INT AS days, sum(precipitation) AS rain, max(temp_max) AS warmest, (count(*) FILTER (WHERE date < DATE '2015-12-01'))::INT AS "inLake" FROM read_csv('${csv}')`,
  );
  const hot = await duck.runAndReadAll(
    `SELECT strftime(date, '%Y-%m-%dT00:00:00.000Z'), temp_max FROM read_csv('${csv}') WHERE temp_max > 34 ORDER BY 1`,
  );
  instance.closeSync();
  return { ...result.getRowObjects()[0], above34: hot.getRows() };
}
