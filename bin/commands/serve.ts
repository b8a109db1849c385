/** `sluice serve`: a gateway alone, as many of them as a deployment wants, over the stores that other processes fill. */
import { backends } from "../backends.ts";
import { openBroadcast } from "../broadcast.ts";
import { closeClients, connect } from "../clients.ts";
import type { Environment } from "../environment.ts";
import { openGateway, requireSharedSecret } from "../gateway.ts";
import { loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { untilStopped } from "../signals.ts";
import { checkPort } from "./start.ts";

export async function runServe(environment: Environment): Promise<void> {
  const log = logger(environment);
  requireSharedSecret(environment);
  const stopped = untilStopped();
  const products = await loadProducts(environment.products);
  await checkPort(environment.host, environment.port);
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const clients = connect(environment);
    closing.push(async () => closeClients(clients));
    const stores = backends(clients);
    closing.push(() => stores.gold.close());
    const broadcast = await openBroadcast(environment, log);
    closing.push(() => broadcast.close());
    const gateway = await openGateway(products, stores, broadcast, { ...environment, log });
    closing.push(() => gateway.close());
    if (environment.redis === null) console.error(withoutRedis);
    console.log(
      `Sluice serves ${products.map(({ name }) => name).join(", ")} on ${gateway.url}/graphql until it is told to stop (SIGTERM).`,
    );
    await stopped;
  } finally {
    for (const close of closing.toReversed())
      await close().catch((err: unknown) => log.warn({ err }, "while stopping"));
  }
}

const withoutRedis =
  "sluice: SLUICE_REDIS is not set, so nothing is heard of the micro-batches of other processes: insight subscriptions move with refreshes only, and feeds stay silent. Queries are not affected.";
