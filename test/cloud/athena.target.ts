/** Where the conformance suites of Athena run: the embedded one, or AWS where SLUICE_CONFORMANCE=aws says so. */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { AthenaClient, type QueryExecution } from "@aws-sdk/client-athena";
import { DeleteObjectsCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DuckDBInstance } from "@duckdb/node-api";
import { startAthena } from "../../cloud/local/athena.ts";
import { type Answer, type Ask, athenaClient, failure, outcome, query, start } from "./athena-client.ts";

/** Set where the suites run against AWS, in which a few tests make no sense. */
export const onAws = process.env["SLUICE_CONFORMANCE"] === "aws";

/** Where the suite runs: how objects get into the bucket, and what is left to do at the end. */
interface Place {
  readonly client: AthenaClient;
  /** `s3://bucket/prefix/`. */
  readonly root: string;
  put(key: string, path: string): Promise<void>;
  list(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

async function embedded(scratch: string): Promise<Place> {
  const s3Folder = join(scratch, "s3");
  const athena = await startAthena({ folder: join(scratch, "athena"), s3Folder });
  return {
    client: athenaClient(athena.endpoint),
    root: "s3://conformance/",
    async put(key, path) {
      const file = join(s3Folder, "conformance", key);
      mkdirSync(dirname(file), { recursive: true });
      await copyFile(path, file);
    },
    async list(prefix) {
      const entries = readdirSync(join(s3Folder, "conformance", prefix), {
        recursive: true,
        withFileTypes: true,
      });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(join(s3Folder, "conformance").length + 1));
    },
    close: () => athena.close(),
  };
}

async function aws(unique: string): Promise<Place> {
  const [s3, bucket] = [new S3Client({}), process.env["SLUICE_CONFORMANCE_BUCKET"] ?? ""];
  const prefix = `${unique}/`;
  const list = async (under: string): Promise<string[]> => {
    const { Contents = [] } = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix + under }),
    );
    return Contents.map((object) => (object.Key ?? "").slice(prefix.length));
  };
  return {
    client: new AthenaClient({}),
    root: `s3://${bucket}/${prefix}`,
    list,
    async put(key, path) {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body: readFileSync(path) }));
    },
    async close() {
      const Objects = (await list("")).map((key) => ({ Key: prefix + key }));
      if (Objects.length > 0)
        await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    },
  };
}

/** A database of its own with the table `flights`, and how to ask it. */
export interface AthenaTarget extends Omit<Place, "put" | "close"> {
  readonly database: string;
  start(sql: string, ask?: Ask): Promise<string>;
  query(sql: string, ask?: Ask): Promise<Answer>;
  failure(sql: string, ask?: Ask): Promise<string>;
  finished(sql: string, ask?: Ask): Promise<QueryExecution>;
  /** Drops the database and removes every object. */
  close(): Promise<void>;
}

export async function openTarget(): Promise<AthenaTarget> {
  const database = `sluice_${randomUUID().slice(0, 8)}`;
  const scratch = mkdtempSync(join(tmpdir(), "athena-conformance-"));
  const place = onAws ? await aws(database) : await embedded(scratch);
  const { client, root } = place;
  const asked = (ask: Ask = {}): Ask => ({
    ResultConfiguration: { OutputLocation: `${root}results/` },
    QueryExecutionContext: { Database: database },
    ...ask,
  });
  const target: AthenaTarget = {
    client,
    root,
    list: (prefix) => place.list(prefix),
    database,
    start: (sql, ask) => start(client, sql, asked(ask)),
    query: (sql, ask) => query(client, sql, asked(ask)),
    failure: (sql, ask) => failure(client, sql, asked(ask)),
    finished: async (sql, ask) => outcome(client, await start(client, sql, asked(ask))),
    async close() {
      await target.query(`DROP DATABASE IF EXISTS ${database} CASCADE`, { QueryExecutionContext: {} });
      await place.close();
      rmSync(scratch, { recursive: true });
    },
  };
  await target.query(`CREATE DATABASE ${database}`, { QueryExecutionContext: {} });
  await createFlights(target, place, scratch);
  return target;
}

/** Three days of flights, each in a folder that says nothing about the day. */
async function createFlights(target: AthenaTarget, place: Place, scratch: string): Promise<void> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  for (const [index, day] of ["2001-01-01", "2001-01-02", "2001-01-03"].entries()) {
    const path = join(scratch, `${day}.parquet`);
    await connection.run(
      `COPY (SELECT TIMESTAMP '${day}' + INTERVAL (range * 6) HOUR AS "date", range::INTEGER - 1 AS delay,
        ['AAA', 'BBB'][1 + range % 2] AS origin, 'X' || range AS destination FROM range(4)) TO '${path}' (FORMAT parquet)`,
    );
    await place.put(`flights/v${index}/part.parquet`, path);
  }
  await target.query(
    `CREATE EXTERNAL TABLE IF NOT EXISTS flights (\`date\` timestamp, \`delay\` int, \`origin\` string, \`destination\` string)
     PARTITIONED BY (\`day\` string) STORED AS PARQUET LOCATION '${target.root}flights/' TBLPROPERTIES ('classification'='parquet')`,
  );
  await target.query(
    `ALTER TABLE flights ADD IF NOT EXISTS PARTITION (day='2001-01-01') LOCATION '${target.root}flights/v0/'
     PARTITION (day='2001-01-02') LOCATION '${target.root}flights/v1/' PARTITION (day='2001-01-03') LOCATION '${target.root}flights/v2/'`,
  );
}
