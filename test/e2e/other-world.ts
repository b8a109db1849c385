/** All of `other-declarations.ts` in one process, composed as `bin/` composes it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { type Backends, backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { openGateway } from "../../bin/gateway.ts";
import {
  buildSamples,
  openReplayClocks,
  refreshDeps,
  runMicroBatches,
  runReplays,
} from "../../bin/system.ts";
import { refresh as runRefresh, type RefreshResult } from "../../etl/batch/run.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { echoFile, folder, otherProducts } from "./other-declarations.ts";
import { openTruth, type Row, type Truth } from "../property/truth.ts";
import { columnTypes, echoRows, pulseRows, type Table, thingRows } from "./other-rows.ts";

export interface World {
  readonly url: string;
  readonly truth: Truth<Table>;
  readonly stores: Backends;
  /** Puts records into the stream of `Pulse` as they are. */
  putPulses(records: readonly string[]): Promise<void>;
  replay(): Promise<void>;
  refresh(name: string): Promise<RefreshResult>;
  close(): Promise<void>;
}

/** Days before now that the lake of `Pulse` ends. */
export const pulseLakeEnds = 3;

export async function startWorld(): Promise<World> {
  const products = declaredProducts().filter(({ target }) => otherProducts.includes(target));
  const data = join(folder, "data");
  const cloud = await startCloud(data);
  const truth = await openTruth(columnTypes);
  await writeLakes(truth, lakeFolder(data));
  await buildSamples(products, lakeFolder(data));
  const clients = localClients(cloud.endpoints);
  await provision(clients, products);
  const stores = backends(clients);
  const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "error" });
  const stopping = new AbortController();
  const { signal } = stopping;
  const broadcast = processBroadcast();
  await openReplayClocks(products, stores, { log, signal });
  const live = runMicroBatches(products, stores, { broadcast, windowMs: 250, log, signal });
  const named = (name: string) => products.find((product) => product.name === name)!;
  const refresh = (name: string) =>
    runRefresh(
      named(name),
      refreshDeps(named(name), stores, { progress: () => {}, retention: { editions: 10, ms: 0 } }),
    );
  for (const { name } of products) await refresh(name);
  const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 60_000, cursorSecret: null, log };
  const gateway = await openGateway(products, stores, broadcast, settings);
  return {
    url: `${gateway.url}/graphql`,
    truth,
    stores,
    putPulses: async (records) => {
      const stream = stores.streamOf(named("PulseActivity").source)!;
      await stream.put(records.map((text, i) => ({ partitionKey: `k${i % 7}`, data: Buffer.from(text) })));
    },
    replay: () => runReplays(products, stores, { speed: "max", log, signal }),
    refresh,
    close: async () => {
      stopping.abort();
      await gateway.close();
      await live;
      closeClients(clients);
      await stores.gold.close();
      await cloud.close();
      truth.close();
    },
  };
}

async function writeLakes(truth: Truth<Table>, lake: string): Promise<void> {
  mkdirSync(join(lake, "odd"), { recursive: true });
  await truth.add("things", thingRows());
  await truth.add("echoes", echoRows());
  await truth.add("pulses", lakePulses());
  await truth.run(
    `COPY (SELECT "at" AS "When", * EXCLUDE ("at") FROM echoes) TO '${echoFile.replaceAll("'", "''")}' (FORMAT parquet)`,
  );
  await truth.run(`COPY (SELECT "at" AS "day", express AS "order", level AS "order id", label AS "group", c0 AS "with ""quotes"" and \`more\`",
      cost AS "Cost Total $", n, bucket AS "c1", seen AS "at_hour", rolled AS "sluice_question", weight AS "sluice", mixed AS "Mixed Case",
      part AS "k0", text AS "bucket", strftime("at", '%Y-%m-%d') AS p FROM things)
    TO '${lake}/odd/select' (FORMAT parquet, PARTITION_BY (p))`);
  await truth.run(`COPY (SELECT "at" AS "at time", kind AS "kind #", "on", value AS "Value $", size, strftime("at", '%Y') AS year FROM pulses)
    TO '${lake}/odd/pulse' (FORMAT parquet, PARTITION_BY (year))`);
}

/** Over the last 500 days, so that two or three years have a partition each. */
function lakePulses(): Row[] {
  const end = Math.floor(Date.now() / 86_400_000 - pulseLakeEnds) * 86_400_000;
  return pulseRows(3, 400, (random) => end - Math.floor(random() * 500 * 86_400) * 1_000 - 1_000);
}
