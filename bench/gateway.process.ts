/** A gateway of its own over the embedded cloud of a folder; sends its URL. Arguments: the folder, executions at a time. */
import { backends } from "../bin/backends.ts";
import { processBroadcast } from "../bin/broadcast.ts";
import { closeClients, connect } from "../bin/clients.ts";
import { readEnvironment } from "../bin/environment.ts";
import { openGateway } from "../bin/gateway.ts";
import { logger } from "../bin/log.ts";
import { untilStopped } from "../bin/signals.ts";
import { subject } from "./subject.ts";

const [data, concurrency] = process.argv.slice(2) as [string, string];
const environment = readEnvironment(
  { SLUICE_DATA: data, PORT: "0", SLUICE_AD_HOC_CONCURRENCY: concurrency, SLUICE_AD_HOC_WAIT_MS: "120000" },
  data,
);
const { product } = await subject();
const clients = connect(environment);
const stores = backends(clients);
const log = logger(environment);
const gateway = await openGateway([product], stores, processBroadcast(), { ...environment, log });
process.send?.(gateway.url);
await untilStopped();
await gateway.close();
closeClients(clients);
await stores.gold.close();
if (process.connected) process.disconnect();
