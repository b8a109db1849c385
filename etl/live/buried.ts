/**
 * What was buried stays dead: an event that a declaration of before has made a dead letter of is not applied when its
 * window is repeated under one that can read it. It can be re-sent.
 *
 * Delivery guarantee: the letters are read behind those of the window itself, and letters come before anything is
 * applied. So an event that has one was not applied by a consumer whose declaration made it, nor is it here.
 */
import type { DeadLetters } from "../../src/backends/dead-letters.ts";
import type { Stream } from "../../src/model/source.ts";
import { type Effects, untilDone } from "./effects.ts";
import type { Decoded, DecodedEvent } from "./wire.ts";

export interface BuriedOptions {
  readonly stream: Stream;
  readonly deadLetters: DeadLetters;
  readonly effects: Effects;
}

/** The events of consecutive records, at least one, without those that are dead letters; and how many these are. */
export async function withoutBuried(
  { stream, deadLetters, effects }: BuriedOptions,
  shard: string,
  records: readonly Decoded[],
): Promise<{ readonly alive: readonly DecodedEvent[]; readonly buried: number }> {
  const [first, last] = [records[0]!.sequence, records.at(-1)!.sequence];
  const positions = await untilDone(effects, "Reading dead letters", () =>
    deadLetters.positions(stream.name, shard, first, last),
  );
  const events = records.flatMap((record) => record.events);
  if (positions.length === 0) return { alive: events, buried: 0 };
  const letters = new Set(positions.map(([sequence, index]) => `${sequence}#${index}`));
  const alive = events.filter(({ sequence, index }) => !letters.has(`${sequence}#${index}`));
  return { alive, buried: events.length - alive.length };
}
