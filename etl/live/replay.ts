/**
 * History replayed into a stream: rows in time order, packed, each in an envelope with its assumed arrival (the time of
 * the earliest row put with it, plus lateness), and a durable clock behind them.
 *
 * Delivery guarantee: every row is put exactly once as long as the stream's client makes one attempt per call: after a
 * restart or an unanswered put, what the shards hold behind the last acknowledged record is read back, and only rows
 * that are missing there are put. Every record stamped earlier than the clock is acknowledged, none stamped earlier
 * follows.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import { dayMs, formatInstant, type Instant, nextBucket, storedGrains } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { type Effects, type Log, untilDone, waitFor } from "./effects.ts";
import { type Line, packed } from "./lanes.ts";
import { moveClock, openClock, type ReplayClock, type ReplayClockOptions } from "./replay-clock.ts";
import { recordsAfter } from "./tail.ts";
import { encodeBarrier, encodeReplayed, replayedRows } from "./wire.ts";

export interface ReplayRow {
  readonly row: number;
  readonly event: Event;
}

export interface ReplayOptions {
  readonly source: Source;
  /** Their live rollups decide how far the clock goes in the end. Those of other sources are left out. */
  readonly products: readonly Product[];
  /** Over a client with `maxAttempts: 1`: one that repeats unanswered puts would put rows twice. */
  readonly stream: EventStream;
  readonly control: ControlStore;
  /** The rows numbered above `after`, in order of time and number; the numbers begin at 1 and never change. */
  readonly rows: (after: number) => AsyncIterable<ReplayRow>;
  /** The first instant that is replayed rather than in the lake. */
  readonly start: Instant;
  /** Event time per real time, or as fast as possible. */
  readonly speed: number | "max";
  /** The longest pause between two events, whatever their distance. */
  readonly maxPauseMs: number;
  /** Which rows stay in order: by default those with the same value in the source's first string column. */
  readonly partitionKey?: (event: Event, row: number) => string;
  readonly progress?: (progress: ReplayProgress) => void;
  readonly clock: () => Instant;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly wait?: Effects["wait"];
}

export interface ReplayProgress {
  /** Rows put by this run. */
  readonly rows: number;
  /** The time of the last row put; null before the first. */
  readonly time: Instant | null;
  readonly done: boolean;
}

interface Replay extends ReplayClockOptions {
  readonly options: ReplayOptions;
  clock: Versioned<ReplayClock>;
  /** Rows above the clock's that the shards hold already. */
  present: ReadonlySet<number>;
  rows: number;
}

const batchRows = 5_000; // some 80 rows a record, where a replay is as fast as possible
const pauseStepMs = 20; // shorter pauses are saved up

/** Resolves when all rows are put and the clock stands at the end, or early when asked to stop. */
export async function runReplay(options: ReplayOptions): Promise<void> {
  const replay = await open(options);
  if (await putRows(replay)) await finish(replay);
}

async function open(options: ReplayOptions): Promise<Replay> {
  const { source, control, clock, random, log, signal, wait } = options;
  const stream = streamOf(source);
  const effects = { clock, random, log, signal, wait: wait ?? waitFor };
  const opened = await openClock({ stream, control, effects }, options.start + stream.latenessMs);
  const replay = { options, stream, control, effects, clock: opened, present: new Set<number>(), rows: 0 };
  return { ...replay, present: await rowsBehindTails(replay) };
}

function streamOf({ name, stream }: Source): Stream {
  if (stream?.replay === true) return stream;
  throw new SluiceError(
    "INTERNAL",
    `A replay needs a stream that is declared as one. Source "${name}" has ${stream === null ? "none" : `"${stream.name}", which is not`}. Declare stream: { name, replay: true }.`,
  );
}

/** Resolves to false when asked to stop. */
async function putRows(replay: Replay): Promise<boolean> {
  const { effects, options } = replay;
  let batch: ReplayRow[] = [];
  let owedMs = 0;
  let last = replay.clock.value.last;
  for await (const row of options.rows(replay.clock.value.row)) {
    if (effects.signal.aborted) return false;
    const time = timeOf(replay, row, last);
    owedMs += last === null ? 0 : pauseMs(options, time - last);
    last = time;
    if (batch.length > 0 && (owedMs >= pauseStepMs || isFull(replay, batch, time))) {
      const startedAt = effects.clock();
      await putBatch(replay, batch);
      owedMs -= effects.clock() - startedAt;
      batch = [];
    }
    if (owedMs >= pauseStepMs) {
      await effects.wait(owedMs, effects.signal);
      owedMs = 0;
    }
    owedMs = Math.max(0, owedMs);
    batch.push(row);
  }
  if (effects.signal.aborted) return false;
  if (batch.length > 0) await putBatch(replay, batch);
  return true;
}

/** No row of a batch is more than a day later than what it is said to have arrived with: that would be an error. */
function isFull(replay: Replay, batch: readonly ReplayRow[], time: Instant): boolean {
  return batch.length === batchRows || time - timeIn(replay, batch[0]!) > dayMs;
}

