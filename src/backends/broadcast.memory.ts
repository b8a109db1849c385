/**
 * The broadcast within one process.
 *
 * Delivery guarantee: every listener gets every message that is published after it subscribed once and in order;
 * nothing survives the process.
 */
import { moveOver, type Positions } from "../model/position.ts";
import type { Instant } from "../model/time.ts";
import type { Broadcast, Broadcasted, LiveUpdate } from "./broadcast.ts";

export interface MemoryBroadcastOptions {
  /** How long live updates are retained for feeds that resume. */
  readonly retainMs: number;
  /** The most live updates retained per stream. */
  readonly retainMax: number;
  readonly clock: () => Instant;
}

interface Kept {
  first: number;
  readonly updates: { readonly at: Instant; readonly update: LiveUpdate }[];
  /** One position a shard, kept when all its updates are dropped. */
  readonly dropped: Positions;
}

type Listener = (message: Broadcasted) => void;

export function memoryBroadcast(options: MemoryBroadcastOptions): Broadcast {
  const listeners = new Set<Listener>();
  const streams = new Map<string, Kept>();
  return {
    publish: async (message) => {
      if (message.kind === "live") retain(options, streams, message);
      tell(listeners, message);
    },
    subscribe: (listener) => {
      // a wrapper of its own, so that a function that subscribes twice is told twice
      const own: Listener = (message) => listener(message);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    retained: (stream) => {
      const kept = streams.get(stream);
      if (kept === undefined) return { first: 0, updates: [], dropped: {} };
      prune(options, kept);
      const { first, updates, dropped } = kept;
      return { first, updates: updates.map(({ update }) => update), dropped: { ...dropped } };
    },
  };
}

/** A listener that throws does not keep the message from the others. */
function tell(listeners: ReadonlySet<Listener>, message: Broadcasted): void {
  const failures: unknown[] = [];
  // who subscribes while it is told waits for the next message
  const current = Array.from(listeners);
  for (const listener of current)
    try {
      listener(message);
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw new AggregateError(failures, "Listeners of the broadcast failed.");
}

function retain(options: MemoryBroadcastOptions, streams: Map<string, Kept>, update: LiveUpdate): void {
  const kept = streams.get(update.stream) ?? { first: 0, updates: [], dropped: {} };
  streams.set(update.stream, kept);
  kept.updates.push({ at: options.clock(), update });
  prune(options, kept);
}

function prune({ retainMs, retainMax, clock }: MemoryBroadcastOptions, kept: Kept): void {
  const oldest = clock() - retainMs;
  const expired = kept.updates.findIndex(({ at }) => at >= oldest);
  const count = Math.max(expired < 0 ? kept.updates.length : expired, kept.updates.length - retainMax);
  if (count <= 0) return;
  for (const { update } of kept.updates.splice(0, count)) moveOver(kept.dropped, update);
  kept.first += count;
}
