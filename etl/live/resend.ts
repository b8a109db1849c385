/**
 * Dead letters whose events decode and are within the lateness now, as after a declaration was mended, come into the
 * stream once more, as new records.
 *
 * Delivery guarantee: every letter's event is put once, as long as the stream's client makes one attempt per call.
 * Before a put, the letters' document says which letters it holds and how far every shard has come; barriers tell. When
 * the put was answered, the letters are marked. When it was not, or its process died, the shards are read back from
 * there: letters that are found are marked, and the others are open again. Whoever finds a put that another process
 * began waits until it must be over. A request that is still under way then puts its events a second time.
 */
import type { LetterKey } from "../../src/backends/dead-letters.ts";
import type { EventStream, PutEntry } from "../../src/backends/event-stream.ts";
import type { LetterPositions, LettersRecord, Resending } from "../../src/model/control.ts";
import type { Position } from "../../src/model/position.ts";
import type { Instant } from "../../src/model/time.ts";
import { untilDone } from "./effects.ts";
import { Problem } from "./columns.ts";
import {
  checkStopped,
  emptyTally,
  judgedChunks,
  type JudgedLetter,
  type Tally,
  tally,
  timeOf,
} from "./letters.ts";
import {
  admittedRecord,
  countOf,
  type FoundRecord,
  positionsOf,
  readRecord,
  type RecordOptions,
  settle,
  swapRecord,
} from "./letters-record.ts";
import { recordsAfter } from "./tail.ts";
import { encodeBarrier, encodeResent, resentLetters } from "./wire.ts";

export interface ResendOptions extends RecordOptions {
  /** Over a client with `maxAttempts: 1`: one that repeats unanswered puts would put events twice. */
  readonly events: EventStream;
  /** Earlier events are counted as such. */
  readonly admitFrom: Instant;
  /** Told how many have been re-sent so far. */
  readonly progress?: (resent: number) => void;
}

export interface Resent {
  /** Letters that this run has put or found in the stream. */
  readonly resent: number;
  /** All others that are open. */
  readonly left: Tally;
}

const limits = { letters: 500, bytes: 3_000_000 }; // one PutRecords, envelopes included
/** From the document to the put: a process that was frozen meanwhile does not put any more. */
const maxDelayMs = 30_000;
/** From the document on: until then a put that another process began may still come in. */
const maxPutMs = 120_000;
const pollMs = 1_000;
const maxFailures = 5; // in a row
const maxRecord = 1_048_576; // Kinesis: data and partition key

export async function resendLetters(options: ResendOptions): Promise<Resent> {
  let resent = 0;
  for (let failures = 0; ; ) {
    const found = await admittedRecord(options);
    resent += await finishResending(options, found);
    if (found.record.resending !== null) continue;
    const walk = await resendFrom(options, found, (count) => {
      failures = 0;
      resent += count;
      options.progress?.(resent);
    });
    if (walk.left !== null) return { resent, left: walk.left };
    if (walk.unanswered === undefined) continue;
    // what is still under way comes in, and is found
    await options.effects.wait(pollMs, options.effects.signal);
    resent += await readBack(options, walk.unanswered);
    if (++failures >= maxFailures) throw walk.unanswered.failure;
  }
}

/** A put that somebody else began: waits until it must be over, and finds out what came in. */
async function finishResending(options: ResendOptions, { record, revision }: FoundRecord): Promise<number> {
  const { effects, stream } = options;
  if (record.resending === null) return 0;
  effects.log.warn(
    { stream: stream.name },
    "Another run re-sends letters, or has died: waiting until its put must be over, two minutes at most",
  );
  while (effects.clock() < record.resending.at + maxPutMs) {
    await effects.wait(pollMs, effects.signal);
    checkStopped(options);
    if ((await readRecord(options)).revision !== revision) return 0;
  }
  return readBack(options, { record, revision });
}

/** Walks all letters once. `left` is null when a put was not answered, or the document changed under the walk. */
async function resendFrom(
  options: ResendOptions,
  found: FoundRecord,
  put: (count: number) => void,
): Promise<{ left: Tally | null; unanswered?: Announced & { readonly failure: unknown } }> {
  const left = emptyTally();
  const now = await timeOf(options);
  const judging = { now, admitFrom: options.admitFrom };
  let { record, revision } = found;
  for await (const chunk of judgedChunks(options, "resendable", judging, limits, left)) {
    const puts = putsOf(options, chunk, now, left);
    if (puts.length === 0) continue;
    const announced = await announce(options, { record, revision }, puts, now);
    if (announced === null) return { left: null };
    const { letters, at } = announced.record.resending;
    const failure = await putAll(options, at, puts);
    if (failure !== null) return { left: null, unanswered: { ...announced, failure } };
    await settle(options, letters, "REPLAYED", at);
    put(puts.length);
    record = { ...record, resending: null };
    revision = await swapRecord(options, announced.revision, record);
    if (revision === null) return { left: null };
  }
  return { left };
}

