/** A server of the subscription bench: it publishes on command, and says what that cost. */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { ownCpu } from "./processes.ts";
import { nowMicros } from "./readings.ts";

/** So many updates, evenly spread, each with so many readings. */
export interface Load {
  readonly updates: number;
  readonly perSecond: number;
  /** Of an update; each of the next sensor in turn. */
  readonly readings: number;
  /** Whether a reading goes to the subscriber of its sensor alone. */
  readonly filtered: boolean;
  readonly noteBytes: number;
}

export interface Memory {
  readonly rssBytes: number;
  /** On the heap and beside it, after a collection. */
  readonly usedBytes: number;
}

export type Asked = "cpu" | "memory" | { readonly load: Load };

/** Answers the conductor until the process is ended. `publish` is called with 0, 1, 2 …, over all loads. */
export function serveLoads(url: string, publish: (update: number, load: Load) => void): void {
  let published = 0;
  process.on("message", (asked: Asked) => {
    if (asked === "cpu") process.send?.(ownCpu());
    else if (asked === "memory") process.send?.(memory());
    else void run(asked.load, () => publish(published++, asked.load));
  });
  process.once("SIGTERM", () => process.exit(0));
  process.once("disconnect", () => process.exit(0)); // the conductor was killed
  process.send?.(url);
}

function memory(): Memory {
  for (let i = 0; i < 3; i++) globalThis.gc!();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, usedBytes: heapUsed + external };
}

/** An update that is late is not joined to the next one: each has a turn of its own. */
async function run({ updates, perSecond }: Load, publish: () => void): Promise<void> {
  const start = nowMicros();
  for (let i = 0; i < updates; i++) {
    const leftMs = (i * 1_000) / perSecond - (nowMicros() - start) / 1_000;
    await (leftMs > 1 ? sleep(leftMs) : turn());
    publish();
  }
}
