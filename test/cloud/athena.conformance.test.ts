/**
 * What the embedded Athena and the real one have in common: executions, results, parameters and the two statements of
 * the gateway. Against AWS: `SLUICE_CONFORMANCE=aws`, the default credential chain and `SLUICE_CONFORMANCE_BUCKET`, a
 * bucket in which a prefix is used and emptied.
 */
import { randomUUID } from "node:crypto";
import { dirname } from "node:path";
import {
  BatchGetQueryExecutionCommand,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  GetQueryRuntimeStatisticsCommand,
  InvalidRequestException,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ask } from "./athena-client.ts";
import { type AthenaTarget, onAws, openTarget } from "./athena.target.ts";

let target: AthenaTarget;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(() => target.close());
const start = (sql: string, ask?: Ask) => target.start(sql, ask);
const query = (sql: string, ask?: Ask) => target.query(sql, ask);
const failure = (sql: string, ask?: Ask) => target.failure(sql, ask);
const finished = (sql: string, ask?: Ask) => target.finished(sql, ask);

describe("an execution", () => {
  it("succeeds with its statistics, its result file and its context", async () => {
    const execution = await finished("SELECT sum(delay) FROM flights");
    expect(execution).toMatchObject({
      Query: "SELECT sum(delay) FROM flights",
      StatementType: "DML",
      QueryExecutionContext: { Database: target.database },
      ResultConfiguration: { OutputLocation: `${target.root}results/${execution.QueryExecutionId}.csv` },
      Status: {
        State: "SUCCEEDED",
        SubmissionDateTime: expect.any(Date),
        CompletionDateTime: expect.any(Date),
      },
    });
    expect(execution.Statistics?.DataScannedInBytes).toBeGreaterThan(0);
    expect(execution.Statistics?.TotalExecutionTimeInMillis).toBeGreaterThanOrEqual(
      execution.Statistics?.EngineExecutionTimeInMillis ?? 0,
    );
    expect(await target.list("results/")).toContain(`results/${execution.QueryExecutionId}.csv`);
    const { QueryRuntimeStatistics } = await target.client.send(
      new GetQueryRuntimeStatisticsCommand({ QueryExecutionId: execution.QueryExecutionId }),
    );
    expect(QueryRuntimeStatistics?.Timeline?.TotalExecutionTimeInMillis).toBe(
      execution.Statistics?.TotalExecutionTimeInMillis,
    );
  });

  it("fails with a reason and an error of the user", async () => {
    const execution = await finished("SELECT dely FROM flights");
    expect(execution.Status).toMatchObject({
      State: "FAILED",
      AthenaError: { ErrorCategory: 2, Retryable: false },
    });
    expect(execution.Status?.StateChangeReason).toContain(
      "COLUMN_NOT_FOUND: line 1:8: Column 'dely' cannot be resolved",
    );
  });

  it("of a failed statement has no results", async () => {
    const { QueryExecutionId } = await finished("SELECT 1 / 0");
    await expect(target.client.send(new GetQueryResultsCommand({ QueryExecutionId }))).rejects.toBeInstanceOf(
      InvalidRequestException,
    );
  });

  it("is one for one ClientRequestToken, which belongs to one statement", async () => {
    const ClientRequestToken = randomUUID();
    const [first, second] = await Promise.all([
      start("SELECT 1", { ClientRequestToken }),
      start("SELECT 1", { ClientRequestToken }),
    ]);
    expect(second).toBe(first);
    expect(await start("SELECT 1", { ClientRequestToken })).toBe(first);
    await expect(start("SELECT 2", { ClientRequestToken })).rejects.toBeInstanceOf(InvalidRequestException);
  });

  it("that is over is not changed by a stop", async () => {
    const { QueryExecutionId } = await finished("SELECT 1");
    await target.client.send(new StopQueryExecutionCommand({ QueryExecutionId }));
    const { QueryExecution } = await target.client.send(new GetQueryExecutionCommand({ QueryExecutionId }));
    expect(QueryExecution?.Status?.State).toBe("SUCCEEDED");
  });

  it("is found in a batch, strangers are listed", async () => {
    const ids = [await start("SELECT 1"), await start("SELECT 2")];
    const stranger = randomUUID();
    const batch = await target.client.send(
      new BatchGetQueryExecutionCommand({ QueryExecutionIds: [...ids, stranger] }),
    );
    expect(batch.QueryExecutions?.map((execution) => execution.QueryExecutionId).sort()).toEqual(
      [...ids].sort(),
    );
    expect(batch.UnprocessedQueryExecutionIds?.map((failed) => failed.QueryExecutionId)).toEqual([stranger]);
  });

  it("of an unknown id or in an unknown workgroup is an invalid request", async () => {
    const unknown = new GetQueryExecutionCommand({ QueryExecutionId: randomUUID() });
    await expect(target.client.send(unknown)).rejects.toBeInstanceOf(InvalidRequestException);
    await expect(start("SELECT 1", { WorkGroup: "no-such-group" })).rejects.toBeInstanceOf(
      InvalidRequestException,
    );
  });
});

