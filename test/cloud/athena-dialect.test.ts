/** Expressions of Trino and what Trino answers: the same SQL, the same value, or a failure that says why. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AthenaClient } from "@aws-sdk/client-athena";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningAthena, startAthena } from "../../cloud/local/athena.ts";
import { athenaClient, failure, query } from "./athena-client.ts";
import { golden } from "./athena-dialect.golden.ts";

const folder = mkdtempSync(join(tmpdir(), "athena-dialect-"));
let athena: RunningAthena;
let client: AthenaClient;

beforeAll(async () => {
  athena = await startAthena({ folder: join(folder, "athena"), s3Folder: join(folder, "s3"), threads: 1 });
  client = athenaClient(athena.endpoint);
});
afterAll(async () => {
  client.destroy();
  await athena.close();
  rmSync(folder, { recursive: true });
});

describe("expressions mean what they mean in Trino", () => {
  for (const [subject, expressions] of Object.entries(golden)) {
    it(`of ${subject}`, async () => {
      const { rows, types } = await query(client, `SELECT ${expressions.map(([sql]) => sql).join(", ")}`);
      const answers = expressions.map(([sql], index) => [sql, types[index], rows[0]?.[index]]);
      expect(answers).toEqual(expressions);
    });
  }
});

const data = "(VALUES (1, 'a', 1e0), (2, 'b', nan()), (NULL, 'b', 3e0), (4, NULL, -1e0)) AS t(n, s, d)";

/** Query and rows. */
const queries: readonly (readonly [string, readonly (readonly (string | null)[])[]])[] = [
  [
    `SELECT count(*), count(n), sum(n), avg(n), min(s), max(s) FROM ${data}`,
    [["4", "3", "7", "2.3333333333333335", "a", "b"]],
  ],
  [`SELECT max(d), min(d) FROM ${data}`, [["3.0", "-1.0"]]],
  [
    `SELECT count_if(n > 1), count(*) FILTER (WHERE s = 'b'), count(DISTINCT s) FROM ${data}`,
    [["2", "2", "2"]],
  ],
  [`SELECT array_agg(n ORDER BY n DESC) FROM ${data}`, [["[4, 2, 1, null]"]]],
  [`SELECT max_by(s, n), min_by(s, n) FROM ${data}`, [[null, "a"]]],
  [`SELECT approx_distinct(s), approx_percentile(n, 0.5) FILTER (WHERE n < 9) FROM ${data}`, [["2", "2"]]],
  [`SELECT bool_and(n > 0), bool_or(n > 3) FROM ${data}`, [["true", "true"]]],
  [`SELECT sum(n), array_agg(n), count(*) FROM ${data} WHERE n > 9`, [[null, null, "0"]]],
  [`SELECT element_at(array_agg(n), 0) FROM ${data} WHERE n > 9`, [[null]]],
  [`SELECT n FROM ${data} ORDER BY n`, [["1"], ["2"], ["4"], [null]]],
  [`SELECT n FROM ${data} ORDER BY n DESC`, [["4"], ["2"], ["1"], [null]]],
  [`SELECT n FROM ${data} ORDER BY n DESC NULLS FIRST LIMIT 2`, [[null], ["4"]]],
  [`SELECT n FROM ${data} ORDER BY 1 OFFSET 1 LIMIT 2`, [["2"], ["4"]]],
  [`SELECT -n AS n FROM ${data} ORDER BY n`, [["-4"], ["-2"], ["-1"], [null]]],
  [`SELECT DISTINCT s FROM ${data} ORDER BY s`, [["a"], ["b"], [null]]],
  [`SELECT s, sum(n) FROM ${data} GROUP BY 1 HAVING count(*) > 1`, [["b", "2"]]],
  [
    `SELECT s, grouping(s), sum(n) FROM ${data} GROUP BY GROUPING SETS ((s), ()) ORDER BY 2, 1`,
    [
      ["a", "0", "1"],
      ["b", "0", "2"],
      [null, "0", "4"],
      [null, "1", "7"],
    ],
  ],
  [
    `SELECT s, count(*) FROM ${data} GROUP BY ROLLUP (s) ORDER BY 2, 1`,
    [
      ["a", "1"],
      [null, "1"],
      ["b", "2"],
      [null, "4"],
    ],
  ],
  [
    "SELECT n, m FROM UNNEST(ARRAY[1, 2]) AS a(n) CROSS JOIN UNNEST(ARRAY['x', 'y']) AS b(m) ORDER BY 1, 2",
    [
      ["1", "x"],
      ["1", "y"],
      ["2", "x"],
      ["2", "y"],
    ],
  ],
  [
    "SELECT v, i FROM (VALUES (ARRAY[7, 8])) AS t(list) CROSS JOIN UNNEST(list) WITH ORDINALITY AS u(v, i) ORDER BY i",
    [
      ["7", "1"],
      ["8", "2"],
    ],
  ],
  [
    `WITH a AS (SELECT n FROM ${data}), b(m) AS (SELECT n + 1 FROM a) SELECT sum(a.n), sum(b.m) FROM a, b WHERE a.n = b.m`,
    [["2", "2"]],
  ],
  [
    `SELECT t.s, u.n FROM ${data} LEFT JOIN (VALUES (1, 10)) AS u(k, n) ON t.n = u.k WHERE t.n < 3 ORDER BY 1`,
    [
      ["a", "10"],
      ["b", null],
    ],
  ],
  ["SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1", [["1.0"], ["2.5"]]],
  ["SELECT 1 UNION SELECT 1", [["1"]]],
  ["(SELECT 1 UNION ALL SELECT 2) EXCEPT SELECT 2", [["1"]]],
  [`SELECT n FROM ${data} WHERE n IN (SELECT max(n) FROM ${data})`, [["4"]]],
  [
    `SELECT n, (SELECT max(k) FROM (VALUES (1), (2)) AS v(k) WHERE k <= n) FROM ${data} WHERE n < 3 ORDER BY 1`,
    [
      ["1", "1"],
      ["2", "2"],
    ],
  ],
  [`SELECT n FROM ${data} WHERE EXISTS (SELECT 1 FROM (VALUES (4)) AS v(k) WHERE k = n)`, [["4"]]],
  [
    `SELECT n, row_number() OVER (ORDER BY n), lag(n) OVER (ORDER BY n), sum(n) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM ${data} ORDER BY n`,
    [
      ["1", "1", null, "1"],
      ["2", "2", "1", "3"],
      ["4", "3", "2", "7"],
      [null, "4", "4", "7"],
    ],
  ],
  ["SELECT sum(x) FROM (VALUES (9007199254740993), (1)) AS t(x)", [["9007199254740994"]]],
  ["SELECT 1 -- a ? comment\n /* and 'another */", [["1"]]],
];

