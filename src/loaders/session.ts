/** One request's view of everything: one version of each manifest, one set of batches, one record of provenance. */
import type { ControlStore } from "../backends/control-store.ts";
import type { InsightStore } from "../backends/insight-store.ts";
import type { Scope } from "../model/scope.ts";
import type { Insight, Question, Session } from "../schema/context.ts";
import { adHocLoader } from "./ad-hoc.ts";
import type { AdHocJobs, AdHocWait } from "./ad-hoc/jobs.ts";
import { catalogueEntry } from "./catalogue.ts";
import { dimensionValues } from "./dimension-values.ts";
import { Gates } from "./gate.ts";
import { poseGroups } from "./groups.ts";
import { insightId, poseInsight } from "./insight.ts";
import { type LeaderboardCache, leaderboardLoader } from "./leaderboards.ts";
import { liveListing } from "./live-listing.ts";
import type { LiveStatus } from "./live-status.ts";
import type { Manifests } from "./manifests.ts";
import { ProvenanceRecord } from "./provenance.ts";
import { ReadBudget } from "./read-budget.ts";
import { type SegmentCache, segmentLoader } from "./segments.ts";
import { resolveRange, Sights } from "./sight.ts";
import type { Trace } from "./trace.ts";
import type { Workings } from "./workings.ts";

/** What sessions share: process-wide caches over the backends. */
export interface Shared {
  readonly insights: InsightStore;
  readonly control: ControlStore;
  readonly adHoc: Omit<AdHocJobs, "close">;
  readonly manifests: Manifests;
  readonly liveStatus: LiveStatus;
  readonly segments: SegmentCache;
  readonly leaderboards: LeaderboardCache;
}

export interface SessionOptions {
  readonly scope: Scope;
  /** How long the request waits for its ad-hoc fields. */
  readonly adHocWaitMs: number;
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
  readonly trace?: Trace;
  readonly reads?: ReadBudget;
}

export function openSession(shared: Shared, options: SessionOptions): Session {
  const gate = new Gates();
  const provenance = new ProvenanceRecord();
  const { scope, adHocWaitMs: waitMs, signal, trace } = options;
  const wait: AdHocWait = { waitMs, request: {}, ...(signal && { signal }) };
  const reads = options.reads ?? new ReadBudget();
  const workings: Workings = {
    scope,
    gate,
    provenance,
    reads,
    segments: segmentLoader(shared.insights, shared.segments, gate.reading),
    leaderboards: leaderboardLoader(shared.insights, shared.leaderboards, gate.reading),
    liveItems: liveListing(shared.insights, reads),
    adHoc: adHocLoader(shared.adHoc, gate.asking, scope, wait),
    ...(trace && { trace }),
  };
  const sights = new Sights(shared, provenance);
  return {
    insight: (question) => gate.plan(() => pose(workings, sights, question)),
    groups: (question) => poseGroups(workings, sights, question),
    catalogue: (product) =>
      catalogueEntry(shared, product, (dimension, search, first) =>
        dimensionValues(workings, sights, product, { dimension, search: search ?? "", first }),
      ),
    adHocJob: (id) => shared.adHoc.job(scope, id),
    cancelAdHocJob: (id) => shared.adHoc.cancel(scope, id),
    adHocJobUpdates: (id) => shared.adHoc.watch(scope, id),
    extensions: () => provenance.extensions(),
  };
}

async function pose(workings: Workings, sights: Sights, question: Question): Promise<Insight> {
  const { product, where, range: asked } = question;
  const sight = await sights.of(product);
  const range = resolveRange(product, sight, where, [], asked);
  const id = insightId(product, where, asked);
  return poseInsight(workings, { product, where, range, id, ...sight, series: null });
}
