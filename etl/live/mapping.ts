/**
 * The micro-batches of one source behind a Lambda event source mapping: one invocation, one window of one shard.
 *
 * The checkpoint decides what is read, not the mapping: what was delivered before is left out, and what lies between the
 * checkpoint and the batch (a mapping that was made anew, or that gave up on a batch) is read from the stream first,
 * as are the parents of a shard up to their ends.
 *
 * Delivery guarantee: every event is applied exactly once (live items, archive) or becomes a dead letter, and is
 * announced at least once, however batches are cut, repeated or run twice at once. What fails is tried again until the
 * invocation is asked to stop; then the mapping is told from which record on to repeat.
 */
import { setMaxListeners } from "node:events";
import type { EventStream, Shard, StreamRecord } from "../../src/backends/event-stream.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import type { Instant } from "../../src/model/time.ts";
import { runBatch } from "./batch.ts";
import type { Position } from "./checkpoint.ts";
import { type Effects, type Log, untilDone, waitFor } from "./effects.ts";
import { knownShards, shardFollower } from "./follow-shards.ts";
import { unpackedLength } from "./lines.ts";
import { ensureLiveStarts, enterShard } from "./live-start.ts";
import { type LivePath, livePath, type LivePathOptions } from "./path.ts";
import { consumeShard, type ShardOptions, shardReader } from "./shard.ts";

export interface MappingOptions extends LivePathOptions {
  readonly stream: EventStream;
  readonly clock: () => Instant;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly wait?: Effects["wait"];
}

/** What of a mapping's event is read. */
export interface MappingEvent {
  readonly Records: readonly MappingRecord[];
}

export interface MappingRecord {
  /** `shardId-000000000006:4959…`: the shard, and the record's sequence number. */
  readonly eventID: string;
  readonly kinesis: {
    readonly sequenceNumber: string;
    /** Base64. */
    readonly data: string;
    /** Epoch seconds with a fraction. */
    readonly approximateArrivalTimestamp: number;
  };
}

/** The mapping repeats everything from the record that is named on; nothing when none is. */
export interface MappingAnswer {
  batchItemFailures: { itemIdentifier: string }[];
}

/**
 * Resolves when the batch is through, or has failed and `signal` has asked to stop. Rejects on a programming error only,
 * which the mapping repeats as well.
 */
export type MappingHandler = (event: MappingEvent, signal: AbortSignal) => Promise<MappingAnswer>;

/** What invocations have in common until one fails: the caches of the path, and which shards are known. */
interface Run extends ShardOptions {
  /** Asks everything that belongs to the run to stop, also what sleeps in a frozen container. */
  readonly stop: () => void;
  readonly lineage: Promise<Lineage>;
  /** Shards whose parents are through. */
  readonly entered: Set<string>;
}

interface Lineage {
  /** Shards that are read to their ends. */
  readonly ended: Set<string>;
  readonly followShards: ReturnType<typeof shardFollower>;
}

interface Batch {
  readonly shard: string;
  readonly records: readonly StreamRecord[];
}

/** Of what is read from the stream itself: it is all there, so age says nothing. */
const window = { ageMs: Infinity, records: 10_000, bytes: 16 * 1024 * 1024 };

export function mappingHandler(options: MappingOptions): MappingHandler {
  let current: Run | null = null;
  return async (event, signal) => {
    const batch = batchOf(event);
    const run = current === null || isStopped(current) ? startRun(options) : current;
    current = run;
    if (signal.aborted) run.stop();
    signal.addEventListener("abort", run.stop);
    try {
      await consume(run, batch);
      return { batchItemFailures: [] };
    } catch (error) {
      const outOfTime = isStopped(run);
      run.stop();
      if (!outOfTime) throw error;
      options.log.error({ err: error, shard: batch.shard }, "Out of time in a batch; the mapping repeats it");
      return { batchItemFailures: [{ itemIdentifier: event.Records[0]!.kinesis.sequenceNumber }] };
    } finally {
      signal.removeEventListener("abort", run.stop);
    }
  };
}

const isStopped = ({ path }: Run): boolean => path.effects.signal.aborted;

function batchOf({ Records: records }: MappingEvent): Batch {
  const shards = new Set(records.map(({ eventID }) => eventID.slice(0, eventID.indexOf(":"))));
  const [shard] = shards;
  if (shard === undefined || shards.size > 1)
    throw new SluiceError(
      "INTERNAL",
      `An invocation brings records of one shard. Got ${records.length} records of ${shards.size} shards. Let a Kinesis event source mapping without tumbling windows invoke the function.`,
    );
  return { shard, records: records.map(recordOf) };
}

