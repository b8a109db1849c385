/** What bounds the Athena fallback. All gateways of one cloud go by the same limits. */
export interface AdHocLimits {
  /** Executions at a time, of all gateways together. */
  readonly concurrency: number;
  /** Bytes that each tenant's statements may scan per UTC day. */
  readonly bytesPerDay: number;
  /** How long an execution goes on after a reply of `AD_HOC_PENDING`, though nobody waits for it. */
  readonly pendingMs: number;
  /** An execution that outlasts this is stopped. */
  readonly maxRunMs: number;
  /** What a gateway says of an execution (that it drives it, that it waits for it) counts for so long; it is said anew in time. */
  readonly leaseMs: number;
  /** A question that was claimed so long ago for an execution that is not there is free again. */
  readonly claimMs: number;
  /** Cells of answers that one gateway keeps in memory. */
  readonly cachedCells: number;
}

export const adHocLimits: AdHocLimits = Object.freeze({
  concurrency: 5,
  bytesPerDay: 2 ** 40,
  pendingMs: 5 * 60_000,
  maxRunMs: 30 * 60_000, // Athena's own limit of a DML statement
  leaseMs: 30_000,
  claimMs: 5_000,
  cachedCells: 2_000_000,
});
