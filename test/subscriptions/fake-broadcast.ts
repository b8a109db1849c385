/** A broadcast that counts its listeners, and the batches that it is told. */
import type { Broadcast, LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import type { Event } from "../../src/model/values.ts";

export interface FakeBroadcast extends Broadcast {
  readonly listeners: () => number;
}

/** Retains the newest `keep` live updates of a stream, and of those what is younger than `retainMs` by the clock. */
export function fakeBroadcast(
  keep = 1_000,
  retainMs = Number.POSITIVE_INFINITY,
  clock: () => number = () => 0,
): FakeBroadcast {
  const broadcast = memoryBroadcast({ retainMs, retainMax: keep, clock });
  let listeners = 0;
  return {
    ...broadcast,
    subscribe: (listener) => {
      const leave = broadcast.subscribe(listener);
      listeners += 1;
      return () => {
        leave();
        listeners -= 1;
      };
    },
    listeners: () => listeners,
  };
}

/** One micro-batch: each event is one record, with rising sequence numbers from `first`. */
export function batch(shard: string, first: number, events: readonly Event[]): LiveUpdate {
  return {
    kind: "live",
    source: "Sale",
    stream: "sales",
    shard,
    arrival: 0,
    newest: null,
    items: [],
    events: events.map((event, i) => ({ sequence: sortableSequence(String(first + i)), index: 0, event })),
  };
}
