/**
 * The control document of a stream's dead letters, which says what is being done with them.
 *
 * Delivery guarantee: whoever changes it has first finished what it says is going on, so a letter that is open after
 * the document was read is in no earlier admission and no earlier put.
 */
import type { LetterKey, Outcome } from "../../src/backends/dead-letters.ts";
import type { Lake } from "../../src/backends/lake.ts";
import {
  type FileCopy,
  type LetterPositions,
  lettersKey,
  type LettersRecord,
} from "../../src/model/control.ts";
import type { Position } from "../../src/model/position.ts";
import type { Instant } from "../../src/model/time.ts";
import { untilDone } from "./effects.ts";
import type { LettersOptions } from "./letters.ts";
import { makeCopies, removeStaged } from "./staging.ts";

export interface RecordOptions extends LettersOptions {
  readonly lake: Lake;
}

/** The document as it was read; the revision is null where there is none. */
export interface FoundRecord {
  readonly record: LettersRecord;
  readonly revision: number | null;
}

const nothingDone: LettersRecord = { files: 0, admitting: null, resending: null };

export async function readRecord({ control, stream, effects }: LettersOptions): Promise<FoundRecord> {
  const found = await untilDone(effects, "Reading the letters' document", () =>
    control.get<LettersRecord>(lettersKey(stream)),
  );
  return { record: found?.value ?? nothingDone, revision: found?.revision ?? null };
}

/** Resolves to the new revision, or null when another process was first, or this very write was and its answer was lost. */
export function swapRecord(
  { control, stream, effects }: LettersOptions,
  revision: number | null,
  record: LettersRecord,
): Promise<number | null> {
  return untilDone(effects, "Writing the letters' document", () =>
    control.put(lettersKey(stream), record, revision),
  );
}

/**
 * The document once what it says of an admission is done, and how many letters that were. Copies and marks bear
 * repetition by anybody.
 */
export async function admittedRecord(
  options: RecordOptions,
): Promise<FoundRecord & { readonly finished: number }> {
  for (let finished = 0; ; ) {
    const found = await readRecord(options);
    if (found.record.admitting === null) return { ...found, finished };
    await finishAdmission(options, found);
    finished += countOf(found.record.admitting.letters);
  }
}

/** Resolves to the revision of the cleared document; null when it was not this process that cleared it. */
export async function finishAdmission(
  options: RecordOptions,
  { record, revision }: FoundRecord,
): Promise<number | null> {
  const { copying, letters, at } = record.admitting!;
  await makeCopies(options, copying, (copy) => isOutstanding(options, copy));
  await settle(options, letters, "ADMITTED", at);
  const cleared = await swapRecord(options, revision, { ...record, admitting: null });
  if (cleared !== null) await removeStaged(options, copying);
  return cleared;
}

async function isOutstanding(options: LettersOptions, { from }: FileCopy): Promise<boolean> {
  const { admitting } = (await readRecord(options)).record;
  return admitting?.copying.some((copy) => copy.from === from) ?? false;
}

export async function settle(
  { deadLetters, stream, effects }: LettersOptions,
  letters: LetterPositions,
  outcome: Outcome,
  at: Instant,
): Promise<void> {
  const keys = Object.entries(letters).flatMap(([shard, positions]) =>
    positions.map(([sequence, index]) => ({ stream: stream.name, shard, sequence, index })),
  );
  await untilDone(effects, "Marking dead letters", () => deadLetters.settle(keys, { outcome, at }));
}

export function positionsOf(letters: readonly LetterKey[]): LetterPositions {
  const positions: Record<string, Position[]> = {};
  for (const { shard, sequence, index } of letters) (positions[shard] ??= []).push([sequence, index]);
  return positions;
}

export function countOf(letters: LetterPositions): number {
  return Object.values(letters).reduce((sum, positions) => sum + positions.length, 0);
}
