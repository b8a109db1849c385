/** Everything of one machine: the micro-batches, the refresh, the replay and the gateway over one set of backends. */
import { setTimeout as wait } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { RefreshDeps } from "../etl/batch/deps.ts";
import { runConsumer } from "../etl/live/consumer.ts";
import { waitFor } from "../etl/live/effects.ts";
import { type LiveMetrics, unmeasured } from "../etl/live/metrics.ts";
import { type ReplayProgress, runReplay } from "../etl/live/replay.ts";
import { openClock } from "../etl/live/replay-clock.ts";
import { streamedSources } from "../src/schema/names.ts";
import type { Broadcast } from "../src/backends/broadcast.ts";
import type { Product } from "../src/model/product.ts";
import { lookupTables } from "../src/model/lookup.ts";
import { declaredSamples, declaredTables, type SampleOptions } from "../src/model/sample.ts";
import { type Source, sourceFor } from "../src/model/source.ts";
import type { Instant } from "../src/model/time.ts";
import type { Backends } from "./backends.ts";
import { buildSampleLake, buildSampleTable, heldBackRows } from "./sample-lake.ts";

/** How long a refresh waits for the micro-batches to archive past its barriers. */
const barrierWaitMs = 120_000;

/** What a refresh or a rollback of a product works with. */
export function refreshDeps(
  product: Product,
  { warehouse, lake, control, insights, gold, streamOf }: Backends,
  settings: Pick<RefreshDeps, "progress" | "retention">,
): RefreshDeps {
  const stream = streamOf(product.source);
  return {
    warehouse,
    lake,
    control,
    insights,
    gold,
    ...(stream && { stream }),
    clock: Date.now,
    wait,
    token: randomUUID,
    barrierWaitMs,
    ...settings,
  };
}

export const windowRecords = 10_000;
export const windowBytes = 16 * 1024 * 1024;

export interface MicroBatchSettings {
  readonly broadcast: Broadcast;
  readonly windowMs: number;
  readonly records?: number;
  readonly bytes?: number;
  /** Default: all that have a stream. */
  readonly sources?: readonly Source[];
  readonly metrics?: LiveMetrics;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Micro-batches for streams that products are computed from, until the signal is aborted. */
export async function runMicroBatches(
  products: readonly Product[],
  backends: Backends,
  settings: MicroBatchSettings,
): Promise<void> {
  const { log, signal, broadcast, metrics = unmeasured } = settings;
  const { windowMs: ageMs, records = windowRecords, bytes = windowBytes } = settings;
  const window = { ageMs, records, bytes };
  const failed = new AbortController();
  const together = AbortSignal.any([signal, failed.signal]);
  const effects = { clock: Date.now, random: Math.random, wait: waitFor, log, signal: together };
  const runs = (settings.sources ?? streamedSources(products)).map((source) =>
    runConsumer({
      source,
      products: products.filter((product) => product.source === source),
      stream: backends.streamOf(source)!,
      ...backends,
      broadcast,
      metrics,
      window,
      ...effects,
    }).catch((error: unknown) => {
      failed.abort();
      throw error;
    }),
  );
  // one that fails stops the others: nothing goes on behind the rejection
  await Promise.allSettled(runs);
  await Promise.all(runs);
}

/** The longest pause of a replay between two events. */
const maxPauseMs = 250;

export interface ReplaySettings {
  /** Those that are replayed; by default all that can be. */
  readonly sources?: readonly Source[];
  readonly speed: number | "max";
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly progress?: (source: Source, progress: ReplayProgress) => void;
}

/** Replays the held-back events of every sample that has some, going on where each shard ends. */
export async function runReplays(
  products: readonly Product[],
  backends: Backends,
  settings: ReplaySettings,
): Promise<void> {
  const { progress, sources } = settings;
  const samples = replayedSamples(products).filter(({ source }) => sources?.includes(source) ?? true);
  await Promise.all(
    samples.map(({ sample, source, start }) =>
      runReplay({
        ...settings,
        source,
        products,
        stream: backends.replayStreamOf(source.stream!),
        control: backends.control,
        rows: (after) => heldBackRows(sample, after),
        start,
        maxPauseMs,
        clock: Date.now,
        random: Math.random,
        progress: (event) => progress?.(source, event),
      }),
    ),
  );
}

/** Starts the clocks of all replays: micro-batches and refreshes go by them, so they come first. */
export async function openReplayClocks(
  products: readonly Product[],
  { control }: Backends,
  settings: Pick<ReplaySettings, "log" | "signal">,
): Promise<void> {
  const effects = { clock: Date.now, random: Math.random, wait: waitFor, ...settings };
  for (const { source, start } of replayedSamples(products)) {
    const stream = source.stream!;
    await openClock({ stream, control, effects }, start + stream.latenessMs);
  }
}

/** The sources whose samples hold events back for a replay. */
export function replayedSources(products: readonly Product[]): readonly Source[] {
  return replayedSamples(products).map(({ source }) => source);
}

function replayedSamples(
  products: readonly Product[],
): { sample: SampleOptions; source: Source; start: Instant }[] {
  return samplesOf(products).flatMap((sample) =>
    sample.replayFrom === undefined
      ? []
      : [{ sample, source: sourceFor(sample.source), start: Date.parse(sample.replayFrom) }],
  );
}

/**
 * Builds what is declared as sample data of the products' sources and of the tables that these look up, each unless it
 * is there. `built` is told of every table that was.
 */
export async function buildSamples(
  products: readonly Product[],
  lakeFolder: string,
  built: (table: string, file: string) => void = () => {},
): Promise<void> {
  for (const sample of samplesOf(products)) {
    const { database, table } = sourceFor(sample.source);
    if (await buildSampleLake(sample, lakeFolder)) built(`${database}.${table}`, sample.file);
  }
  const lookups = lookupTables(products.flatMap(({ source }) => source.lookups));
  for (const sample of declaredTables()) {
    const read = lookups.filter(({ database, name }) => `${database}.${name}` === sample.table);
    if (read.length > 0 && (await buildSampleTable(sample, read, lakeFolder)))
      built(sample.table, sample.file);
  }
}

/** The samples of the products' sources. */
function samplesOf(products: readonly Product[]): SampleOptions[] {
  return declaredSamples().filter((sample) =>
    products.some(({ source }) => source === sourceFor(sample.source)),
  );
}
