/** What only the embedded Athena can show: a killed process, aborted clients, the lock on DuckDB. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import {
  type AthenaClient,
  BatchGetQueryExecutionCommand,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  ListQueryExecutionsCommand,
  StopQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import { beforeAll, describe, expect, it } from "vitest";
import { startAthena } from "../../cloud/local/athena.ts";
import { athenaClient, failure, outcome, query, start } from "./athena-client.ts";
import { athenaWorld } from "./athena.world.ts";

const world = athenaWorld();

describe("the lock", () => {
  const secret = join(world.root, "secret.csv");
  beforeAll(() => writeFileSync(secret, "a,b\n1,2\n"));

  it.each(
    [
      `SELECT * FROM read_csv('${secret}')`,
      `SELECT * FROM '${secret}'`,
      `SELECT * FROM "${secret}"`,
      `SELECT * FROM read_text('${secret}')`,
      "SELECT * FROM glob('/*')",
      "SELECT * FROM duckdb_settings()",
      "SELECT * FROM information_schema.tables",
      `COPY (SELECT 1) TO '${secret}.out'`,
      `ATTACH '${secret}.db' AS x`,
      "INSTALL httpfs",
      "LOAD httpfs",
      "PRAGMA database_list",
      "SET threads = 1",
      "CALL pragma_version()",
      "INSERT INTO t VALUES (1)",
      "DELETE FROM t",
      "EXPORT DATABASE 'x'",
      "CREATE VIEW v AS SELECT 1",
      "CREATE MACRO m() AS 1",
      "CREATE TABLE t (a int)",
      `SELECT 1; COPY (SELECT 1) TO '${secret}.out'`,
      `UNLOAD (SELECT 1 AS a) TO 's3://lake/../../out/' WITH (format = 'PARQUET')`,
      `UNLOAD (SELECT 1 AS a) TO '${secret}.out' WITH (format = 'PARQUET')`,
      `UNLOAD (SELECT * FROM read_csv('${secret}')) TO 's3://lake/x/' WITH (format = 'PARQUET')`,
      `CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET LOCATION 's3://lake/../../'`,
      "",
      "'",
      "SELECT '",
      "/*",
      "SELECT (((((((((((1",
    ].filter((sql) => sql !== ""),
  )("%s fails", async (sql) => {
    expect(await failure(world.client, sql)).not.toBe("");
    expect(existsSync(`${secret}.out`)).toBe(false);
  });
});

describe("durability", () => {
  it("catalogue, results, history and tokens survive a restart", async () => {
    await query(world.client, "CREATE DATABASE d");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE d.t (n bigint) PARTITIONED BY (day string) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    await query(world.client, "ALTER TABLE d.t ADD PARTITION (day='a''b')");
    const id = await start(world.client, "SELECT 1 AS a, NULL AS b, 'q\"\n,' AS c, '' AS d", {
      ClientRequestToken: "token-of-32-characters-at-least-0",
    });
    await outcome(world.client, id);
    await world.restart();
    expect((await query(world.client, "SHOW PARTITIONS d.t")).rows).toEqual([["day=a%27b"]]);
    const page = await world.client.send(new GetQueryResultsCommand({ QueryExecutionId: id }));
    expect(page.ResultSet?.Rows?.[1]?.Data).toEqual([
      { VarCharValue: "1" },
      {},
      { VarCharValue: 'q"\n,' },
      { VarCharValue: "" },
    ]);
    expect(
      await start(world.client, "SELECT 1 AS a, NULL AS b, 'q\"\n,' AS c, '' AS d", {
        ClientRequestToken: "token-of-32-characters-at-least-0",
      }),
    ).toBe(id);
    expect((await world.client.send(new ListQueryExecutionsCommand({}))).QueryExecutionIds).toContain(id);
  });

  it("what ran when the process was killed is FAILED with a reason, and nothing else is lost", async () => {
    const killed = { folder: join(world.root, "killed/athena"), s3Folder: join(world.root, "killed/s3") };
    const process1 = await startProcess(killed);
    const first = athenaClient(process1.endpoint);
    await query(first, "CREATE DATABASE kept");
    const ids = await startInTurn(first, 6);
    await running(first, ids[0] ?? "");
    process1.child.kill("SIGKILL");
    await new Promise((resolve) => process1.child.once("exit", resolve));
    const process2 = await startAthena(killed);
    const second = athenaClient(process2.endpoint);
    const { QueryExecutions } = await second.send(
      new BatchGetQueryExecutionCommand({ QueryExecutionIds: ids }),
    );
    expect(QueryExecutions?.map((execution) => execution.Status?.State)).toEqual(ids.map(() => "FAILED"));
    expect(QueryExecutions?.[0]?.Status?.StateChangeReason).toContain("the service stopped");
    expect((await query(second, "SHOW DATABASES")).rows).toEqual([["default"], ["kept"]]);
    await process2.close();
  });
});

// ten thousand rows three times over: far more than a test waits for
const numbers = "UNNEST(sequence(1, 10000))";
const endless = `SELECT count(*) FROM ${numbers} AS a(x) CROSS JOIN ${numbers} AS b(y) CROSS JOIN ${numbers} AS c(z) WHERE sqrt(x * 1e0 + y + z) < 0e0`;

/** The first ones get the slots; of statements that are started at once any may. */
async function startInTurn(on: AthenaClient, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(await start(on, endless));
  return ids;
}

