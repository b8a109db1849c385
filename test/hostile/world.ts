/** The hostile lake, refreshed and served, with an ear on what reaches Athena; and the same rows in a plain DuckDB. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, listValue } from "@duckdb/node-api";
import { pino } from "pino";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { openGateway } from "../../bin/gateway.ts";
import { refreshDeps, runMicroBatches } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { Letter } from "./declarations.ts";
import { insertLetters, type Posted, writeLake } from "./lake.ts";

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
  /** Puts letters into the stream, sent now. DuckDB knows them too. */
  post(letters: readonly Omit<Posted, "at">[]): Promise<void>;
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
    post: async (letters) => {
      const at = new Date().toISOString();
      const records = letters.map((letter) => JSON.stringify({ at, ...letter }));
      await stream.put(records.map((record, i) => ({ partitionKey: `${i % 5}`, data: Buffer.from(record) })));
      await insertLetters(
        duck,
        letters.map((letter) => ({ at, ...letter })),
      );
    },
    close: async () => {
      for (const close of closing.toReversed()) await close();
    },
  };
}
