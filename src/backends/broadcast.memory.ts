/**
 * The broadcast within one process.
 *
 * Delivery guarantee: every listener gets every message that is published after it subscribed once and in order;
 * nothing survives the process.
 */
import type { Instant } from "../model/time.ts";
import type { Broadcast, Broadcasted, LiveUpdate } from "./broadcast.ts";

export interface MemoryBroadcastOptions {
  /** How long live updates are retained for feeds that resume. */
  readonly retainMs: number;
  /** The most live updates retained per stream. */
  readonly retainMax: number;
  readonly clock: () => Instant;
}

interface Retained {
  readonly updates: { readonly at: Instant; readonly update: LiveUpdate }[];
  complete: boolean;
}

type Listener = (message: Broadcasted, offset: number) => void;

export function memoryBroadcast(options: MemoryBroadcastOptions): Broadcast {
  const listeners = new Set<Listener>();
  const streams = new Map<string, Retained>();
  let offset = 0;
  return {
    publish: async (message) => {
      offset++;
      if (message.kind === "live") retain(options, streams, message);
      tell(listeners, message, offset);
    },
    subscribe: (listener) => {
      // a wrapper of its own, so that a function that subscribes twice is told twice
      const own: Listener = (message, at) => listener(message, at);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    retained: (stream) => {
      const kept = streams.get(stream);
      if (kept === undefined) return { updates: [], complete: true };
      prune(options, kept);
      return { updates: kept.updates.map(({ update }) => update), complete: kept.complete };
    },
  };
}

/** A listener that throws does not keep the message from the others. */
function tell(listeners: ReadonlySet<Listener>, message: Broadcasted, offset: number): void {
  const failures: unknown[] = [];
  // who subscribes while it is told waits for the next message
  const current = Array.from(listeners);
  for (const listener of current)
    try {
      listener(message, offset);
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw new AggregateError(failures, "Listeners of the broadcast failed.");
}

function retain(options: MemoryBroadcastOptions, streams: Map<string, Retained>, update: LiveUpdate): void {
  const kept = streams.get(update.stream) ?? { updates: [], complete: true };
  streams.set(update.stream, kept);
  kept.updates.push({ at: options.clock(), update });
  prune(options, kept);
}

function prune({ retainMs, retainMax, clock }: MemoryBroadcastOptions, kept: Retained): void {
  const oldest = clock() - retainMs;
  const expired = kept.updates.findIndex(({ at }) => at >= oldest);
  const dropped = Math.max(expired < 0 ? kept.updates.length : expired, kept.updates.length - retainMax);
  if (dropped <= 0) return;
  kept.updates.splice(0, dropped);
  kept.complete = false;
}
