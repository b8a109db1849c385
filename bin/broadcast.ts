/** The broadcast of one process, from its micro-batches to its gateway; and that of one without a gateway. */
import type { Broadcast } from "../src/backends/broadcast.ts";
import { memoryBroadcast } from "../src/backends/broadcast.memory.ts";

const retainMs = 3_600_000; // how long a feed may be resumed
const retainMax = 10_000; // micro-batches per stream

export function processBroadcast(): Broadcast {
  return memoryBroadcast({ retainMs, retainMax, clock: Date.now });
}

/** Nobody listens in this process, and no broadcast leads to others: gateways read the live items when they are asked. */
export const unheard: Broadcast = {
  publish: () => Promise.resolve(),
  subscribe: () => () => {},
  retained: () => ({ first: 0, updates: [], dropped: {} }),
};
