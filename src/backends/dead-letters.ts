/** Events that cannot be applied, kept with the reason until somebody looks at them. */
import type { Instant } from "../model/time.ts";

/** One event, or what stands in an event's place, by its position: shard, sortable sequence, index in its record. */
export interface DeadLetter {
  readonly stream: string;
  readonly shard: string;
  readonly sequence: string;
  readonly index: number;
  /** A stable word, such as BAD_JSON or TOO_LATE. */
  readonly reason: string;
  /** The rule, and what arrived. */
  readonly detail: string;
  /** When its record arrived. */
  readonly arrival: Instant;
  readonly bytes: Uint8Array;
}

export interface DeadLetters {
  /** Resolves when all are stored. Idempotent: a letter is keyed by its position. */
  put(letters: readonly DeadLetter[]): Promise<void>;
}
