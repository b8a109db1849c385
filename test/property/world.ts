/** One random world in one process, composed as `bin/` composes it, with the events applied so far in plain DuckDB. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import type { openGateway } from "../../bin/gateway.ts";
import { runMicroBatches } from "../../bin/system.ts";
import { declaredProducts } from "../../src/model/product.ts";
import { propertyProducts } from "./declarations.ts";
import { type History, historyOf } from "./history.ts";
import { seeded } from "./random.ts";
import { columnTypes, type Table } from "./rows.ts";
import { openTruth, type Truth } from "./truth.ts";

export interface World extends History {
  readonly truth: Truth<Table>;
  openGateway(open: typeof openGateway): Promise<{ readonly url: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

export async function startWorld(seed: number): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-property-"));
  const products = declaredProducts().filter(({ target }) => propertyProducts.includes(target));
  const cloud = await startCloud(folder);
  const clients = localClients(cloud.endpoints);
  await provision(clients, products);
  const stores = backends(clients);
  const truth = await openTruth(columnTypes);
  const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "error" });
  const stopping = new AbortController();
  const broadcast = processBroadcast();
  const setting = { products, stores, broadcast, truth, lake: lakeFolder(folder) };
  const history = await historyOf(setting, seeded(seed));
  const live = runMicroBatches(products, stores, { broadcast, windowMs: 50, log, signal: stopping.signal });
  return {
    ...history,
    truth,
    openGateway: async (open) => {
      const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 120_000, cursorSecret: null, log };
      const gateway = await open(products, stores, broadcast, settings);
      return { url: `${gateway.url}/graphql`, close: () => gateway.close() };
    },
    close: async () => {
      stopping.abort();
      await live;
      closeClients(clients);
      await stores.gold.close();
      await cloud.close();
      truth.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
