/** A broadcast in a few lines: retains a number of live updates, tells how many listen. */
import type { Broadcast, Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import type { Event } from "../../src/model/values.ts";

export interface FakeBroadcast extends Broadcast {
  readonly listeners: () => number;
}

export function fakeBroadcast(keep = 1_000): FakeBroadcast {
  const listeners = new Set<(message: Broadcasted, offset: number) => void>();
  const kept: LiveUpdate[] = [];
  let dropped = false;
  let offset = 0;
  return {
    publish: async (message) => {
      if (message.kind === "live") kept.push(message);
      if (kept.length > keep) dropped = kept.shift() !== undefined;
      offset += 1;
      for (const listener of listeners) listener(message, offset);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    retained: (stream) => ({
      updates: kept.filter((update) => update.stream === stream),
      complete: !dropped,
    }),
    listeners: () => listeners.size,
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
