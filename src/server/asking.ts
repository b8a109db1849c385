/** What a client says of its patience: that it has left, and how long it waits for ad-hoc fields. */
import { GraphQLError } from "graphql";

export interface Asking {
  /** Aborted when the client leaves before the answer. */
  readonly signal: AbortSignal;
  /** How long it waits for ad-hoc fields, as it says itself; it only ever shortens what the gateway is set to. */
  readonly waitMs?: number;
  /** It follows what it asks: what the broadcast has told may be taken from memory. */
  readonly follows?: true;
}

/** A header of a request (over WebSocket: of the upgrade), or an entry of the connection params for browsers. */
export const adHocWaitName = "sluice-ad-hoc-wait";

/** Throws `BAD_USER_INPUT` for a wait that is no whole number. */
export function asking(signal: AbortSignal, wait: unknown): Asking {
  const waitMs = askedWait(wait);
  return waitMs === undefined ? { signal } : { signal, waitMs };
}

/** Milliseconds; undefined where nothing is said. Throws `BAD_USER_INPUT`. */
export function askedWait(wait: unknown): number | undefined {
  if (wait === undefined) return undefined;
  const text = typeof wait === "number" ? String(wait) : wait;
  if (typeof text === "string" && /^\d{1,15}$/.test(text)) return Number(text);
  throw new GraphQLError(
    `"${adHocWaitName}" is a whole number of milliseconds. Got ${JSON.stringify(wait).slice(0, 100)}. Use for example 500, or leave it out to wait as long as the gateway does.`,
    { extensions: { code: "BAD_USER_INPUT", http: { status: 400 } } },
  );
}
