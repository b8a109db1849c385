/**
 * From micro-batches and refreshes to gateways. At least once: a live item's version and an event's position tell a
 * reader what it has seen.
 */
import type { ItemKey } from "../model/layout.ts";
import type { Instant } from "../model/time.ts";
import type { Event } from "../model/values.ts";

export type Broadcasted =
  | LiveUpdate
  /** A refresh or rollback has published. */
  | { readonly kind: "published"; readonly product: string; readonly version: number };

/** One micro-batch of one shard. */
export interface LiveUpdate {
  readonly kind: "live";
  readonly source: string;
  readonly stream: string;
  readonly shard: string;
  /** What the shard's checkpoint says after this batch. */
  readonly arrival: Instant;
  readonly newest: Instant | null;
  readonly items: readonly LiveChange[];
  readonly events: readonly PositionedEvent[];
  /** Updates before this one may be lost: whoever holds live items of the stream reads them again. */
  readonly gap?: true;
}

export interface LiveChange {
  readonly product: string;
  readonly rollup: string;
  readonly key: ItemKey;
  readonly version: number;
  readonly packed: string;
}

/** An event and where it stands in the stream: shard, sortable sequence number, index within its record. */
export interface PositionedEvent {
  readonly sequence: string;
  readonly index: number;
  readonly event: Event;
}

export interface Broadcast {
  publish(message: Broadcasted): Promise<void>;
  /**
   * Calls `listener` for every message published from now on, in order; with `since`, first for the retained messages
   * after that offset. Returns the unsubscribe function.
   */
  subscribe(listener: (message: Broadcasted, offset: number) => void): () => void;
  /** The retained live updates of a stream, oldest first, and whether older ones have been dropped. */
  retained(stream: string): { readonly updates: readonly LiveUpdate[]; readonly complete: boolean };
}