const timeIn = ({ options }: Replay, { event }: ReplayRow): Instant =>
  Number(event[options.source.time.property]);

function timeOf({ options }: Replay, { row, event }: ReplayRow, last: Instant | null): Instant {
  const time = Number(event[options.source.time.property]);
  const earliest = last ?? options.start;
  if (time >= earliest) return time;
  throw new SluiceError(
    "INTERNAL",
    `A replay's rows come in order of time. Row ${row} is of ${formatInstant(time)}, after ${formatInstant(earliest)}. Sort them by "${options.source.time.name}".`,
  );
}

function pauseMs({ speed, maxPauseMs }: ReplayOptions, distanceMs: number): number {
  return speed === "max" ? 0 : Math.min(maxPauseMs, distanceMs / speed);
}

/**
 * Puts the rows that are not there yet, until all are, and moves the clock past them. They all arrive with the earliest
 * one: lanes of one shard follow each other, and no record may be stamped earlier than the one before it.
 */
async function putBatch(replay: Replay, batch: readonly ReplayRow[]): Promise<void> {
  const { effects, options, stream } = replay;
  const tails = { ...replay.clock.value.tails };
  const arrival = timeIn(replay, batch[0]!) + stream.latenessMs;
  let unanswered = false;
  await untilDone(effects, "Putting replayed rows", async () => {
    if (unanswered) replay.present = await rowsBehindTails(replay);
    const missing = batch.filter(({ row }) => !replay.present.has(row));
    unanswered = true;
    for (const entries of packed(missing.map((row) => lineOf(options, row, arrival))))
      for (const { shard, sequence } of await options.stream.put(entries))
        if (sequence > (tails[shard] ?? "")) tails[shard] = sequence;
  });
  const last = timeIn(replay, batch.at(-1)!);
  const at = Math.max(replay.clock.value.at, last + stream.latenessMs);
  const { row } = batch.at(-1)!;
  const moved = { ...replay.clock.value, at, row, last, tails };
  replay.clock = await moveClock(replay, replay.clock.revision, moved);
  replay.rows += batch.length;
  options.progress?.({ rows: replay.rows, time: last, done: false });
}

function lineOf({ source, partitionKey }: ReplayOptions, { row, event }: ReplayRow, arrival: Instant): Line {
  return {
    partitionKey: (partitionKey ?? firstString(source))(event, row),
    bytes: encodeReplayed(source, { row, arrival, event }),
  };
}

function firstString({ ownColumns }: Source): (event: Event, row: number) => string {
  const column = ownColumns.find(({ type }) => type === "string")?.property;
  return (event, row) => {
    const value = column === undefined ? null : event[column];
    return String(value ?? "") || `row ${row}`;
  };
}

/** The rows that were put behind the last acknowledged record of every shard, closed ones included. */
async function rowsBehindTails(replay: Replay): Promise<ReadonlySet<number>> {
  const { effects, options } = replay;
  const { tails, row: acknowledged } = replay.clock.value;
  const shards = await untilDone(effects, "Listing shards", () => options.stream.shards());
  const rows = await Promise.all(
    shards.map(({ id }) =>
      untilDone(effects, `Reading the tail of shard ${id}`, () =>
        rowsAfter(options.stream, id, tails[id] ?? null),
      ),
    ),
  );
  return new Set(rows.flat().filter((row) => row > acknowledged));
}

async function rowsAfter(stream: EventStream, shard: string, after: string | null): Promise<number[]> {
  const rows: number[] = [];
  for await (const records of recordsAfter(stream, shard, after)) rows.push(...records.flatMap(replayedRows));
  return rows;
}

/**
 * Nothing follows: the clock moves to the end of the last event's bucket, in the coarsest of the live grains, and a
 * barrier in every shard lets the micro-batches see that it has.
 */
async function finish(replay: Replay): Promise<void> {
  const { options, stream, clock } = replay;
  const { at, last } = clock.value;
  const end = last === null ? at : Math.max(at, liveBucketEnd(options, last) + stream.latenessMs);
  if (end > at) replay.clock = await moveClock(replay, clock.revision, { ...clock.value, at: end });
  await putBarriers(replay, end);
  options.progress?.({ rows: replay.rows, time: last, done: true });
}

/** More of them do no harm: a repeated put needs no care. */
async function putBarriers({ options, effects }: Replay, arrival: Instant): Promise<void> {
  const data = encodeBarrier({ id: "end of the replay", arrival });
  await untilDone(effects, "Putting the last barriers", async () => {
    const shards = (await options.stream.shards()).filter(({ closed }) => !closed);
    await options.stream.put(shards.map(({ id }) => ({ partitionKey: id, shard: id, data })));
  });
}

function liveBucketEnd({ products, source }: ReplayOptions, last: Instant): Instant {
  const rollups = products.filter((product) => product.source === source).flatMap(({ rollups: all }) => all);
  const grains = rollups.filter(({ live }) => live).map(({ finest }) => finest);
  const coarsest = storedGrains.findLast((grain) => grains.includes(grain)) ?? "HOUR";
  return nextBucket(last, coarsest);
}
