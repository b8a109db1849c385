/** `sluice start`: everything on one machine, from nothing to a gateway that answers. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type Manifest, manifestKey } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { servingOf } from "../../src/model/serving.ts";
import { formatInstant } from "../../src/model/time.ts";
import { type Backends, backends } from "../backends.ts";
import { openBroadcast } from "../broadcast.ts";
import { closeClients, localClients, provision } from "../clients.ts";
import { lakeFolder } from "../cloud.ts";
import type { Endpoints, Environment } from "../environment.ts";
import { coverageQuery, exampleProduct, exampleQuery } from "../example-query.ts";
import { openGateway, requireSharedSecret } from "../gateway.ts";
import { loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { untilStopped } from "../signals.ts";
import { buildSamples, openReplayClocks, runMicroBatches, runReplays } from "../system.ts";
import { refreshAndShow } from "./refresh.ts";

export async function runStart(environment: Environment): Promise<void> {
  const { host, port, data, windowMs, replaySpeed: speed } = environment;
  const log = logger(environment);
  requireSharedSecret(environment);
  const products = await loadProducts(environment.products);
  await checkPort(host, port);
  mkdirSync(data, { recursive: true });
  const stopping = new AbortController();
  const { signal } = stopping;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    // the cloud holds the folder's lock: only its owner builds a lake in there
    const cloud = await forkCloud();
    closing.push(() => cloud.stop());
    await buildLakes(products, environment);
    const clients = localClients(cloud.endpoints);
    closing.push(async () => closeClients(clients));
    const stores = backends(clients);
    closing.push(() => stores.gold.close());
    await provision(clients, products);

    const broadcast = await openBroadcast(environment, log);
    closing.push(() => broadcast.close());
    await openReplayClocks(products, stores, { log, signal });
    const live = runMicroBatches(products, stores, { broadcast, windowMs, log, signal });
    closing.push(() => live);
    await Promise.race([refreshUnpublished(products, stores, environment), failure(live), cloud.gone]);
    const gateway = await openGateway(products, stores, broadcast, { ...environment, log });
    closing.push(() => gateway.close());
    const replay = runReplays(products, stores, { speed, log, signal, progress: replayReport() });
    closing.push(() => replay);
    console.log(await greeting(products, stores, gateway.url));
    await Promise.race([untilStopped(), failure(live), failure(replay), cloud.gone]);
  } finally {
    stopping.abort();
    for (const close of closing.toReversed())
      await close().catch((err: unknown) => log.warn({ err }, "while stopping"));
  }
}

/** Rejects when something else listens there: better now than after the refresh. */
export async function checkPort(host: string, port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(port, host, resolve);
  }).catch((cause: unknown) => {
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `The gateway cannot listen on ${host}:${port} (${(cause as { code?: string }).code}). Set PORT (or HOST) to another one.`,
      { cause },
    );
  });
  await new Promise((resolve) => probe.close(resolve));
}

/** Never resolves; rejects when the work does. */
function failure(work: Promise<void>): Promise<never> {
  return new Promise((_, reject) => void work.catch(reject));
}

interface CloudProcess {
  readonly endpoints: Endpoints;
  /** Rejects when the process ends by itself. */
  readonly gone: Promise<never>;
  stop(): Promise<void>;
}

/** The embedded cloud in a process of its own: it may use the other core, and its work never delays an answer. */
async function forkCloud(): Promise<CloudProcess> {
  const child = fork(fileURLToPath(new URL("../sluice.mjs", import.meta.url)), ["cloud"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true, // a Ctrl-C in the terminal is for this process, which still needs the cloud to finish
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const gone = ended.then((code): never => {
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `The embedded cloud has ended${code === null ? "" : ` with code ${code}`}. Its message stands above.`,
    );
  });
  gone.catch(() => {});
  const endpoints = await Promise.race([firstMessage(child), gone]);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { endpoints, gone, stop };
}

function firstMessage(child: ChildProcess): Promise<Endpoints> {
  return new Promise((resolve) =>
    child.once("message", (message) => resolve((message as { endpoints: Endpoints }).endpoints)),
  );
}

async function buildLakes(products: readonly Product[], { data }: Environment): Promise<void> {
  let started = Date.now();
  await buildSamples(products, lakeFolder(data), (table, file) => {
    const now = Date.now();
    console.log(`Built the lake table ${table} from ${file} in ${((now - started) / 1_000).toFixed(1)} s.`);
    started = now;
  });
}

/**
 * A first start fills the stores; a later one serves what they hold, and one under another declaration refreshes first.
 * What cannot be refreshed is told: it is served from the other declaration's edition where that holds something for it,
 * and does not keep the other products from being served.
 */
export async function refreshUnpublished(
  products: readonly Product[],
  stores: Backends,
  { retention }: Pick<Environment, "retention">,
): Promise<void> {
  for (const product of products) {
    const manifest = (await stores.control.get<Manifest>(manifestKey(product)))?.value;
    if (manifest?.shape === product.shape) continue;
    await refreshAndShow(product, stores, {}, retention).catch((error: unknown) => {
      if (!(error instanceof SluiceError)) throw error;
      const isServed = manifest !== undefined && servingOf(product, manifest) !== null;
      if (!isServed && products.length === 1) throw error;
      const how = isServed
        ? `is served from edition ${manifest.edition}, which another declaration published: what it does not hold is left to Athena, up to ${formatInstant(manifest.coverage.until)}`
        : "is not served yet";
      console.error(`sluice: ${product.name} ${how}. ${error.message}`);
    });
  }
}

/** A line per replayed day, and one at the end. */
function replayReport(): Parameters<typeof runReplays>[2]["progress"] & {} {
  const days = new Map<string, string>();
  return ({ name }, { rows, time, done }) => {
    const day = time === null ? "" : formatInstant(time).slice(0, 10);
    if (done)
      console.log(
        `${name}: the replay has ended (${rows.toLocaleString("en")} events in this run). "npm run sluice refresh" moves what was live into an edition.`,
      );
    else if (days.get(name) !== day) console.log(`${name}: replaying ${day}.`);
    days.set(name, day);
  };
}

async function greeting(products: readonly Product[], { control }: Backends, url: string): Promise<string> {
  const example = exampleProduct(products);
  const coverage = (await control.get<Manifest>(manifestKey(example)))?.value.coverage;
  const holdsSomething = coverage !== undefined && coverage.from < coverage.until;
  return `
Sluice serves ${products.map(({ name }) => name).join(", ")}.

  GraphiQL       ${url}/graphiql
  GraphQL        ${url}/graphql
  subscriptions  ${url.replace("http", "ws")}/graphql   (graphql-transport-ws)

Paste this query:

${holdsSomething ? coverageQuery(example, coverage) : exampleQuery(example)}
`;
}
