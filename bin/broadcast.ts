/** The broadcast: of one process, from its micro-batches to its gateway, or over Redis, of a whole deployment. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { waitFor } from "../etl/live/effects.ts";
import { memoryBroadcast } from "../src/backends/broadcast.memory.ts";
import { redisBroadcast } from "../src/backends/broadcast.redis.ts";
import type { Broadcast } from "../src/backends/broadcast.ts";
import { hourMs } from "../src/model/time.ts";
import type { Environment } from "./environment.ts";

export interface OpenBroadcast extends Broadcast {
  close(): Promise<void>;
}

// micro-batches: the most that are retained, whatever their age
const retainMaxInProcess = 10_000;
const retainMaxInRedis = 100_000;

/** One per deployment. */
const key = "sluice:updates";

/** Also opens while Redis is away: updates follow when it is back. */
export async function openBroadcast(
  { redis, feedRetainMs }: Pick<Environment, "redis" | "feedRetainMs">,
  log: Logger,
): Promise<OpenBroadcast> {
  if (redis === null) return { ...processBroadcast(feedRetainMs), close: async () => {} };
  return redisBroadcast({
    url: redis,
    key,
    retainMs: feedRetainMs,
    retainMax: retainMaxInRedis,
    random: Math.random,
    wait: waitFor,
    warn: (details, message) => log.warn(details, message),
  });
}

export function processBroadcast(retainMs = hourMs): Broadcast {
  return memoryBroadcast({ retainMs, retainMax: retainMaxInProcess, clock: Date.now, epoch: randomUUID() });
}

/** Of a process without a gateway: over Redis, or to nobody. */
export async function outwardBroadcast(
  environment: Pick<Environment, "redis" | "feedRetainMs">,
  log: Logger,
): Promise<OpenBroadcast> {
  return environment.redis === null ? unheard : openBroadcast(environment, log);
}

/** Nobody listens in this process, and nothing leads to others: gateways read the live items when they are asked. */
export const unheard: OpenBroadcast = {
  publish: async () => {},
  subscribe: () => () => {},
  from: async () => null,
  close: async () => {},
};
