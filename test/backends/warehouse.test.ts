import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  AthenaClient,
  CreateWorkGroupCommand,
  GetQueryExecutionCommand,
  ListQueryExecutionsCommand,
  TooManyRequestsException,
} from "@aws-sdk/client-athena";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningAthena, startAthena } from "../../cloud/local/athena.ts";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";

let folder: string;
let athena: RunningAthena;
let client: AthenaClient;
let warehouse: Warehouse;

const over = (athenaClient: AthenaClient, clock = Date.now) =>
  athenaWarehouse({
    client: athenaClient,
    workgroup: "test",
    output: "s3://results/",
    clock,
    wait,
    token: randomUUID,
  });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sluice-warehouse-"));
  const s3Folder = path.join(folder, "s3");
  await mkdir(path.join(s3Folder, "results"), { recursive: true });
  await mkdir(path.join(s3Folder, "lake/t/day=2001-01-01"), { recursive: true });
  await writeRows(path.join(s3Folder, "lake/t/day=2001-01-01/a.parquet"));
  athena = await startAthena({ folder: path.join(folder, "athena"), s3Folder });
  client = new AthenaClient({
    endpoint: athena.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  await client.send(new CreateWorkGroupCommand({ Name: "test" }));
  warehouse = over(client);
  for (const sql of [
    "CREATE DATABASE IF NOT EXISTS `db`",
    "CREATE EXTERNAL TABLE IF NOT EXISTS `db`.`t` (`n` bigint, `x` double, `s` string) PARTITIONED BY (`day` string) STORED AS PARQUET LOCATION 's3://lake/t/'",
    "ALTER TABLE `db`.`t` ADD IF NOT EXISTS PARTITION (`day` = '2001-01-01') LOCATION 's3://lake/t/day=2001-01-01/'",
  ])
    await run(sql);
});
afterAll(async () => {
  await athena.close();
  await rm(folder, { recursive: true });
});

async function writeRows(file: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const duck = await instance.connect();
  await duck.run(
    `COPY (SELECT i AS n, i / 8 AS x, CASE WHEN i % 2 = 0 THEN 's' || i END AS s FROM range(2500) AS t(i)) TO '${file}' (FORMAT parquet)`,
  );
  duck.closeSync();
  instance.closeSync();
}

const run = (sql: string, parameters: string[] = []) => warehouse.run({ sql, parameters, database: "db" });
/** Long enough to be stopped, short enough not to matter if it is not. */
const slow = `SELECT count(*) FROM "t" a CROSS JOIN "t" b CROSS JOIN "t" c WHERE a."n" + b."n" * c."n" % 7 = 3`;

test("rows come without the header, null as null, from all pages", async () => {
  const result = await run(`SELECT "n", "s" FROM "t" WHERE "day" = ? ORDER BY 1`, ["'2001-01-01'"]);
  expect(result.rows).toHaveLength(2_500);
  expect(result.rows.slice(0, 2)).toEqual([
    ["0", "s0"],
    ["1", null],
  ]);
  expect(result.rows.at(-1)).toEqual(["2499", null]);
  expect(result.bytesScanned).toBeGreaterThan(0);
  expect(result.queryId).not.toBe("");
});

test("DDL has no rows and scans nothing", async () => {
  expect(await run("CREATE DATABASE IF NOT EXISTS `db`")).toMatchObject({ rows: [], bytesScanned: 0 });
});

test("a statement that selects nothing has no rows", async () => {
  expect((await run(`SELECT "n" FROM "t" WHERE "n" < 0`)).rows).toEqual([]);
});

test("a failure keeps its reason from clients, and in its cause", async () => {
  const failure = await run(`SELECT "secret_column" FROM "t"`).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "AD_HOC_FAILED" });
  expect((failure as Error).message).not.toContain("secret_column");
  expect(String((failure as Error).cause)).toContain("secret_column");
});

test("who aborts stops the execution", async () => {
  const leaving = new AbortController();
  const started = Date.now();
  const running = warehouse.run({ sql: slow, parameters: [], database: "db" }, { signal: leaving.signal });
  await wait(150);
  leaving.abort();
  await expect(running).rejects.toMatchObject({ code: "AD_HOC_CANCELLED" });
  expect(await newestState(started)).toBe("CANCELLED");
  await expect(
    warehouse.run({ sql: slow, parameters: [], database: "db" }, { signal: leaving.signal }),
  ).rejects.toMatchObject({ code: "AD_HOC_CANCELLED" });
});

test("past its time a statement is stopped", async () => {
  const started = Date.now();
  await expect(
    warehouse.run({ sql: slow, parameters: [], database: "db" }, { timeoutMs: 0 }),
  ).rejects.toMatchObject({ code: "AD_HOC_TIMEOUT" });
  expect(await newestState(started)).toBe("CANCELLED");
});

/** Waits until no execution that was submitted since runs, then the state of the newest one. */
async function newestState(since: number): Promise<string | undefined> {
  for (;;) {
    const { QueryExecutionIds = [] } = await client.send(
      new ListQueryExecutionsCommand({ WorkGroup: "test" }),
    );
    const found = await Promise.all(
      QueryExecutionIds.map((QueryExecutionId) =>
        client.send(new GetQueryExecutionCommand({ QueryExecutionId })),
      ),
    );
    const states = found
      .flatMap(({ QueryExecution }) => QueryExecution?.Status ?? [])
      .filter(({ SubmissionDateTime }) => (SubmissionDateTime?.getTime() ?? 0) >= since - 1_000)
      .sort((a, b) => (b.SubmissionDateTime?.getTime() ?? 0) - (a.SubmissionDateTime?.getTime() ?? 0));
    if (states[0]?.State !== "RUNNING" && states[0]?.State !== "QUEUED") return states[0]?.State;
    await wait(20);
  }
}

test("a busy warehouse is AD_HOC_THROTTLED", async () => {
  const busy = new AthenaClient({
    endpoint: athena.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
  busy.middlewareStack.add(
    () => () => Promise.reject(new TooManyRequestsException({ message: "busy", $metadata: {} })),
    { step: "finalizeRequest", priority: "low" },
  );
  await expect(over(busy).run({ sql: "SELECT 1", parameters: [], database: "db" })).rejects.toMatchObject({
    code: "AD_HOC_THROTTLED",
  });
});
