/**
 * `sluice stream`: the micro-batches of one machine, read from the streams of the environment's cloud.
 *
 * Delivery guarantee: that of the consumer, however the process ends: every event is applied exactly once or becomes
 * a dead letter. Nothing is broadcast.
 */
import type { LiveMetrics } from "../../etl/live/metrics.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source } from "../../src/model/source.ts";
import { type Backends, backends } from "../backends.ts";
import { outwardBroadcast } from "../broadcast.ts";
import { type Clients, closeClients, connect, provision } from "../clients.ts";
import { type Environment, wholeNumber } from "../environment.ts";
import { prometheusMetrics } from "../live-metrics.prometheus.ts";
import { chosenStreams, loadProducts } from "../load-products.ts";
import { logger } from "../log.ts";
import { serveMetrics } from "../metrics-server.ts";
import { untilStopped } from "../signals.ts";
import { type StreamStatus, streamStatus, summaryLine } from "../stream-status.ts";
import { type MicroBatchSettings, runMicroBatches, windowBytes, windowRecords } from "../system.ts";

export interface StreamFlags {
  readonly window?: string;
  readonly records?: string;
  readonly bytes?: string;
  readonly metricsPort?: string;
}

type Limits = Required<Pick<MicroBatchSettings, "windowMs" | "records" | "bytes">>;

export async function runStream(
  environment: Environment,
  names: readonly string[],
  flags: StreamFlags,
): Promise<void> {
  const limits = limitsOf(environment, flags);
  const port = portOf(flags);
  const products = await loadProducts(environment.products);
  const sources = chosenStreams(products, names);
  const clients = connect(environment);
  const stores = backends(clients);
  const log = logger(environment);
  const broadcast = await outwardBroadcast(environment, log);
  try {
    await checkStreams(environment, clients, stores, products, sources);
    await untilStoppedStreaming(
      products,
      stores,
      { sources, ...limits, broadcast, log },
      { host: environment.host, port },
    );
  } finally {
    await broadcast.close();
    closeClients(clients);
    await stores.gold.close();
    // an open channel to the parent keeps a process alive
    if (process.connected) process.disconnect();
  }
}

function limitsOf({ windowMs }: Environment, { window, records, bytes }: StreamFlags): Limits {
  return {
    windowMs: window === undefined ? windowMs : wholeNumber("--window", window, 10, 600_000),
    records: records === undefined ? windowRecords : wholeNumber("--records", records, 1, 1_000_000),
    bytes: bytes === undefined ? windowBytes : wholeNumber("--bytes", bytes, 1, 1_000_000_000),
  };
}

function portOf({ metricsPort }: StreamFlags): number | null {
  return metricsPort === undefined ? null : wholeNumber("--metrics-port", metricsPort, 0, 65_535);
}

/**
 * The micro-batches wait for a store for as long as it takes: what is wrong from the beginning is told now. The
 * embedded cloud gets what is missing; an account has it from its own deployment.
 */
async function checkStreams(
  { cloud, data }: Environment,
  clients: Clients,
  { streamOf }: Backends,
  products: readonly Product[],
  sources: readonly Source[],
): Promise<void> {
  if (cloud === "local") await provision(clients, products).catch((cause) => unreadable(`of ${data}`, cause));
  for (const source of sources)
    await streamOf(source)!
      .shards()
      .catch((cause) => unreadable(`at stream "${source.stream!.name}" of ${source.name}`, cause));
}

function unreadable(what: string, cause: unknown): never {
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `Micro-batches begin with streams that can be read. The cloud ${what} does not answer so. Start it ("sluice cloud"), create the stream, or check SLUICE_CLOUD and SLUICE_DATA.`,
    { cause },
  );
}

async function untilStoppedStreaming(
  products: readonly Product[],
  stores: Backends,
  settings: Pick<MicroBatchSettings, "sources" | "broadcast" | "log"> & Limits,
  where: { readonly host: string; readonly port: number | null },
): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const { log, sources, windowMs, records, bytes } = settings;
  const status = streamStatus(Date.now);
  const metrics = prometheusMetrics();
  const { host, port } = where;
  const server = port === null ? null : await serveMetrics({ metrics, host, port, signal });
  void untilStopped().then(() => stopping.abort());
  const redrawing = process.stdout.isTTY ? setInterval(() => redraw(status), 1_000) : undefined;
  try {
    const reading = { sources: sources?.map(({ name }) => name), windowMs, records, bytes };
    log.info({ ...reading, metrics: server?.url }, "reading");
    const told = { metrics: both(metrics, status), signal };
    await runMicroBatches(products, watched(stores, status), { ...settings, ...told });
  } finally {
    clearInterval(redrawing);
    await server?.close();
  }
  console.log(process.stdout.isTTY ? `${eraseLine}${summaryLine(status.summary())}` : jsonLine(status));
}

const eraseLine = "\r\u001b[K";

function redraw(status: StreamStatus): void {
  process.stdout.write(`${eraseLine}${status.line()}`);
}

const jsonLine = (status: StreamStatus): string => JSON.stringify({ stream: status.summary() });

const both = (one: LiveMetrics, other: LiveMetrics): LiveMetrics => ({
  batch: (measures) => [one, other].forEach((each) => each.batch(measures)),
});

function watched(stores: Backends, status: StreamStatus): Backends {
  return {
    ...stores,
    streamOf: (source) => {
      const stream = stores.streamOf(source);
      return stream === null ? null : status.watching(source.name, stream);
    },
  };
}
