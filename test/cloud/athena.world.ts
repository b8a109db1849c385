/** A fresh embedded Athena per test, with a way to put Parquet under it and to restart it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AthenaClient } from "@aws-sdk/client-athena";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type RunningAthena, startAthena } from "../../cloud/local/athena.ts";
import { athenaClient } from "./athena-client.ts";

export interface World {
  /** A folder that is removed after all tests of the file. */
  readonly root: string;
  readonly s3Folder: string;
  readonly client: AthenaClient;
  readonly athena: RunningAthena;
  readonly duckdb: DuckDBConnection;
  /** Writes the rows of a DuckDB query as one Parquet object; resolves to its path. */
  parquet(key: string, sql: string): Promise<string>;
  restart(): Promise<void>;
}

/** To be called once per file; the world is new in every test. */
export function athenaWorld(): World {
  const root = mkdtempSync(join(tmpdir(), "athena-embedded-"));
  let [folder, s3Folder, worlds] = ["", "", 0];
  let [athena, client, duckdb]: [RunningAthena?, AthenaClient?, DuckDBConnection?] = [];
  const open = async (): Promise<void> => {
    athena = await startAthena({ folder, s3Folder });
    client = athenaClient(athena.endpoint);
  };
  beforeAll(async () => {
    duckdb = await (await DuckDBInstance.create(":memory:")).connect();
  });
  beforeEach(async () => {
    worlds += 1;
    folder = join(root, String(worlds), "athena");
    s3Folder = join(root, String(worlds), "s3");
    await open();
    return () => athena?.close();
  });
  afterAll(() => rmSync(root, { recursive: true }));
  const opened = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error("the world is there inside of tests only");
    return part;
  };
  return {
    root,
    get s3Folder() {
      return s3Folder;
    },
    get client() {
      return opened(client);
    },
    get athena() {
      return opened(athena);
    },
    get duckdb() {
      return opened(duckdb);
    },
    async parquet(key, sql) {
      const path = join(s3Folder, key);
      mkdirSync(join(path, ".."), { recursive: true });
      await opened(duckdb).run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`);
      return path;
    },
    async restart() {
      await opened(athena).close();
      await open();
    },
  };
}
