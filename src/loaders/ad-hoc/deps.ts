/** What the Athena fallback works with: stores, the warehouse's steps and effects, all as arguments. */
import type { ControlStore } from "../../backends/control-store.ts";
import type { Executions } from "../../backends/warehouse.ts";
import type { Instant } from "../../model/time.ts";
import type { AdHocLimits } from "./limits.ts";

export interface AdHocDeps {
  /** The fallback's own documents. */
  readonly jobs: ControlStore;
  /** Which version of a lookup counts. */
  readonly control: ControlStore;
  readonly executions: Executions;
  readonly limits: AdHocLimits;
  /** Wall time: processes compare each other's leases by it, so their clocks agree to a second or two. */
  readonly clock: () => Instant;
  /** Resolves after so many milliseconds, or as soon as the signal is aborted. Keeps no process alive. */
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<unknown>;
  /** A new random string of 32 to 128 characters: ids of executions, which are tokens at Athena, and of this process. */
  readonly token: () => string;
  /** In [0, 1): spreads what several processes do again. */
  readonly random: () => number;
}

/** Between 3/4 and 5/4 of it. */
export function spread(ms: number, { random }: Pick<AdHocDeps, "random">): number {
  return ms * (0.75 + 0.5 * random());
}
