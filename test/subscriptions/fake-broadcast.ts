/** A broadcast that counts its listeners, and the batches that it is told. */
import type { Broadcast, LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import type { Event } from "../../src/model/values.ts";

export interface FakeBroadcast extends Broadcast {
  readonly listeners: () => number;
}

let epochs = 0;

/** Retains the newest `keep` live updates of a stream, and of those what is younger than `retainMs` by the clock. */
export function fakeBroadcast(
  keep = 1_000,
  retainMs = Number.POSITIVE_INFINITY,
  clock: () => number = () => 0,
): FakeBroadcast {
  const broadcast = memoryBroadcast({ retainMs, retainMax: keep, clock, epoch: `e${++epochs}` });
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

/** One micro-batch: each event is one record, with rising sequence numbers from `first`, which follows the one before it. */
export function batch(shard: string, first: number, events: readonly Event[]): LiveUpdate {
  const sequence = (at: number) => sortableSequence(String(at));
  return {
    kind: "live",
    source: "Sale",
    stream: "sales",
    shard,
    after: first > 1 ? sequence(first - 1) : null,
    through: sequence(first + Math.max(events.length, 1) - 1),
    arrival: 0,
    newest: null,
    items: [],
    events: events.map((event, i) => ({ sequence: sequence(first + i), index: 0, event })),
  };
}
