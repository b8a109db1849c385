/**
 * From micro-batches and refreshes to gateways. At least once: a live item's version and an event's position tell a
 * reader what it has seen, and every update says which record it follows, so that a reader knows what it has missed.
 */
import type { ItemKey } from "../model/layout.ts";
import type { Instant } from "../model/time.ts";
import type { Event } from "../model/values.ts";

export type Broadcasted =
  | LiveUpdate
  /** A refresh or rollback has published. */
  | { readonly kind: "published"; readonly product: string; readonly version: number }
  | Gap;

/** One micro-batch of one shard. */
export interface LiveUpdate {
  readonly kind: "live";
  readonly source: string;
  readonly stream: string;
  readonly shard: string;
  /** The last record before the batch, as a sortable sequence number; null at the beginning of the shard. */
  readonly after: string | null;
  /** The last record of the batch. */
  readonly through: string;
  /** What the shard's checkpoint says after this batch. */
  readonly arrival: Instant;
  readonly newest: Instant | null;
  readonly items: readonly LiveChange[];
  readonly events: readonly PositionedEvent[];
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

/** Updates were lost: whoever holds live items reads them again. */
export interface Gap {
  readonly kind: "gap";
  /** Null: of any stream, by the broadcast's own word. */
  readonly stream: string | null;
  /** Per shard the last record of the updates that are known to be lost. */
  readonly lost: Readonly<Record<string, string>>;
}

/** A message and its place in the broadcast. Ids sort as strings. */
export interface Entry<Message extends Broadcasted = Broadcasted> {
  readonly id: string;
  readonly message: Message;
}

export interface Broadcast {
  publish(message: Broadcasted): Promise<void>;
  /** Calls `listener` for every message published from now on, in order. Returns the unsubscribe function. */
  subscribe(listener: (entry: Entry) => void): () => void;
  /**
   * The entry of that id and the live updates behind it, oldest first, at most `limit` of them; null where what came
   * behind it may no longer be whole. Where the entry itself is gone, but nothing behind it, what is behind it.
   */
  from(id: string, limit: number): Promise<readonly Entry<LiveUpdate>[] | null>;
}
