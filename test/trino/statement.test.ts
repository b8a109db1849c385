/** The check of statements finds what is wrong, and the recorder hears of every statement. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { literalOf } from "./parameter.ts";
import { formsOf, problemOf, type Sent, statementProblems } from "./sent.ts";

describe("a statement's problems", () => {
  it.each([
    [`SELECT count(*) FROM "a"."b"\nWHERE "day" BETWEEN ? AND ?`],
    ["CREATE EXTERNAL TABLE IF NOT EXISTS `a`.`b` (\n  `x` bigint\n)\nSTORED AS PARQUET\nLOCATION 's3://a/'"],
    ["ALTER TABLE `a`.`b` ADD IF NOT EXISTS\nPARTITION (`day` = '2001-01-01') LOCATION 's3://a/'"],
    [
      "UNLOAD (\nSELECT \"x\" FROM \"t\"\n)\nTO 's3://a/'\nWITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['day'])",
    ],
  ])("are none of %s", (sql) => expect(statementProblems(sql)).toEqual([]));

  it.each([
    ["SELECT 1,\n  2, FROM t", "Trino's grammar refuses 2:5 "],
    ["SELECT `a` FROM t", "Trino's grammar refuses 1:7 unexpected `a`"],
    ["SELECT a FROM t WHERE b == 1", "Trino's grammar refuses 1:24 unexpected ="],
    ["SELECT a FROM t; SELECT b FROM t", "Trino's grammar refuses 1:17 unexpected SELECT"],
    ["SELECT rollup FROM t", "Trino's grammar refuses 1:7 "],
    ["SELECT 'it's' FROM t", "Trino's grammar refuses 1:"],
    ["SELECT levenshtein_distance(a, b) FROM t", "No golden results for levenshtein_distance()"],
    ["SELECT date_trunc('minute', a) FROM t", "No golden results for date_trunc('minute')"],
    ["SELECT CAST(a AS real) FROM t", "No golden results for type real"],
    ["SELECT a FROM t ORDER BY a DESC NULLS FIRST", "No golden results for SortItem DESC NULLS FIRST"],
    ["CREATE TABLE a (b int)", "Trino's grammar refuses 1:0 DDL of none of our forms"],
    ["ALTER TABLE `a`.`b` SET LOCATION 'it''s'", "Trino's grammar refuses 1:0 DDL of none of our forms"],
    ["UNLOAD (SELECT 1) TO 's3://a/'", "Trino's grammar refuses 1:0 an UNLOAD of none of our forms"],
    [
      "UNLOAD (\nSELECT 1,\n)\nTO 's3://a/'\nWITH (format = 'PARQUET', compression = 'SNAPPY', partitioned_by = ARRAY['day'])",
      "Trino's grammar refuses 2:9 ",
    ],
  ])("of %s", (sql, problem) => expect(statementProblems(sql).join("\n")).toContain(problem));

  it("name the file that sent it, once for all statements of a form", () => {
    const sent: Sent[] = [1, 2].map((n) => ({
      file: "/a/test/b.test.ts",
      sql: `SELECT bad(${n}) FROM "t${n}"`,
    }));
    expect(formsOf(sent).map(problemOf)).toEqual([
      'No golden results for bad(): add rows to test/trino/golden-*.ts, as Trino documents it\nin a statement of /a/test/b.test.ts:\nSELECT bad(1) FROM "t1"',
    ]);
  });

  it("are not looked for where a test asks the embedded Athena for nonsense", () => {
    expect(formsOf([{ file: "/a/test/cloud/athena.test.ts", sql: "SELECT nonsense" }])).toEqual([]);
  });
});

describe("a parameter", () => {
  it.each(["'it''s'", "''", "'--'", "-1", "1.5e0", "TRUE", "TIMESTAMP '2001-01-01 00:00:00.000'"])(
    "is one literal as %s",
    (text) => expect(literalOf(text)).not.toBeNull(),
  );
  it.each([
    "'a' --",
    "'a'/**/",
    "'a' 'b'",
    "'a",
    "'it's'",
    "1;",
    "1, 2",
    "a",
    "",
    " 'a'",
    "? ",
    "U&'a'",
    "1 OR 1",
  ])("is none as %s", (text) => expect(literalOf(text)).toBeNull());
});

it("the recorder hears of a statement that another process sends, though it is killed then", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-recorded-"));
  const program = `
    import { AthenaClient, StartQueryExecutionCommand } from "@aws-sdk/client-athena";
    const client = new AthenaClient({ endpoint: "http://127.0.0.1:9", region: "eu-west-1", maxAttempts: 1,
      credentials: { accessKeyId: "local", secretAccessKey: "local" } });
    await client.send(new StartQueryExecutionCommand({ QueryString: "SELECT 'ünï'" })).catch(() => process.kill(process.pid, "SIGKILL"));
  `;
  const root = fileURLToPath(new URL("../..", import.meta.url));
  expect(() =>
    execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: root,
      stdio: "pipe",
      env: {
        ...process.env,
        NODE_OPTIONS: `--import=${new URL("recorder.mjs", import.meta.url).href}`,
        SLUICE_TEST_STATEMENTS: folder,
        SLUICE_TEST_FILE: "this",
      },
    }),
  ).toThrow(/SIGKILL|Command failed/);
  const lines = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
  expect(lines).toEqual([`{"file":"this","sql":"SELECT 'ünï'"}\n`]);
  rmSync(folder, { recursive: true });
});

it("the run that this test belongs to is recorded", () => {
  expect(process.env["NODE_OPTIONS"]).toContain("test/trino/recorder.mjs");
  expect(process.env["SLUICE_TEST_FILE"]).toContain("statement.test.ts");
});