describe("results", () => {
  it("begin with a header, name types as Trino does and leave NULL out", async () => {
    const { QueryExecutionId } = await finished(
      `SELECT "date", delay, origin, CAST(NULL AS bigint) AS missing, 1e0 AS x, 0.90 AS d, true AS t, DATE '2001-01-01' AS day
       FROM flights WHERE day = '2001-01-01' ORDER BY 1 LIMIT 1`,
    );
    const { ResultSet } = await target.client.send(new GetQueryResultsCommand({ QueryExecutionId }));
    expect(ResultSet?.ResultSetMetadata?.ColumnInfo?.map(({ Name, Type }) => `${Name} ${Type}`)).toEqual([
      "date timestamp",
      "delay integer",
      "origin varchar",
      "missing bigint",
      "x double",
      "d decimal",
      "t boolean",
      "day date",
    ]);
    expect(ResultSet?.Rows?.map((row) => row.Data?.map((datum) => datum.VarCharValue))).toEqual([
      ["date", "delay", "origin", "missing", "x", "d", "t", "day"],
      ["2001-01-01 00:00:00.000", "-1", "AAA", undefined, "1.0", "0.90", "true", "2001-01-01"],
    ]);
  });

  it("come in pages of at most MaxResults rows, the header among the first", async () => {
    const { QueryExecutionId } = await finished("SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x");
    const sizes: number[] = [];
    const values: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await target.client.send(
        new GetQueryResultsCommand({ QueryExecutionId, NextToken, MaxResults: 1000 }),
      );
      sizes.push(page.ResultSet?.Rows?.length ?? 0);
      for (const row of page.ResultSet?.Rows ?? []) values.push(row.Data?.[0]?.VarCharValue ?? "");
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    expect(sizes).toEqual([1000, 1000, 501]);
    expect(values).toEqual(["x", ...Array.from({ length: 2500 }, (_, index) => String(index + 1))]);
    const tooMany = new GetQueryResultsCommand({ QueryExecutionId, MaxResults: 1001 });
    await expect(target.client.send(tooMany)).rejects.toBeInstanceOf(InvalidRequestException);
  });

  it("of no rows are the header alone", async () => {
    expect((await query("SELECT origin FROM flights WHERE day = 'never'")).rows).toEqual([]);
  });
});

describe("parameters", () => {
  it("take the place of ? in order, not in strings, identifiers and comments", async () => {
    const { rows } = await query(
      `SELECT '?' AS "?", count(*) FROM flights -- ?
       WHERE "day" >= ? AND /* ? */ origin <> '?' AND origin = ? AND delay < ? AND "date" >= ?`,
      { ExecutionParameters: ["'2001-01-02'", "'BBB'", "2", "TIMESTAMP '2001-01-01 00:00:00'"] },
    );
    expect(rows).toEqual([["?", "2"]]);
  });

  it("are values whatever they contain", async () => {
    const { rows } = await query("SELECT count(*) FROM flights WHERE origin = ?", {
      ExecutionParameters: ["'AAA'' OR ''1''=''1'"],
    });
    expect(rows).toEqual([["0"]]);
  });

  it("are as many as there are ?", async () => {
    expect(
      await failure("SELECT 1 FROM flights WHERE day = ?", { ExecutionParameters: ["'a'", "'b'"] }),
    ).toContain("expected 1 but found 2");
    expect(await failure("SELECT 1 FROM flights WHERE day = ?")).toMatch(/expected 1 but found 0/);
  });
});

// real Athena is more lenient here: it parses a parameter as an expression
describe.skipIf(onAws)("parameters that the embedded Athena is strict about", () => {
  it.each([
    "1 OR 1=1",
    "'a' 'b'",
    "'a'--",
    "'a",
    "day",
    "(1)",
    "",
    "x'00'",
    "1; DROP TABLE flights",
    "- - 1",
    "NULL NULL",
    "DATE day",
    "'" + "x".repeat(1030) + "'",
  ])("%s is not one literal", async (parameter) => {
    await expect(
      start("SELECT 1 FROM flights WHERE day = ?", { ExecutionParameters: [parameter] }),
    ).rejects.toBeInstanceOf(InvalidRequestException);
  });

  it.each([
    "'a'",
    "''",
    "'it''s'",
    "1",
    "-1",
    "1.5",
    "1e3",
    "TRUE",
    "null",
    "DATE '2001-01-01'",
    "TIMESTAMP '2001-01-01 00:00:00.000'",
    "' -- '",
  ])("%s is one literal", async (parameter) => {
    expect(
      (
        await query("SELECT count(*) FROM flights WHERE 1 = 0 AND ? IS NOT NULL", {
          ExecutionParameters: [parameter],
        })
      ).rows,
    ).toEqual([["0"]]);
  });

  it.each([
    "SELECT ? FROM flights",
    "SELECT count(*) FILTER (WHERE delay = ?) FROM flights",
    "SELECT count(*) FROM flights GROUP BY origin HAVING count(*) > ?",
    "SELECT * FROM flights ORDER BY ?",
    "SELECT * FROM flights LIMIT ?",
    "SELECT * FROM flights a JOIN flights b ON a.delay = ?",
    "SELECT * FROM (SELECT ? AS x FROM flights WHERE delay = 1)",
  ])("%s is refused: ? stands in WHERE only", async (sql) => {
    expect(await failure(sql, { ExecutionParameters: ["1"] })).toContain("WHERE clause only");
  });
});