describe("queries mean what they mean in Trino", () => {
  it.each(queries)("%s", async (sql, rows) => {
    expect((await query(client, sql)).rows).toEqual(rows);
  });

  it("names columns without an alias by their position", async () => {
    const { columns } = await query(client, "SELECT 1, 2 AS b, 3");
    expect(columns).toEqual(["_col0", "b", "_col2"]);
  });
});

/** Statements that Athena refuses too, and what the reason says. */
const refusedByAthena: readonly (readonly [string, string])[] = [
  ["SELECT 1 / 0", "DIVISION_BY_ZERO"],
  ["SELECT 1 % 0", "DIVISION_BY_ZERO"],
  ["SELECT CAST(9223372036854775807 AS bigint) + 1", "NUMERIC_VALUE_OUT_OF_RANGE"],
  ["SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) AS t(x)", "NUMERIC_VALUE_OUT_OF_RANGE"],
  ["SELECT 2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"],
  ["SELECT CAST('1.5' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to bigint"],
  ["SELECT CAST(300 AS tinyint)", "OUT_OF_RANGE"],
  ["SELECT element_at(ARRAY[1], 0)", "indices start at 1"],
  ["SELECT ARRAY[1][2]", "INVALID_FUNCTION_ARGUMENT"],
  ["SELECT 'a' = 1", "TYPE_MISMATCH"],
  ["SELECT TIMESTAMP '2001-01-01 00:00:00' >= '2001-01-01'", "TYPE_MISMATCH"],
  ["SELECT 1 + 'a'", "TYPE_MISMATCH"],
  ["SELECT 'a' || 1", "TYPE_MISMATCH"],
  ["SELECT CASE WHEN true THEN 1 ELSE 'a' END", "TYPE_MISMATCH"],
  ["SELECT 1 UNION ALL SELECT 'a'", "TYPE_MISMATCH"],
  ["SELECT a AS b, b + 1 FROM (VALUES (1)) AS t(a)", "COLUMN_NOT_FOUND: line 1:16: Column 'b'"],
  ["SELECT a + 1 AS b FROM (VALUES (1)) AS t(a) GROUP BY b", "COLUMN_NOT_FOUND"],
  ["SELECT a + 1 AS b FROM (VALUES (1)) AS t(a) WHERE b = 2", "COLUMN_NOT_FOUND"],
  ["SELECT a FROM (VALUES (1)) AS t(a), (VALUES (2)) AS u(a)", "AMBIGUOUS_NAME"],
  ["SELECT (SELECT x FROM (VALUES (1), (2)) AS t(x))", "SUBQUERY_MULTIPLE_ROWS"],
  ["SELECT * FROM nothing", "TABLE_NOT_FOUND"],
  ["SELECT * FROM nowhere.nothing", "SCHEMA_NOT_FOUND"],
  ["SELECT date_trunc('hour', DATE '2001-01-01')", "not a valid date field"],
  ["SELECT 1 LIMIT 1 OFFSET 2", "Write OFFSET before LIMIT"],
  ["SELECT CAST(1 AS string)", "a cast to string"],
  ["SELECT 1::bigint", "SYNTAX_ERROR"],
  ["SELECT E'\\n'", "SYNTAX_ERROR"],
  ["SELECT `a` FROM (VALUES (1)) AS t(a)", "SYNTAX_ERROR"],
  ["SELECT a, FROM (VALUES (1)) AS t(a)", "SYNTAX_ERROR"],
  ["SELECT 1; SELECT 2", "SYNTAX_ERROR"],
  ["SELECT 1_000", "SYNTAX_ERROR"],
  [
    'SELECT rollup FROM (VALUES (1)) AS t("rollup")',
    'SYNTAX_ERROR: the reserved word rollup as a name is not Trino SQL. Write "rollup"',
  ],
  ["SELECT $$a$$", "SYNTAX_ERROR"],
  ["FROM (VALUES (1))", "NOT_SUPPORTED"],
];

