/** Events that cannot be applied, kept with the reason, and with what became of them when somebody looked. */
import type { Position } from "../model/position.ts";
import type { Instant } from "../model/time.ts";

/** Where a letter stands: shard, sortable sequence, index in its record. */
export interface LetterKey {
  readonly stream: string;
  readonly shard: string;
  readonly sequence: string;
  readonly index: number;
}

/** One event, or what stands in an event's place. */
export interface DeadLetter extends LetterKey {
  /** A stable word, such as BAD_JSON or TOO_LATE. */
  readonly reason: string;
  /** The rule, and what arrived. */
  readonly detail: string;
  /** When its record arrived. */
  readonly arrival: Instant;
  readonly bytes: Uint8Array;
}

/** Its event came into the stream once more, or into the lake. */
export type Outcome = "REPLAYED" | "ADMITTED";

export interface Settled {
  readonly outcome: Outcome;
  readonly at: Instant;
}

export interface StoredLetter extends DeadLetter {
  /** Null while nothing became of it. */
  readonly settled: Settled | null;
}

export interface LetterPage {
  readonly letters: readonly StoredLetter[];
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

export interface DeadLetters {
  /** Resolves when all are stored. Idempotent: a letter is keyed by its position, and stays settled when put again. */
  put(letters: readonly DeadLetter[]): Promise<void>;
  /** Some letters of a shard, read consistently, in an order that stays; from the first one on, or from `next` of a page. */
  page(stream: string, shard: string, from: string | null): Promise<LetterPage>;
  /** Where letters of a shard stand from one sequence number to another, both included; read consistently. */
  positions(stream: string, shard: string, first: string, last: string): Promise<readonly Position[]>;
  /** Notes what became of letters, and keeps them. Idempotent. */
  settle(letters: readonly LetterKey[], settled: Settled): Promise<void>;
}
