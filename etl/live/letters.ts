/**
 * The dead letters of a stream, and what can become of each as the declaration and the time are now.
 *
 * Delivery guarantee: reads only. A letter above its shard's checkpoint is left alone: its batch is repeated, and may
 * yet apply the event.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { DeadLetters, StoredLetter } from "../../src/backends/dead-letters.ts";
import { type Clock, clockKey } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { readCheckpoints } from "./checkpoint.ts";
import { Problem } from "./columns.ts";
import { type Effects, untilDone } from "./effects.ts";
import { decodeRecord } from "./wire.ts";

export interface LettersOptions {
  readonly source: Source;
  readonly stream: Stream;
  readonly control: ControlStore;
  readonly deadLetters: DeadLetters;
  readonly effects: Effects;
}

/** Every letter, shard by shard. */
export async function* allLetters(options: LettersOptions): AsyncGenerator<StoredLetter> {
  // a shard has a checkpoint before anything is read of it
  for (const { sk: shard } of await readCheckpoints(options)) yield* lettersOf(options, shard);
}

/** Those that nothing became of yet, and whose batch is done. */
async function* openLetters(options: LettersOptions): AsyncGenerator<StoredLetter> {
  for (const { sk: shard, value: checkpoint } of await readCheckpoints(options))
    for await (const letter of lettersOf(options, shard))
      if (letter.settled === null && letter.sequence <= (checkpoint.sequence ?? "")) yield letter;
}

async function* lettersOf(options: LettersOptions, shard: string): AsyncGenerator<StoredLetter> {
  const { stream, deadLetters, effects } = options;
  for (let from: string | null = null; ; ) {
    checkStopped(options);
    const page = await untilDone(effects, "Reading dead letters", () =>
      deadLetters.page(stream.name, shard, from),
    );
    yield* page.letters;
    if (page.next === null) return;
    from = page.next;
  }
}

/** Throws when it was asked to stop. */
export function checkStopped({ effects, stream }: LettersOptions): void {
  if (!effects.signal.aborted) return;
  throw new SluiceError(
    "CONFLICT",
    `Stopped on request. What was done with the dead letters of "${stream.name}" is done; run it again for the rest.`,
  );
}

export type Verdict =
  /** It is within the lateness now: it can come into the stream once more. */
  | { readonly kind: "resendable"; readonly event: Event }
  /** It is too late for the stream: it can be admitted to the lake. */
  | { readonly kind: "late"; readonly event: Event }
  /** It is too late, and earlier than what is to be admitted. */
  | { readonly kind: "early"; readonly event: Event }
  | { readonly kind: "bad"; readonly problem: Problem };

interface Judging {
  readonly now: Instant;
  /** No earlier event is to be admitted. */
  readonly admitFrom: Instant;
}

/** What the time is for a stream: of a replay, where its clock stands. */
export async function timeOf({ stream, control, effects }: LettersOptions): Promise<Instant> {
  if (!stream.replay) return effects.clock();
  const clock = await untilDone(effects, "Reading the replay's clock", () =>
    control.get<Clock>(clockKey(stream)),
  );
  if (clock !== null) return clock.value.at;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A stream that replays history has a clock. Stream "${stream.name}" has none yet. Start its replay first.`,
  );
}

/** Judges letters of one source. */
function judge(source: Source, { now, admitFrom }: Judging): (letter: StoredLetter) => Verdict {
  const stream = source.stream!;
  const anyTime: Source = { ...source, stream: { ...stream, latenessMs: Infinity } };
  return ({ sequence, bytes }) => {
    const { events, poison } = decodeRecord(anyTime, { sequence, arrival: now, data: bytes });
    const [first] = events;
    if (first === undefined || events.length > 1 || poison.length > 0)
      return { kind: "bad", problem: problemOf(poison[0], events.length) };
    const { event } = first;
    const time = Number(event[source.time.property]);
    if (time >= now - stream.latenessMs) return { kind: "resendable", event };
    return { kind: time < admitFrom ? "early" : "late", event };
  };
}

function problemOf(poison: Problem | undefined, events: number): Problem {
  if (poison === undefined)
    return new Problem("BAD_ENVELOPE", `A dead letter holds one event. It decodes to ${events} now.`);
  // whatever is too late in no time is ahead of it
  if (poison.reason !== "TOO_LATE") return poison;
  return new Problem("TOO_LATE", "Its time is more than a day ahead.");
}

/** How many letters there are of each kind, and of those that are still bad why. */
export interface Tally {
  readonly counts: Record<Verdict["kind"], number>;
  /** Reason -> how many, and the detail of one of them. */
  readonly problems: Map<string, { count: number; readonly detail: string }>;
}

export function emptyTally(): Tally {
  return { counts: { resendable: 0, late: 0, early: 0, bad: 0 }, problems: new Map() };
}

export function tally({ counts, problems }: Tally, verdict: Verdict): void {
  counts[verdict.kind]++;
  if (verdict.kind !== "bad") return;
  const { reason, detail } = verdict.problem;
  const known = problems.get(reason);
  if (known === undefined) problems.set(reason, { count: 1, detail });
  else known.count++;
}

/** What could become of the open letters now. */
export async function tallyLetters(options: LettersOptions, admitFrom: Instant): Promise<Tally> {
  const judged = judge(options.source, { now: await timeOf(options), admitFrom });
  const all = emptyTally();
  for await (const letter of openLetters(options)) tally(all, judged(letter));
  return all;
}

/** A letter with the event that it decodes to now. */
export interface JudgedLetter {
  readonly letter: StoredLetter;
  readonly event: Event;
}

interface ChunkLimits {
  readonly letters: number;
  readonly bytes: number;
}

/** The open letters of one kind, in chunks; all others are counted. */
export async function* judgedChunks(
  options: LettersOptions,
  kind: "resendable" | "late",
  judging: Judging,
  limits: ChunkLimits,
  left: Tally,
): AsyncGenerator<readonly JudgedLetter[]> {
  const judged = judge(options.source, judging);
  let chunk: JudgedLetter[] = [];
  let bytes = 0;
  for await (const letter of openLetters(options)) {
    const verdict = judged(letter);
    if (verdict.kind !== kind) {
      tally(left, verdict);
      continue;
    }
    if (chunk.length > 0 && (chunk.length === limits.letters || bytes + letter.bytes.length > limits.bytes)) {
      yield chunk;
      [chunk, bytes] = [[], 0];
    }
    chunk.push({ letter, event: verdict.event });
    bytes += letter.bytes.length;
  }
  if (chunk.length > 0) yield chunk;
}
