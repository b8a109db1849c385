/** The broadcast of one process, from its micro-batches to its gateway, and that of a process without a gateway. */
import type { Broadcast } from "../src/backends/broadcast.ts";
import { memoryBroadcast } from "../src/backends/broadcast.memory.ts";

const retainMs = 3_600_000; // how long a feed may be resumed
const retainMax = 10_000; // micro-batches per stream

export function processBroadcast(): Broadcast {
  return memoryBroadcast({ retainMs, retainMax, clock: Date.now });
}

/**
 * Tells nobody: no broadcast reaches from a Lambda to the gateways yet. They read live items and checkpoints anew for
 * every question, so answers are current; subscriptions move with refreshes only, and feeds stay empty.
 */
export function silentBroadcast(): Broadcast {
  return {
    publish: async () => {},
    subscribe: () => () => {},
    retained: () => ({ first: 0, updates: [], dropped: {} }),
  };
}
