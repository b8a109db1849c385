/** The lake under the embedded Athena: the bytes that a statement scans, and how the files of a table are read. */
import {
  CreateWorkGroupCommand,
  GetQueryExecutionCommand,
  StopQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import { beforeEach, describe, expect, it } from "vitest";
import { failure, outcome, query, start } from "./athena-client.ts";
import { athenaWorld } from "./athena.world.ts";

const world = athenaWorld();

async function compressedBytes(path: string, ...columns: string[]): Promise<number> {
  if (columns.length === 0) return 0;
  const names = columns.map((column) => `'${column}'`).join(", ");
  const reader = await world.duckdb.runAndReadAll(
    `SELECT coalesce(sum(total_compressed_size), 0)::DOUBLE FROM parquet_metadata('${path}') WHERE path_in_schema IN (${names})`,
  );
  return Number(reader.value(0, 0));
}

const scanned = async (sql: string): Promise<number> =>
  (await query(world.client, sql)).execution.Statistics?.DataScannedInBytes ?? -1;

describe("bytes scanned", () => {
  const days = ["2001-01-01", "2001-01-02", "2001-01-03"] as const;
  const paths = new Map<string, string>();

  beforeEach(async () => {
    for (const [index, day] of days.entries()) {
      const rows = `SELECT range AS n, 'k' || (range * ${index + 7}) AS k, range * 1.5 AS x FROM range(${1000 * (index + 1)})`;
      paths.set(
        day,
        await world.parquet(`lake/t/day=${day}/a.parquet`, `SELECT n, k, x::DOUBLE AS x FROM (${rows})`),
      );
    }
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (n bigint, k string, x double) PARTITIONED BY (day string) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    await query(world.client, "MSCK REPAIR TABLE t");
  });

  const bytes = async (chosen: readonly (typeof days)[number][], ...columns: string[]): Promise<number> => {
    const sizes = await Promise.all(chosen.map((day) => compressedBytes(paths.get(day) ?? "", ...columns)));
    return sizes.reduce((sum, size) => sum + size, 0);
  };

  const [first, second, third] = days;
  it.each<[string, readonly (typeof days)[number][], readonly string[]]>([
    ["SELECT count(*) FROM t", days, []],
    ["SELECT sum(n) FROM t", days, ["n"]],
    ["SELECT * FROM t", days, ["n", "k", "x"]],
    ["SELECT day, count(*) FROM t GROUP BY 1", days, []],
    [`SELECT sum(n) FROM t WHERE day = '${first}'`, [first], ["n"]],
    [`SELECT sum(n) FROM t WHERE "DAY" IN ('${first}', '${third}', 'x')`, [first, third], ["n"]],
    [`SELECT sum(n) FROM t WHERE day BETWEEN '${second}' AND '9'`, [second, third], ["n"]],
    [`SELECT sum(n) FROM t WHERE day > '${first}' AND day < '${third}' AND x > 5e0`, [second], ["n", "x"]],
    [`SELECT sum(n) FROM t WHERE NOT day >= '${second}'`, [first], ["n"]],
    [`SELECT sum(n) FROM t WHERE CAST(day AS date) = DATE '${second}'`, [second], ["n"]],
    [`SELECT sum(n) FROM t WHERE day LIKE '%3'`, [third], ["n"]],
    [`SELECT sum(n) FROM t WHERE day = '${first}' OR (day = '${second}' AND n > 5)`, [first, second], ["n"]],
    [`SELECT sum(n) FROM t WHERE day = '${first}' OR n > 5`, days, ["n"]],
    [`SELECT sum(m) FROM (SELECT n AS m, k, day AS d FROM t) WHERE d = '${second}'`, [second], ["n"]],
    [`WITH a AS (SELECT * FROM t) SELECT sum(n) FROM a WHERE day = '${second}'`, [second], ["n"]],
    [
      `SELECT c FROM (SELECT day, sum(n) AS c, max(k) AS e FROM t GROUP BY day) WHERE day = '${third}'`,
      [third],
      ["n"],
    ],
    [`SELECT sum(n) FROM (SELECT * FROM t LIMIT 3) WHERE day = '${third}'`, days, ["n"]],
    [
      `SELECT q, count(k) FROM t CROSS JOIN UNNEST(ARRAY[1, 2]) AS u(q) WHERE day = '${first}' AND ((q = 1 AND n > 3) OR (q = 2 AND k = 'k')) GROUP BY 1`,
      [first],
      ["n", "k"],
    ],
    [`SELECT sum(n) FROM t WHERE day = 'never'`, [], ["n"]],
    [
      `SELECT n FROM t WHERE day = '${first}' UNION ALL SELECT n FROM t WHERE day = '${second}'`,
      [first, second],
      ["n"],
    ],
    [
      `SELECT n FROM (SELECT n, day FROM t UNION ALL SELECT n + 1, day FROM t) WHERE day = '${first}'`,
      [first, first],
      ["n"],
    ],
    [`SELECT sum(n) FROM t WHERE day = (SELECT max(day) FROM t)`, days, ["n"]],
    [
      `SELECT sum(a.n) FROM t a JOIN t b ON a.n = b.n AND b.day = '${second}' WHERE a.day = '${first}'`,
      [first, second],
      ["n"],
    ],
    [
      `SELECT sum(a.n) FROM t a LEFT JOIN t b ON a.n = b.n WHERE a.day = '${first}' AND b.day = '${second}'`,
      [first, ...days],
      ["n"],
    ],
    [
      `WITH a AS (SELECT n FROM t WHERE day = '${first}') SELECT count(*) FROM a x JOIN a y ON x.n = y.n`,
      [first, first],
      ["n"],
    ],
  ])("%s", async (sql, chosen, columns) => {
    expect(await scanned(sql)).toBe(await bytes(chosen, ...columns));
  });

  it("pruning changes what is read, not what is answered", async () => {
    const { rows } = await query(
      world.client,
      "SELECT day, count(*) FROM t WHERE day IN ('2001-01-02', '2001-01-03') AND n < 10 OR day = '2001-01-01' GROUP BY 1 ORDER BY 1",
    );
    expect(rows).toEqual([
      ["2001-01-01", "1000"],
      ["2001-01-02", "10"],
      ["2001-01-03", "10"],
    ]);
  });

  it("counts the source of an UNLOAD", async () => {
    const sql = `UNLOAD (SELECT n, day FROM t WHERE day <> '${first}') TO 's3://lake/out/' WITH (format = 'PARQUET', partitioned_by = ARRAY['day'])`;
    expect(await scanned(sql)).toBe(await bytes([second, third], "n"));
  });

  it("above the workgroup's limit the statement is cancelled before it runs", async () => {
    await world.parquet(
      "lake/big/a.parquet",
      "SELECT hash(range)::UBIGINT::VARCHAR AS h FROM range(1200000)",
    );
    await query(
      world.client,
      "CREATE EXTERNAL TABLE big (h string) STORED AS PARQUET LOCATION 's3://lake/big/'",
    );
    await world.client.send(
      new CreateWorkGroupCommand({
        Name: "small",
        Configuration: { BytesScannedCutoffPerQuery: 10_000_000 },
      }),
    );
    const run = async (sql: string) =>
      outcome(world.client, await start(world.client, sql, { WorkGroup: "small" }));
    const stopped = await run("SELECT max(h) FROM big");
    expect(stopped.Status).toMatchObject({
      State: "CANCELLED",
      StateChangeReason: expect.stringContaining("Bytes scanned limit was exceeded"),
    });
    expect(stopped.Statistics?.DataScannedInBytes).toBeGreaterThan(10_000_000);
    expect((await run("SELECT count(*) FROM big")).Status?.State).toBe("SUCCEEDED");
  });
});

describe("a statement that runs", () => {
  it("tells what it has scanned so far, and what is stopped has scanned no more", async () => {
    const path = await world.parquet(
      "lake/long/a.parquet",
      "SELECT hash(range)::UBIGINT::VARCHAR AS h FROM range(2000000)",
    );
    await query(
      world.client,
      "CREATE EXTERNAL TABLE long (h string) STORED AS PARQUET LOCATION 's3://lake/long/'",
    );
    // so much to do with every row that it takes a while
    const sql = "SELECT count(*) FROM long WHERE regexp_like(h || h || h || h, '(1.*2.*)+(3.*4.*)+5.*x')";
    const id = await start(world.client, sql);
    const all = await compressedBytes(path, "h");
    let seen = 0;
    while (seen === 0) {
      const { QueryExecution } = await world.client.send(
        new GetQueryExecutionCommand({ QueryExecutionId: id }),
      );
      seen = QueryExecution?.Statistics?.DataScannedInBytes ?? 0;
    }
    expect(seen).toBeLessThan(all);
    await world.client.send(new StopQueryExecutionCommand({ QueryExecutionId: id }));
    const { Status, Statistics } = await outcome(world.client, id);
    expect(Status?.State).toBe("CANCELLED");
    expect(Statistics?.DataScannedInBytes).toBeGreaterThanOrEqual(seen);
    expect(Statistics?.DataScannedInBytes).toBeLessThan(all);
  });
});

describe("the files of a table", () => {
  it("columns are read by name, missing ones are NULL, hidden files are not seen", async () => {
    await world.parquet("lake/t/day=a/1.parquet", "SELECT 1::BIGINT AS n, 'x' AS \"Cost Total $\"");
    await world.parquet(
      "lake/t/day=b/[odd] name*?.parquet",
      "SELECT 'y' AS \"Cost Total $\", 9 AS unknown, 2::INTEGER AS n",
    );
    await world.parquet("lake/t/day=b/deeper/day=zz/3.parquet", "SELECT 'z' AS \"Cost Total $\"");
    await world.parquet("lake/t/day=b/_hidden.parquet", "SELECT 99::BIGINT AS n");
    await world.parquet("lake/t/day=b/_temporary/4.parquet", "SELECT 99::BIGINT AS n");
    await world.parquet("lake/t/day=unregistered/5.parquet", "SELECT 99::BIGINT AS n");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (`Cost Total $` string, n bigint) PARTITIONED BY (`day` string) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    await query(
      world.client,
      "ALTER TABLE t ADD PARTITION (day='a') PARTITION (day='b') PARTITION (day='empty')",
    );
    const { rows } = await query(world.client, 'SELECT n, "cost total $", "Day" FROM t ORDER BY 2');
    expect(rows).toEqual([
      ["1", "x", "a"],
      ["2", "y", "b"],
      [null, "z", "b"],
    ]);
  });

  it("a type that does not fit the declaration is refused, not converted", async () => {
    await world.parquet("lake/t/1.parquet", "SELECT 'x' AS n, 1 AS m");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (n bigint, m int) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    expect(await failure(world.client, "SELECT n FROM t")).toContain("HIVE_BAD_DATA: Field n's type VARCHAR");
    expect((await query(world.client, "SELECT m FROM t")).rows).toEqual([["1"]]);
  });

  it("zero is found whatever its sign, also where a bloom filter knows the other one only", async () => {
    await world.parquet(
      "lake/z/a.parquet",
      "SELECT CAST(['-0', '0', '1.5'][1 + i % 3] AS DOUBLE) AS x FROM range(300) AS r(i)",
    );
    await query(world.client, "CREATE EXTERNAL TABLE z (x double) STORED AS PARQUET LOCATION 's3://lake/z/'");
    for (const condition of ["x = 0e0", "x IN (0e0)", "x = -0e0", "0e0 = x", "x NOT IN (1.5e0)"]) {
      const { rows } = await query(world.client, `SELECT count(*) FROM z WHERE ${condition}`);
      expect([condition, rows]).toEqual([condition, [["200"]]]);
    }
  });

  it("timestamps are rounded to milliseconds", async () => {
    await world.parquet("lake/t/1.parquet", "SELECT TIMESTAMP '2001-01-01 00:00:00.0015' AS ts");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (ts timestamp) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    expect(
      (await query(world.client, "SELECT ts, ts = TIMESTAMP '2001-01-01 00:00:00.002' FROM t")).rows,
    ).toEqual([["2001-01-01 00:00:00.002", "true"]]);
  });

  it("timestamps beyond the years of nanoseconds are read as they are", async () => {
    await world.parquet(
      "lake/t/1.parquet",
      "SELECT TIMESTAMP '0001-01-01 00:00:00' AS ts, TIMESTAMP '9999-12-31 23:59:59.999' AS later",
    );
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (ts timestamp, later timestamp) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    expect((await query(world.client, "SELECT ts, later FROM t")).rows).toEqual([
      ["0001-01-01 00:00:00.000", "9999-12-31 23:59:59.999"],
    ]);
  });

  it("parts of a microsecond are rounded too", async () => {
    await world.parquet("lake/t/1.parquet", "SELECT TIMESTAMP_NS '2001-01-01 00:00:00.001000001' AS ts");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (ts timestamp) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    expect(
      (await query(world.client, "SELECT ts = TIMESTAMP '2001-01-01 00:00:00.001' FROM t")).rows,
    ).toEqual([["true"]]);
  });

  it("a file that is replaced is read anew", async () => {
    await world.parquet("lake/t/1.parquet", "SELECT 1::BIGINT AS n");
    await query(world.client, "CREATE EXTERNAL TABLE t (n bigint) STORED AS PARQUET LOCATION 's3://lake/t/'");
    expect((await query(world.client, "SELECT sum(n) FROM t")).rows).toEqual([["1"]]);
    await world.parquet("lake/t/1.parquet", "SELECT range AS n FROM range(100)");
    expect((await query(world.client, "SELECT sum(n) FROM t")).rows).toEqual([["4950"]]);
  });

  it("a table without partitions moves to another folder as a whole", async () => {
    await world.parquet("lake/t/1.parquet", "SELECT 1::BIGINT AS n");
    await world.parquet("lake/versions/7/1.parquet", "SELECT 7::BIGINT AS n");
    await query(world.client, "CREATE EXTERNAL TABLE t (n bigint) STORED AS PARQUET LOCATION 's3://lake/t/'");
    await query(world.client, "ALTER TABLE t SET LOCATION 's3://lake/versions/7/'");
    expect((await query(world.client, "SELECT n FROM t")).rows).toEqual([["7"]]);
    expect(await failure(world.client, "ALTER TABLE t SET LOCATION 'elsewhere'")).toContain(
      "INVALID_LOCATION",
    );
  });

  it("a partition moves to another folder as a whole", async () => {
    await world.parquet("lake/t/day=a/1.parquet", "SELECT 1::BIGINT AS n");
    await world.parquet("lake/versions/7/day=b/1.parquet", "SELECT 7::BIGINT AS n");
    await query(
      world.client,
      "CREATE EXTERNAL TABLE t (n bigint) PARTITIONED BY (day string) STORED AS PARQUET LOCATION 's3://lake/t/'",
    );
    await query(world.client, "ALTER TABLE t ADD PARTITION (day='a')");
    await query(world.client, "ALTER TABLE t PARTITION (day='a') SET LOCATION 's3://lake/versions/7/'");
    await world.restart();
    expect((await query(world.client, "SELECT n, day FROM t")).rows).toEqual([["7", "a"]]);
  });
});
