/** UNLOAD, definitions and workgroups, on the embedded Athena or on AWS: see athena.conformance.test.ts. */
import {
  CreateWorkGroupCommand,
  DeleteWorkGroupCommand,
  GetWorkGroupCommand,
  InvalidRequestException,
} from "@aws-sdk/client-athena";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ask } from "./athena-client.ts";
import { type AthenaTarget, openTarget } from "./athena.target.ts";

let target: AthenaTarget;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(() => target.close());
const query = (sql: string, ask?: Ask) => target.query(sql, ask);
const failure = (sql: string, ask?: Ask) => target.failure(sql, ask);
const finished = (sql: string, ask?: Ask) => target.finished(sql, ask);

describe("UNLOAD", () => {
  const unload = (select: string, to: string, more = ""): string =>
    `UNLOAD (${select}) TO '${target.root}${to}/' WITH (format = 'PARQUET'${more})`;

  it("without partitions writes files and their manifest", async () => {
    const { Statistics, Status } = await finished(
      unload("SELECT delay, origin FROM flights", "plain", ", compression = 'ZSTD'"),
    );
    expect(Status?.State).toBe("SUCCEEDED");
    expect(Statistics?.DataManifestLocation).toContain(`${target.root}results/`);
    expect((await target.list("plain/")).length).toBeGreaterThan(0);
  });

  it("writes at most 100 partitions", async () => {
    const many = (count: number) => `SELECT 1 AS a, x AS p FROM UNNEST(sequence(1, ${count})) AS t(x)`;
    expect(await failure(unload(many(101), "many", ", partitioned_by = ARRAY['p']"))).toContain(
      "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions",
    );
    expect(
      (await finished(unload(many(100), "hundred", ", partitioned_by = ARRAY['p']"))).Status?.State,
    ).toBe("SUCCEEDED");
  });

  it("wants partition columns last and every column named once", async () => {
    expect(
      await failure(unload("SELECT origin, delay FROM flights", "a", ", partitioned_by = ARRAY['origin']")),
    ).toContain("Partition keys must be the last columns");
    expect(await failure(unload("SELECT count(*) FROM flights", "b"))).toMatch(
      /[Cc]olumn name not specified/,
    );
    expect(await failure(unload("SELECT 1 AS a, 2 AS a", "c"))).toMatch(
      /'?a'? specified more than once|[Dd]uplicate/,
    );
  });

  it("of no rows writes nothing", async () => {
    expect(
      (
        await finished(
          unload(
            "SELECT delay, origin FROM flights WHERE day = 'never'",
            "none",
            ", partitioned_by = ARRAY['origin']",
          ),
        )
      ).Status?.State,
    ).toBe("SUCCEEDED");
  });

  it("escapes partition values as Hive does", async () => {
    await query(
      unload(
        "SELECT 1 AS a, p FROM (VALUES ('a/b'), ('c:d'), ('e f')) AS t(p)",
        "odd",
        ", partitioned_by = ARRAY['p']",
      ),
    );
    await query(
      `CREATE EXTERNAL TABLE odd (a int) PARTITIONED BY (p string) STORED AS PARQUET LOCATION '${target.root}odd/'`,
    );
    await query("MSCK REPAIR TABLE odd");
    expect((await query("SELECT p FROM odd ORDER BY 1")).rows).toEqual([["a/b"], ["c:d"], ["e f"]]);
  });
});

describe("definitions", () => {
  it("show partitions, add, move and drop them", async () => {
    const show = async () =>
      (await query("SHOW PARTITIONS places")).rows.map(([line]) => line ?? "").toSorted();
    await query(
      `CREATE EXTERNAL TABLE places (n int) PARTITIONED BY (day string, \`hour\` int) STORED AS PARQUET LOCATION '${target.root}places/'`,
    );
    await query("ALTER TABLE places ADD PARTITION (day='a', `hour`=1) PARTITION (day='b', `hour`=2)");
    expect(await show()).toEqual(["day=a/hour=1", "day=b/hour=2"]);
    expect(await failure("ALTER TABLE places ADD PARTITION (day='a', `hour`=1)")).toMatch(/already exists/i);
    await query("ALTER TABLE places ADD IF NOT EXISTS PARTITION (day='a', `hour`=1)");
    await query(`ALTER TABLE places PARTITION (day='a', \`hour\`=1) SET LOCATION '${target.root}elsewhere/'`);
    await query("ALTER TABLE places DROP PARTITION (day='b', `hour`=2)");
    await query(
      "ALTER TABLE places DROP IF EXISTS PARTITION (day='c', `hour`=3), PARTITION (day='b', `hour`=2)",
    );
    expect(await show()).toEqual(["day=a/hour=1"]);
    await query("DROP TABLE places");
    await query("DROP TABLE IF EXISTS places");
    expect(await failure("SELECT * FROM places")).toContain("TABLE_NOT_FOUND");
  });

  it("scan nothing and answer lines of text", async () => {
    const { execution, rows } = await query("SHOW TABLES");
    expect(execution.Statistics?.DataScannedInBytes).toBe(0);
    expect(rows).toContainEqual(["flights"]);
  });

  it("added columns are NULL in older files", async () => {
    await query(
      `CREATE EXTERNAL TABLE older (delay int) STORED AS PARQUET LOCATION '${target.root}flights/v0/'`,
    );
    await query("ALTER TABLE older ADD COLUMNS (later string)");
    expect((await query("SELECT count(*), count(later) FROM older")).rows).toEqual([["4", "0"]]);
  });

  it("a table as the result of a query", async () => {
    await query(
      `CREATE TABLE summary WITH (format = 'PARQUET', external_location = '${target.root}summary/', partitioned_by = ARRAY['day']) AS
       SELECT origin, count(*) AS flights, day FROM flights GROUP BY origin, day`,
    );
    expect(
      (await query("SELECT origin, sum(flights) FROM summary WHERE day > '2001-01-01' GROUP BY 1 ORDER BY 1"))
        .rows,
    ).toEqual([
      ["AAA", "4"],
      ["BBB", "4"],
    ]);
  });

  it("exist once", async () => {
    expect(await failure(`CREATE DATABASE ${target.database}`)).toMatch(/already exists/i);
    await query(`CREATE DATABASE IF NOT EXISTS ${target.database}`);
  });
});

describe("workgroups", () => {
  it("are created once, described and deleted", async () => {
    const Name = `${target.database}-group`;
    const Configuration = {
      BytesScannedCutoffPerQuery: 10_000_000,
      EnforceWorkGroupConfiguration: true,
      ResultConfiguration: { OutputLocation: `${target.root}group/` },
    };
    await target.client.send(new CreateWorkGroupCommand({ Name, Configuration }));
    await expect(
      target.client.send(new CreateWorkGroupCommand({ Name, Configuration })),
    ).rejects.toBeInstanceOf(InvalidRequestException);
    const { WorkGroup } = await target.client.send(new GetWorkGroupCommand({ WorkGroup: Name }));
    expect(WorkGroup).toMatchObject({
      Name,
      State: "ENABLED",
      Configuration: { BytesScannedCutoffPerQuery: 10_000_000 },
    });
    const { execution } = await query("SELECT 1", { WorkGroup: Name });
    expect(execution.ResultConfiguration?.OutputLocation).toContain(`${target.root}group/`);
    await target.client.send(new DeleteWorkGroupCommand({ WorkGroup: Name, RecursiveDeleteOption: true }));
    await expect(target.client.send(new GetWorkGroupCommand({ WorkGroup: Name }))).rejects.toBeInstanceOf(
      InvalidRequestException,
    );
  });
});
