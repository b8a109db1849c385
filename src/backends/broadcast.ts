/**
 * From micro-batches and refreshes to gateways. At least once: a live item's version and an event's position tell a
 * reader what it has seen.
 */
import type { ItemKey } from "../model/layout.ts";
import type { Positions } from "../model/position.ts";
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
  /**
   * Updates of this shard since the last one told may be lost. The first update of a consumer says so too, since the
   * process before it may have died with a gap still to be told.
   */
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
  /** Calls `listener` for every message published from now on, in order. Returns the unsubscribe function. */
  subscribe(listener: (message: Broadcasted) => void): () => void;
  retained(stream: string): Retained;
}

/** The live updates of a stream that are still there: the newest, oldest first. The oldest ones go first. */
export interface Retained {
  /** The offset of the first one in the stream, counted from 0; while none is retained, of the next one published. */
  readonly first: number;
  readonly updates: readonly LiveUpdate[];
  /** Where each shard stood when what came before `first` had passed. */
  readonly dropped: Readonly<Positions>;
}
