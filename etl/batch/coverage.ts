/**
 * Up to when this refresh may count, so that batch and live never overlap.
 *
 * Delivery guarantee: when `passBarriers` resolves, every event before the returned instant that was not refused as too
 * late is in a committed archive file under its final name. Barriers may be put twice, which is harmless.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { archiveKey, type ArchiveRecord, type Clock, clockKey } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { finestGrain } from "../../src/model/gold.ts";
import type { Product } from "../../src/model/product.ts";
import type { Stream } from "../../src/model/source.ts";
import { floorTo, type Instant } from "../../src/model/time.ts";
import { encodeBarrier } from "../live/wire.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import type { PartitionFiles } from "./partitions.ts";
import { checkStopped } from "./stopping.ts";

const firstPollMs = 20;
const longestPollMs = 500;

/**
 * Puts a barrier into every open shard and waits until the archive has passed them all. Resolves to the instant before
 * which the archive is complete, on an edge of the product's finest grain, never before `previous`; to `previous` when
 * the wait ran out. Rejects `REFRESH` when it ran out and there is no previous coverage.
 */
export async function passBarriers(
  product: Product,
  stream: Stream,
  previous: Instant | null,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Instant> {
  const arrival = stream.replay ? await replayClock(stream, deps.control) : null;
  const barriers = await putBarriers(eventStreamOf(stream, deps), deps.token(), arrival);
  const records = await archivedPast(stream, barriers, deps, () => checkStopped(product, options));
  if (records === null) return previous ?? noCoverage(stream, deps.barrierWaitMs);
  for (const record of records) await finishCopies(record, deps.lake);
  const earliest = Math.min(...records.map((record) => record.barrier!.arrival));
  const until = floorTo(earliest - stream.latenessMs - stream.skewMs, finestGrain(product));
  return Math.max(until, previous ?? until);
}

/** A source without a stream is covered to the end of its newest lake partition. */
export function coveredByLake(
  product: Product,
  present: ReadonlyMap<string, PartitionFiles>,
  previous: Instant | null,
  folder: string,
): Instant {
  const ends = [...present.values()].map(({ range }) => range.to);
  if (ends.length === 0 && previous === null)
    throw new SluiceError(
      "REFRESH",
      `A product is computed from the lake. Source "${product.source.name}" has no files in ${folder}. Put its Parquet files there, one folder per partition.`,
    );
  return Math.max(...ends, previous ?? -Infinity);
}

function eventStreamOf(stream: Stream, deps: RefreshDeps): EventStream {
  if (deps.stream === undefined)
    throw new TypeError(`A refresh over stream "${stream.name}" needs it as deps.stream.`);
  return deps.stream;
}

/** Read before the barriers are put: what is stamped earlier has been acknowledged, so it lies before them. */
async function replayClock(stream: Stream, control: ControlStore): Promise<Instant> {
  const clock = await control.get<Clock>(clockKey(stream));
  if (clock !== null) return clock.value.at;
  throw new SluiceError(
    "REFRESH",
    `A stream that replays history has a clock. Stream "${stream.name}" has none yet. Start its replay, then refresh.`,
  );
}

interface Barrier {
  readonly shard: string;
  readonly sequence: string;
}

async function putBarriers(
  stream: EventStream,
  id: string,
  arrival: Instant | null,
): Promise<readonly Barrier[]> {
  const open = (await stream.shards()).filter(({ closed }) => !closed);
  const data = encodeBarrier(arrival === null ? { id } : { id, arrival });
  const put = await stream.put(open.map((shard) => ({ partitionKey: id, data, shard: shard.id })));
  return put.map(({ shard, sequence }) => ({ shard, sequence }));
}

/** The archive records of the shards once all are past their barriers, or null when that took too long. */
async function archivedPast(
  stream: Stream,
  barriers: readonly Barrier[],
  { control, clock, wait, barrierWaitMs, progress }: RefreshDeps,
  proceed: () => void,
): Promise<ArchiveRecord[] | null> {
  const deadline = clock() + barrierWaitMs;
  const report = (done: number) =>
    progress({ stage: "coverage", done, total: barriers.length, unit: "shards" });
  for (let pollMs = firstPollMs; ; pollMs = Math.min(longestPollMs, pollMs * 2)) {
    const records = await Promise.all(
      barriers.map(({ shard }) => control.get<ArchiveRecord>(archiveKey(stream, shard))),
    );
    const past = records.flatMap((record, i) =>
      record !== null && isPast(record.value, barriers[i]!) ? [record.value] : [],
    );
    report(past.length);
    if (past.length === barriers.length) return past;
    if (clock() >= deadline) return null;
    proceed();
    await wait(pollMs);
  }
}

/** Sortable sequence numbers compare as strings. */
function isPast(record: ArchiveRecord, { sequence }: Barrier): boolean {
  return record.barrier !== null && record.barrier.sequence >= sequence;
}

/** A committed file is complete in its staging place: the refresh need not wait for the consumer to copy it. */
async function finishCopies(record: ArchiveRecord, lake: Lake): Promise<void> {
  for (const { from, to } of record.copying) {
    if (await exists(lake, to)) continue;
    try {
      await lake.copy(from, to);
    } catch (error) {
      // the consumer may have copied it and removed the staged one in between
      if (!(await exists(lake, to))) throw error;
    }
  }
}

async function exists(lake: Lake, key: string): Promise<boolean> {
  for await (const object of lake.list(key)) if (object.key === key) return true;
  return false;
}

function noCoverage(stream: Stream, waitedMs: number): never {
  throw new SluiceError(
    "REFRESH",
    `A refresh over a stream counts what micro-batches have archived. Those of "${stream.name}" did not archive past this refresh's barriers within ${waitedMs / 1_000} s, and there is no earlier coverage to keep. Start the micro-batches (or let them catch up), then refresh.`,
  );
}
