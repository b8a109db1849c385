/** One Athena execution that ad-hoc fields of a tenant's requests wait for, as its askers see it. */
import type { ErrorCode } from "./errors.ts";
import type { Instant } from "./time.ts";

export type AdHocState = "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export interface AdHocJob {
  readonly id: string;
  readonly state: AdHocState;
  /** 0 to 1; null where it is not known. */
  readonly progress: number | null;
  /** Null until Athena tells. */
  readonly bytesScanned: number | null;
  readonly submittedAt: Instant;
  /** Why it FAILED or was CANCELLED. */
  readonly error: ErrorCode | null;
}
