/** What answers one request: its batches, what they may read, and the record of where values came from. */
import type { Scope } from "../model/scope.ts";
import type { AdHocLoader } from "./ad-hoc.ts";
import type { Gates } from "./gate.ts";
import type { LeaderboardLoader } from "./leaderboards.ts";
import type { LiveListing } from "./live-listing.ts";
import type { ProvenanceRecord } from "./provenance.ts";
import type { ReadBudget } from "./read-budget.ts";
import type { SegmentLoader } from "./segments.ts";
import type { Trace } from "./trace.ts";

export interface Workings {
  readonly scope: Scope;
  readonly gate: Gates;
  readonly segments: SegmentLoader;
  readonly leaderboards: LeaderboardLoader;
  readonly liveItems: LiveListing;
  readonly adHoc: AdHocLoader;
  readonly provenance: ProvenanceRecord;
  readonly reads: ReadBudget;
  readonly trace?: Trace;
}