/** What only this engine refuses: DuckDB's own language, and parts of Trino that were not settled. */
const refusedHere: readonly string[] = [
  "SELECT list_transform([1], x -> x + 1)",
  "SELECT array_sort(ARRAY[1], (a, b) -> 1)",
  "SELECT current_setting('threads')",
  "SELECT getenv('HOME')",
  "SELECT version()",
  "SELECT hash(1)",
  "SELECT string_agg('a', 'b')",
  "SELECT median(1)",
  "SELECT 1.5 / 2",
  "SELECT CAST(1e0 AS varchar)",
  "SELECT avg(1.5)",
  "SELECT to_days(1)",
  "SELECT round(1.25, 1)",
  "SELECT TIMESTAMP '2001-01-01 00:00:00' AT TIME ZONE 'Europe/Berlin'",
  "SELECT * EXCLUDE (a) FROM (VALUES (1, 2)) AS t(a, b)",
  "SELECT COLUMNS('a') FROM (VALUES (1)) AS t(a)",
  "SELECT DISTINCT ON (a) a FROM (VALUES (1)) AS t(a)",
  "SELECT a FROM (VALUES (1)) AS t(a) GROUP BY ALL",
  "SELECT ROW(1, 2)",
  "SELECT 'a' COLLATE nocase",
  "SELECT x[1:2] FROM (VALUES (ARRAY[1])) AS t(x)",
  "SELECT a FROM (VALUES (1)) AS t(a) JOIN (VALUES (1)) AS u(a) USING (a)",
  "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t",
];

describe("what has another meaning or none fails with a reason", () => {
  it.each(refusedByAthena)("%s", async (sql, reason) => {
    expect(await failure(client, sql)).toContain(reason);
  });

  it.each(refusedHere)("%s", async (sql) => {
    expect(await failure(client, sql)).toMatch(/NOT_SUPPORTED|SYNTAX_ERROR|TABLE_NOT_FOUND/);
  });

  it("a function that is not on the list is named", async () => {
    expect(await failure(client, "SELECT levenshtein_distance('a', 'b')")).toContain(
      "not supported by the embedded Athena: function levenshtein_distance",
    );
  });
});

describe("values survive the way through SQL, DuckDB and the result file", () => {
  const strings = fc
    .string({ unit: "binary", maxLength: 40 })
    .filter((value) => !/[\p{Cs}\p{Cc}]/u.test(value));
  const literalOf = (value: string): string => `'${value.replaceAll("'", "''")}'`;

  it("strings, as literals and as parameters", async () => {
    await fc.assert(
      fc.asyncProperty(strings, strings, async (value, other) => {
        const sql = `SELECT ${literalOf(value)} AS a, x FROM (VALUES (${literalOf(other)})) AS t(x) WHERE x = ? AND '?' <> ?`;
        const { rows } = await query(client, sql, { ExecutionParameters: [literalOf(other), "'!'"] });
        expect(rows).toEqual([[value, other]]);
      }),
      { numRuns: 40 },
    );
  });

  it("doubles, in the shortest digits that read back as the same", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 }),
        async (values) => {
          const list = values
            .map((value) => `(CAST('${Object.is(value, -0) ? "-0" : value}' AS double))`)
            .join(", ");
          const { rows } = await query(client, `SELECT x FROM (VALUES ${list}) AS t(x)`);
          expect(rows.map(([text]) => Number(text))).toEqual(values);
        },
      ),
      { numRuns: 20 },
    );
  });
});
