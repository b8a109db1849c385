/**
 * The broadcast within one process.
 *
 * Delivery guarantee: every listener gets every message that is published after it subscribed once and in order;
 * nothing survives the process.
 */
import type { Instant } from "../model/time.ts";
import type { Broadcast, Entry, LiveUpdate } from "./broadcast.ts";

export interface MemoryBroadcastOptions {
  /** How long live updates are retained for feeds that resume. */
  readonly retainMs: number;
  /** The most live updates retained. */
  readonly retainMax: number;
  readonly clock: () => Instant;
  /** Tells the ids of this broadcast from those of one before it. */
  readonly epoch: string;
}

type Listener = (entry: Entry) => void;

interface Kept {
  readonly entries: { readonly at: Instant; readonly entry: Entry<LiveUpdate> }[];
  /** The newest id that is no longer kept. */
  dropped: string | null;
}

export function memoryBroadcast(options: MemoryBroadcastOptions): Broadcast {
  const listeners = new Set<Listener>();
  const kept: Kept = { entries: [], dropped: null };
  let published = 0;
  return {
    publish: async (message) => {
      const id = `${options.epoch}-${String(++published).padStart(12, "0")}`;
      if (message.kind === "live") kept.entries.push({ at: options.clock(), entry: { id, message } });
      prune(options, kept);
      tell(listeners, { id, message });
    },
    subscribe: (listener) => {
      // a wrapper of its own, so that a function that subscribes twice is told twice
      const own: Listener = (entry) => listener(entry);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    from: async (id, limit) => {
      prune(options, kept);
      if (id === kept.dropped) return kept.entries.slice(0, limit).map(({ entry }) => entry);
      const first = kept.entries.findIndex(({ entry }) => entry.id === id);
      return first < 0 ? null : kept.entries.slice(first, first + limit).map(({ entry }) => entry);
    },
  };
}

/** A listener that throws does not keep the message from the others. */
function tell(listeners: ReadonlySet<Listener>, entry: Entry): void {
  const failures: unknown[] = [];
  // who subscribes while it is told waits for the next message
  const current = Array.from(listeners);
  for (const listener of current)
    try {
      listener(entry);
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw new AggregateError(failures, "Listeners of the broadcast failed.");
}

function prune({ retainMs, retainMax, clock }: MemoryBroadcastOptions, kept: Kept): void {
  const { entries } = kept;
  const oldest = clock() - retainMs;
  const young = entries.findIndex(({ at }) => at >= oldest);
  const count = Math.max(young < 0 ? entries.length : young, entries.length - retainMax);
  if (count > 0) kept.dropped = entries.splice(0, count).at(-1)!.entry.id;
}