interface LetterPut {
  readonly letter: LetterKey;
  readonly entry: PutEntry;
}

/** What is larger than Kinesis takes is counted as bad. */
function putsOf(
  { source, stream }: ResendOptions,
  chunk: readonly JudgedLetter[],
  now: Instant,
  left: Tally,
): readonly LetterPut[] {
  return chunk.flatMap(({ letter, event }) => {
    const of = nameOf(letter.shard, [letter.sequence, letter.index]);
    const data = encodeResent(source, { of, event, ...(stream.replay && { arrival: now }) });
    if (data.length + of.length <= maxRecord) return [{ letter, entry: { partitionKey: of, data } }];
    const detail = `A record holds 1 MiB at most. It would have ${data.length} bytes.`;
    tally(left, { kind: "bad", problem: new Problem("BAD_VALUE", detail) });
    return [];
  });
}

interface Announced {
  readonly record: LettersRecord & { readonly resending: Resending };
  readonly revision: number;
}

async function announce(
  options: ResendOptions,
  { record, revision }: FoundRecord,
  puts: readonly LetterPut[],
  now: Instant,
): Promise<Announced | null> {
  const tails = await untilDone(options.effects, "Putting barriers", () => tailsOf(options, now));
  const letters = positionsOf(puts.map(({ letter }) => letter));
  const next = { ...record, resending: { at: options.effects.clock(), letters, tails } };
  const written = await swapRecord(options, revision, next);
  return written === null ? null : { record: next, revision: written };
}

async function tailsOf({ events, stream }: ResendOptions, now: Instant): Promise<Resending["tails"]> {
  const shards = await events.shards();
  const data = encodeBarrier({ id: "before letters", ...(stream.replay && { arrival: now }) });
  const open = shards.filter(({ closed }) => !closed);
  const put = await events.put(open.map(({ id }) => ({ partitionKey: id, shard: id, data })));
  return Object.fromEntries([
    ...shards.flatMap(({ id, closed }): [string, null][] => (closed ? [[id, null]] : [])),
    ...put.map(({ shard, sequence }) => [shard, sequence] as const),
  ]);
}

/** Resolves to why it is not known that all came in, or null. */
async function putAll(
  { events, effects }: ResendOptions,
  announcedAt: Instant,
  puts: readonly LetterPut[],
): Promise<unknown> {
  if (effects.clock() - announcedAt > maxDelayMs) return new Error("The put was announced too long ago.");
  try {
    await events.put(puts.map(({ entry }) => entry));
    return null;
  } catch (error) {
    return error;
  }
}

const nameOf = (shard: string, [sequence, index]: Position): string => `${shard}#${sequence}#${index}`;

/** Marks the letters that are found in the stream; the others are open again. Resolves to how many were found. */
async function readBack(options: ResendOptions, { record, revision }: FoundRecord): Promise<number> {
  if (record.resending === null) return 0;
  const { letters, at, tails } = record.resending;
  const names = await untilDone(options.effects, "Reading re-sent letters", () =>
    namesBehind(options.events, tails),
  );
  const found = foundOf(letters, names);
  await settle(options, found, "REPLAYED", at);
  const cleared = await swapRecord(options, revision, { ...record, resending: null });
  return cleared === null ? 0 : countOf(found);
}

async function namesBehind(events: EventStream, tails: Resending["tails"]): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const { id } of await events.shards()) {
    const tail = tails[id];
    // a shard that is not named has come since
    if (tail === null) continue;
    for await (const records of recordsAfter(events, id, tail ?? null))
      for (const name of records.flatMap(resentLetters)) names.add(name);
  }
  return names;
}

function foundOf(letters: LetterPositions, names: ReadonlySet<string>): LetterPositions {
  return Object.fromEntries(
    Object.entries(letters).map(([shard, positions]) => [
      shard,
      positions.filter((position) => names.has(nameOf(shard, position))),
    ]),
  );
}