async function running(of: AthenaClient, id: string): Promise<void> {
  for (;;) {
    const { QueryExecution } = await of.send(new GetQueryExecutionCommand({ QueryExecutionId: id }));
    if (QueryExecution?.Status?.State !== "QUEUED") return;
  }
}

async function startProcess(folders: {
  folder: string;
  s3Folder: string;
}): Promise<{ child: ChildProcess; endpoint: string }> {
  const module = new URL("../../cloud/local/athena.ts", import.meta.url).href;
  const script = `import { startAthena } from ${JSON.stringify(module)};
    const { endpoint } = await startAthena(${JSON.stringify(folders)});
    process.stdout.write(endpoint + "\\n");`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  });
  return { child, endpoint };
}

describe("slots", () => {
  it("a stop interrupts DuckDB and frees the slot for the next in the queue", async () => {
    const blocking = await startInTurn(world.client, 5);
    await Promise.all(blocking.slice(0, 3).map((id) => running(world.client, id)));
    const next = await start(world.client, "SELECT 1");
    await Promise.all(
      blocking.map((id) => world.client.send(new StopQueryExecutionCommand({ QueryExecutionId: id }))),
    );
    expect((await outcome(world.client, next)).Status?.State).toBe("SUCCEEDED");
    for (const id of blocking) {
      expect((await outcome(world.client, id)).Status).toMatchObject({ State: "CANCELLED" });
    }
  });

  it("closing stops what runs", async () => {
    const id = await start(world.client, endless);
    await running(world.client, id);
    await world.restart();
    expect((await outcome(world.client, id)).Status?.State).toBe("CANCELLED");
  });
});

describe("unruly clients", () => {
  const raw = (bytes: string): Promise<void> =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(world.athena.endpoint);
      const socket = connect(Number(port), hostname, () => {
        socket.write(bytes);
        setTimeout(() => socket.destroy(), 20);
      });
      socket.on("close", () => resolve());
      socket.on("error", () => resolve());
    });

  it("an aborted request, garbage and unknown operations leave the service alive", async () => {
    const head =
      "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonAthena.StartQueryExecution\r\nContent-Length: 100\r\n\r\n";
    await Promise.all([
      raw(`${head}{"Query`),
      raw("\u0000\u0001\u0002\r\n\r\n"),
      raw("GET / HTTP/1.1\r\n\r\n"),
    ]);
    const post = (target: string, body: string) =>
      fetch(world.athena.endpoint, {
        method: "POST",
        headers: { "X-Amz-Target": `AmazonAthena.${target}` },
        body,
      });
    for (const [target, body] of [
      ["StartQueryExecution", "no json"],
      ["StartQueryExecution", "[]"],
      ["StartQueryExecution", '{"QueryString":1}'],
      ["Nothing", "{}"],
      ["GetQueryResults", '{"QueryExecutionId":"../../x"}'],
    ] as const) {
      expect((await post(target, body)).status).toBe(400);
    }
    expect((await query(world.client, "SELECT 1")).rows).toEqual([["1"]]);
    expect((await world.client.send(new ListQueryExecutionsCommand({}))).QueryExecutionIds).toHaveLength(1);
  });
});

describe("results", () => {
  it("100,000 rows come page by page, and the file appears only when it is whole", async () => {
    const rows = await query(
      world.client,
      "SELECT x + (y - 1) * 10000 FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 10)) AS b(y) ORDER BY 1",
      { ResultConfiguration: { OutputLocation: "s3://results/q" } },
    );
    expect(rows.rows).toHaveLength(100_000);
    expect(rows.rows[99_999]).toEqual(["100000"]);
    expect(readdirSync(join(world.s3Folder, "results/q"))).toEqual([
      `${rows.execution.QueryExecutionId}.csv`,
    ]);
    expect(readdirSync(join(world.s3Folder, ".athena"))).toEqual([]);
  });
});
