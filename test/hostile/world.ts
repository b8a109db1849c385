/** The hostile lake, refreshed and served, with an ear on what reaches Athena; and the same rows in a plain DuckDB. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance, listValue } from "@duckdb/node-api";
import { pino } from "pino";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { openGateway } from "../../bin/gateway.ts";
import { refreshDeps, runMicroBatches } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { pick, seeded } from "../property/random.ts";
import { Letter } from "./declarations.ts";
import { hostileTexts, isText } from "./texts.ts";

/** What was sent to Athena. */
export interface Asked {
  readonly sql: string;
  readonly parameters: readonly string[];
}

export interface World {
  readonly url: string;
  /** Since the last call. */
  asked(): Asked[];
  /** Rows of plain DuckDB, values bound; a list is bound as one. */
  truth(
    sql: string,
    values: readonly (string | readonly string[])[],
  ): Promise<readonly Record<string, unknown>[]>;
  /** Puts a letter into the stream, sent now. */
  post(letter: { sender: string | null; subject: string; pages: number }): Promise<void>;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const closing: (() => unknown)[] = [];
  const folder = mkdtempSync(join(tmpdir(), "sluice-hostile-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const duck = await instance.connect();
  closing.push(() => (duck.closeSync(), instance.closeSync()));
  const cloud = await startCloud(folder);
  closing.push(() => cloud.close());
  await writeLake(duck, join(lakeFolder(folder), "post"));
  const products = declaredProducts().filter(({ source }) => source.target === Letter);
  const clients = localClients(cloud.endpoints);
  closing.push(() => closeClients(clients));
  let asked: Asked[] = [];
  clients.athena.middlewareStack.add(
    (next) => (request) => {
      const { QueryString, ExecutionParameters } = request.input as Record<string, unknown>;
      if (typeof QueryString === "string")
        asked.push({ sql: QueryString, parameters: (ExecutionParameters as string[] | undefined) ?? [] });
      return next(request);
    },
    { step: "initialize" },
  );
  await provision(clients, products);
  const stores = backends(clients);
  closing.push(() => stores.gold.close());
  const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "error" });
  const broadcast = processBroadcast();
  const stopping = new AbortController();
  const live = runMicroBatches(products, stores, { broadcast, windowMs: 100, log, signal: stopping.signal });
  closing.push(() => live);
  closing.push(() => stopping.abort());
  const retention = { editions: 10, ms: 0 };
  for (const product of products)
    await refresh(product, refreshDeps(product, stores, { progress: () => {}, retention }));
  const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 60_000, cursorSecret: null, log };
  const gateway = await openGateway(products, stores, broadcast, settings);
  closing.push(() => gateway.close());
  const stream = stores.streamOf(products[0]!.source)!;
  return {
    url: `${gateway.url}/graphql`,
    asked: () => {
      const until = asked;
      asked = [];
      return until;
    },
    truth: async (sql, values) => {
      const bound = values.map((value) => (typeof value === "string" ? value : listValue([...value])));
      return (await duck.runAndReadAll(sql, bound)).getRowObjects();
    },
    post: async (letter) => {
      const at = new Date().toISOString();
      await stream.put([{ partitionKey: "p", data: Buffer.from(JSON.stringify({ at, ...letter })) }]);
    },
    close: async () => {
      for (const close of closing.toReversed()) await close();
    },
  };
}

const days = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-29"];

/** Two in three of the texts send letters, and most of those have an alias. Values are bound, never written as SQL. */
async function writeLake(duck: DuckDBConnection, lake: string): Promise<void> {
  const random = seeded(5);
  const texts = hostileTexts.filter(isText);
  const senders = texts.filter(() => random() < 0.67);
  await duck.run(`CREATE TABLE senders (name VARCHAR, alias VARCHAR);
    CREATE TABLE letters ("at" TIMESTAMP, sender VARCHAR, subject VARCHAR, pages BIGINT, alias VARCHAR);`);
  const rows = [...senders, ...texts.slice(0, 50).map(() => null)].map((sender) => ({
    at: `${pick(random, days)} ${pick(random, ["00:00:00", "12:30:00.5", "23:59:59.999"])}`,
    sender,
    subject: pick(random, texts),
    pages: Math.floor(random() * 100),
  }));
  const lists = (from: readonly object[], names: readonly string[]) =>
    names.map((name) => listValue(from.map((row) => (row as Record<string, string | null>)[name] ?? null)));
  const aliases = senders.filter(() => random() < 0.8).map((name) => ({ name, alias: pick(random, texts) }));
  await duck.run(
    "INSERT INTO senders SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])",
    lists(aliases, ["name", "alias"]),
  );
  const written = rows.map((row) => ({ ...row, pages: String(row.pages) }));
  await duck.run(
    `INSERT INTO letters SELECT r.*, s.alias FROM (SELECT unnest($1::VARCHAR[])::TIMESTAMP AS "at", unnest($2::VARCHAR[]) AS sender,
      unnest($3::VARCHAR[]) AS subject, unnest($4::VARCHAR[])::BIGINT AS pages) r LEFT JOIN senders s ON s.name = r.sender`,
    lists(written, ["at", "sender", "subject", "pages"]),
  );
  for (const table of ["senders", "letters"]) mkdirSync(join(lake, table), { recursive: true });
  await duck.run(`COPY senders TO '${lake}/senders/senders.parquet' (FORMAT parquet)`);
  await duck.run(
    `COPY (SELECT "at", sender, subject, pages, strftime("at", '%Y-%m-%d') AS "day" FROM letters)
      TO '${lake}/letters' (FORMAT parquet, PARTITION_BY ("day"))`,
  );
}