describe("the two statements of the gateway", () => {
  it("mixed questions in one scan", async () => {
    const { rows } = await query(
      `SELECT n, count(*) AS c0, sum("delay") AS c1, element_at(array_sort(array_agg("delay") FILTER (WHERE "delay" IS NOT NULL)), CAST(ceil(0.9 * count("delay")) AS bigint)) AS c2,
         count(DISTINCT "destination") AS c3, date_trunc('day', "date") AS bucket
       FROM "${target.database}"."flights" CROSS JOIN UNNEST(ARRAY[1,2,3]) AS q(n)
       WHERE "day" BETWEEN ? AND ? AND ((n = 1 AND "date" >= CAST(? AS timestamp) AND "origin" = ?) OR (n = 2 AND "delay" > 0))
       GROUP BY 1, 6 ORDER BY 1, 6`,
      { ExecutionParameters: ["'2001-01-01'", "'2001-01-02'", "'2001-01-02 00:00:00.000'", "'AAA'"] },
    );
    expect(rows).toEqual([
      ["1", "2", "0", "1", "2", "2001-01-02 00:00:00.000"],
      ["2", "2", "3", "2", "2", "2001-01-01 00:00:00.000"],
      ["2", "2", "3", "2", "2", "2001-01-02 00:00:00.000"],
    ]);
  });

  it("rollups of the finest grain unloaded by day", async () => {
    const { execution } = await query(unloadSql("gold"));
    expect(execution.Status?.State).toBe("SUCCEEDED");
    const files = await target.list("gold/");
    expect([...new Set(files.map((file) => dirname(file)))].sort()).toEqual([
      "gold/day=2001-01-01",
      "gold/day=2001-01-03",
    ]);
    await query(
      `CREATE EXTERNAL TABLE gold (\`rollup\` string, \`hour\` timestamp, origin string, c0 bigint, c1 bigint) PARTITIONED BY (day string)
       STORED AS PARQUET LOCATION '${target.root}gold/'`,
    );
    await query("MSCK REPAIR TABLE gold");
    const { rows } = await query(
      `SELECT day, "rollup", count(*), sum(c0), sum(c1), count(origin), min("hour") FROM gold GROUP BY 1, 2 ORDER BY 1, 2`,
    );
    expect(rows).toEqual([
      ["2001-01-01", "origin", "4", "4", "2", "4", "2001-01-01 00:00:00.000"],
      ["2001-01-01", "total", "4", "4", "2", "0", "2001-01-01 00:00:00.000"],
      ["2001-01-03", "origin", "4", "4", "2", "4", "2001-01-03 00:00:00.000"],
      ["2001-01-03", "total", "4", "4", "2", "0", "2001-01-03 00:00:00.000"],
    ]);
    expect(await failure(unloadSql("gold"))).toMatch(/HIVE_PATH_ALREADY_EXISTS|not empty/);
  });

  const unloadSql = (to: string): string =>
    `UNLOAD (SELECT CASE grouping("hour", "origin") WHEN 0 THEN 'origin' WHEN 1 THEN 'total' END AS "rollup", "hour", "origin", count(*) AS c0, sum("delay") AS c1, "day"
       FROM (SELECT date_trunc('hour', "date") AS "hour", "origin", "delay", "day" FROM "${target.database}"."flights" WHERE "day" IN ('2001-01-01', '2001-01-03'))
       GROUP BY GROUPING SETS (("day", "hour"), ("day", "hour", "origin")))
     TO '${target.root}${to}/' WITH (format = 'PARQUET', partitioned_by = ARRAY['day'], compression = 'SNAPPY')`;
});

it("a query string has at most 262,144 bytes", async () => {
  const command = new StartQueryExecutionCommand({
    QueryString: `SELECT '${"x".repeat(262_144)}'`,
    ResultConfiguration: { OutputLocation: `${target.root}results/` },
  });
  await expect(target.client.send(command)).rejects.toThrow(/262144|length/);
});
