/** The broadcast of one process, from its micro-batches to its gateway. */
import { randomUUID } from "node:crypto";
import type { Broadcast } from "../src/backends/broadcast.ts";
import { memoryBroadcast } from "../src/backends/broadcast.memory.ts";

const retainMs = 3_600_000; // how long a feed may be resumed
const retainMax = 10_000; // micro-batches

export function processBroadcast(): Broadcast {
  return memoryBroadcast({ retainMs, retainMax, clock: Date.now, epoch: randomUUID() });
}
