/** Micro-batches and a gateway as `sluice start` composes them; sends the URL. Arguments: the data folder, the window in ms. */
import { backends } from "../bin/backends.ts";
import { processBroadcast } from "../bin/broadcast.ts";
import { closeClients, connect, provision } from "../bin/clients.ts";
import { refreshUnpublished } from "../bin/commands/start.ts";
import { readEnvironment } from "../bin/environment.ts";
import { openGateway } from "../bin/gateway.ts";
import { logger } from "../bin/log.ts";
import { untilStopped } from "../bin/signals.ts";
import { openReplayClocks, runMicroBatches } from "../bin/system.ts";
import { liveSubject } from "./live-events.ts";

const [data, windowMs] = process.argv.slice(2) as [string, string];
const environment = readEnvironment({ SLUICE_DATA: data, PORT: "0", SLUICE_WINDOW_MS: windowMs }, data);
const { products } = await liveSubject();
const clients = connect(environment);
const stores = backends(clients);
const log = logger(environment);
const broadcast = processBroadcast();
const stopping = new AbortController();
const { signal } = stopping;

await provision(clients, products);
await openReplayClocks(products, stores, { log, signal });
const live = runMicroBatches(products, stores, { broadcast, windowMs: environment.windowMs, log, signal });
await refreshUnpublished(products, stores, environment);
const gateway = await openGateway(products, stores, broadcast, { ...environment, log });
process.send?.(gateway.url);
await untilStopped();
await gateway.close();
stopping.abort();
await live;
closeClients(clients);
await stores.gold.close();
if (process.connected) process.disconnect();