/** The very record that GetRecords gives. */
function recordOf({ kinesis }: MappingRecord): StreamRecord {
  return {
    sequence: sortableSequence(kinesis.sequenceNumber),
    // 1545084650.987 times 1,000 is not a whole number
    arrival: Math.round(kinesis.approximateArrivalTimestamp * 1_000),
    data: Buffer.from(kinesis.data, "base64"),
  };
}

function startRun(options: MappingOptions): Run {
  const { clock, random, log, wait = waitFor, stream: events } = options;
  const stopping = new AbortController();
  // every item that waits for its turn listens to it
  setMaxListeners(0, stopping.signal);
  const path = livePath(options, { clock, random, log, wait, signal: stopping.signal });
  return {
    path,
    events,
    window,
    stop: () => stopping.abort(),
    lineage: openLineage(path, events),
    entered: new Set(),
  };
}

async function openLineage(path: LivePath, events: EventStream): Promise<Lineage> {
  await ensureLiveStarts({ ...path, events });
  const known = await knownShards(path);
  return { ended: new Set(known.ended), followShards: shardFollower(path, known) };
}

async function consume(run: Run, { shard, records }: Batch): Promise<void> {
  const lineage = await run.lineage;
  // then no start may have been decided
  checkStopped(run);
  const entered = await enter(run, lineage, shard);
  const position = await runMissed(run, shard, entered, records[0]!.sequence);
  const done = position?.value.sequence ?? null;
  const left = done === null ? records : records.filter(({ sequence }) => sequence > done);
  await runWindows(run, shard, position, done, left);
}

/** Where the shard stands, once its parents are through. */
async function enter(run: Run, lineage: Lineage, shard: string): Promise<Position> {
  const { path, events } = run;
  if (!run.entered.has(shard)) {
    const shards = await untilDone(path.effects, "Listing shards", () => events.shards());
    await finishParents(run, lineage, shard, shards);
    await path.archive.recover(shard);
    run.entered.add(shard);
  }
  return enterShard({ ...path, events }, shard);
}

/** Nobody tells that a shard has ended: it is read to its end before its children begin. */
async function finishParents(
  run: Run,
  lineage: Lineage,
  shard: string,
  shards: readonly Shard[],
): Promise<void> {
  const { ended, followShards } = lineage;
  await followShards(shards, ended);
  const parents = shards.find(({ id }) => id === shard)?.parents ?? [];
  for (const parent of parents) {
    if (ended.has(parent) || !shards.some(({ id }) => id === parent)) continue;
    await finishParents(run, lineage, parent, shards);
    if (await consumeShard(run, parent)) ended.add(parent);
    checkStopped(run);
  }
  await followShards(shards, ended);
}

/** Runs what lies in the stream between the checkpoint and the batch: with a mapping as it should be, nothing. */
async function runMissed(run: Run, shard: string, entered: Position, first: string): Promise<Position> {
  let position = entered;
  let after = position?.value.sequence ?? null;
  if ((after ?? "") >= first) return position;
  const read = shardReader(run, shard, after);
  // one record tells whether there is anything
  for (let limit = 1; ; ) {
    const { records, next, millisBehindLatest } = await read(limit);
    const missed = records.filter(({ sequence }) => sequence < first);
    if (missed.length > 0) {
      const details = { shard, records: missed.length };
      run.path.effects.log.warn(details, "Records that the mapping has left out are read from the stream");
      position = await runWindows(run, shard, position, after, missed);
      after = missed.at(-1)!.sequence;
      limit = window.records;
    }
    if (missed.length < records.length || next === null || millisBehindLatest === 0) return position;
    checkStopped(run);
  }
}

/** One window as a rule, several where gzip holds more than one may. */
async function runWindows(
  run: Run,
  shard: string,
  entered: Position,
  before: string | null,
  records: readonly StreamRecord[],
): Promise<Position> {
  let [position, after] = [entered, before];
  for (const some of windowsOf(records)) {
    position = await runWindow(run, shard, position, after, some);
    after = some.at(-1)!.sequence;
  }
  return position;
}

function* windowsOf(records: readonly StreamRecord[]): Iterable<readonly StreamRecord[]> {
  let [from, bytes] = [0, 0];
  for (let end = 1; end <= records.length; end++) {
    bytes += unpackedLength(records[end - 1]!.data);
    if (bytes < window.bytes && end < records.length) continue;
    yield records.slice(from, end);
    [from, bytes] = [end, 0];
  }
}

async function runWindow(
  run: Run,
  shard: string,
  position: Position,
  after: string | null,
  records: readonly StreamRecord[],
): Promise<Position> {
  checkStopped(run);
  const batch = await runBatch(run.path, shard, position, after, records);
  const { in: all, applied, dead, position: moved } = batch;
  run.path.effects.log.info({ shard, in: all, applied, dead }, "micro-batch");
  return moved;
}

function checkStopped(run: Run): void {
  if (isStopped(run)) throw new Error("Asked to stop.");
}
