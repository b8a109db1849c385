/**
 * Dead letters whose events are too late for the stream come into the lake.
 *
 * Delivery guarantee: every letter's event is in exactly one committed file, whatever crashes, whichever answer is
 * lost, and however many do it at once. The letters' document is read, then the letters; files are staged, and one
 * compare-and-swap on what was read commits their names with the letters that they hold. Before the document is
 * cleared, those are marked: a letter that is still open when the swap succeeds was in no earlier commit.
 */
import { SluiceError } from "../../src/model/errors.ts";
import type { Instant } from "../../src/model/time.ts";
import { judgedChunks, emptyTally, type JudgedLetter, type Tally, timeOf } from "./letters.ts";
import {
  admittedRecord,
  finishAdmission,
  type FoundRecord,
  positionsOf,
  type RecordOptions,
  swapRecord,
} from "./letters-record.ts";
import { stage } from "./staging.ts";

export interface AdmitOptions extends RecordOptions {
  /** Earlier events are left alone: coverage begins with the lake's first partition. */
  readonly from: Instant;
  /** Told how many have been admitted so far. */
  readonly progress?: (admitted: number) => void;
}

export interface Admitted {
  /** Letters whose admission this run brought to its end. */
  readonly admitted: number;
  /** All others that are open. */
  readonly left: Tally;
}

const limits = { letters: 500, bytes: 16 * 1024 * 1024 }; // their positions and files are in one control document

export async function admitLetters(options: AdmitOptions): Promise<Admitted> {
  for (let admitted = 0; ; ) {
    const found = await admittedRecord(options);
    rejectResending(options, found);
    const run = await admitFrom(options, found, admitted + found.finished);
    if (run.left !== null) return { admitted: run.admitted, left: run.left };
    // another process was first: what it admitted is marked when its work is done
    admitted = run.admitted;
  }
}

/** Whether they have come into the stream is found out by whoever put them, or by the next one who does. */
function rejectResending({ stream }: AdmitOptions, { record }: FoundRecord): void {
  if (record.resending === null) return;
  throw new SluiceError(
    "CONFLICT",
    `Dead letters are admitted or re-sent, not both at once. Those of "${stream.name}" are being re-sent, or a run that did so has died. Run --replay to its end first.`,
  );
}

/** Walks all letters once. `left` is null when the document changed under the walk. */
async function admitFrom(
  options: AdmitOptions,
  found: FoundRecord,
  before: number,
): Promise<{ admitted: number; left: Tally | null }> {
  const left = emptyTally();
  const judging = { now: await timeOf(options), admitFrom: options.from };
  let { record, revision } = found;
  let admitted = before;
  for await (const chunk of judgedChunks(options, "late", judging, limits, left)) {
    const committed = await commit(options, { record, revision }, chunk);
    if (committed === null) return { admitted, left: null };
    const cleared = await finishAdmission(options, committed);
    admitted += chunk.length;
    options.progress?.(admitted);
    if (cleared === null) return { admitted, left: null };
    record = { ...committed.record, admitting: null };
    revision = cleared;
  }
  return { admitted, left };
}

async function commit(
  options: AdmitOptions,
  { record, revision }: FoundRecord,
  chunk: readonly JudgedLetter[],
): Promise<FoundRecord | null> {
  const copying = await stage(
    options,
    "admitted",
    record.files,
    chunk.map(({ event }) => event),
  );
  const letters = positionsOf(chunk.map(({ letter }) => letter));
  const admitting = { at: options.effects.clock(), letters, copying };
  const next = { ...record, files: record.files + copying.length, admitting };
  const committed = await swapRecord(options, revision, next);
  return committed === null ? null : { record: next, revision: committed };
}
