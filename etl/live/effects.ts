/** What the live path takes from outside besides its stores, and how it deals with stores that fail. */
import { setTimeout as timer } from "node:timers/promises";
import type { Instant } from "../../src/model/time.ts";

/** Structured logging, as pino has it. */
export interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface Effects {
  readonly clock: () => Instant;
  /** In [0, 1): spreads retries. */
  readonly random: () => number;
  /** Resolves after so many milliseconds, or as soon as the signal is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  /** Asks to stop: what runs is finished, what fails from now on is not tried again. */
  readonly signal: AbortSignal;
}

/** The `wait` of a real process. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await timer(ms, undefined, { signal }).catch(() => {});
}

const firstBackoffMs = 50;
const maxBackoffMs = 15_000;

/**
 * Runs an effect again until it succeeds: giving up on a store after a part of a batch was applied would count that
 * part twice. Rejects with the effect's error only when the signal is aborted. The effect must bear repetition.
 */
export async function untilDone<T>(effects: Effects, what: string, effect: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await effect();
    } catch (error) {
      if (effects.signal.aborted) throw error;
      effects.log.warn({ err: error, attempt }, `${what} failed; it is tried again`);
      await effects.wait(backoffMs(attempt, effects.random()), effects.signal);
      if (effects.signal.aborted) throw error;
    }
  }
}

function backoffMs(attempt: number, random: number): number {
  return (0.5 + random / 2) * Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(attempt, 16));
}

/** Runs `task` over all inputs, at most `width` at a time; rejects after the running ones have ended. */
export async function inParallel<T>(
  inputs: readonly T[],
  width: number,
  task: (input: T) => Promise<void>,
): Promise<void> {
  const queue = inputs.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const input of queue) {
      if (failures.length > 0) return;
      await task(input).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, inputs.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
