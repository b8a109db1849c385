/** One request's view of everything: one version of each manifest, one set of batches, one record of provenance. */
import type { ControlStore } from "../backends/control-store.ts";
import type { InsightStore } from "../backends/insight-store.ts";
import type { Filter } from "../model/filter.ts";
import { finestGrain } from "../model/gold.ts";
import type { Product } from "../model/product.ts";
import type { Scope } from "../model/scope.ts";
import type { Serving } from "../model/serving.ts";
import { assertInstant, floorTo, type Instant, nextBucket, type Range } from "../model/time.ts";
import type { AskedRange, Insight, Question, Session } from "../schema/context.ts";
import { endOf, sliceOf, type View } from "../sql/plan.ts";
import { adHocLoader } from "./ad-hoc.ts";
import type { AdHocJobs, AdHocWait } from "./ad-hoc/jobs.ts";
import { catalogueEntry } from "./catalogue.ts";
import { Gate } from "./gate.ts";
import { poseInsight, type Workings } from "./insight.ts";
import type { LiveStatus } from "./live-status.ts";
import type { Manifests, Snapshot } from "./manifests.ts";
import { ProvenanceRecord } from "./provenance.ts";
import { ReadBudget } from "./read-budget.ts";
import { type SegmentCache, segmentLoader } from "./segments.ts";
import type { Trace } from "./trace.ts";

/** What sessions share: process-wide caches over the backends. */
export interface Shared {
  readonly insights: InsightStore;
  readonly control: ControlStore;
  readonly adHoc: Omit<AdHocJobs, "close">;
  readonly manifests: Manifests;
  readonly liveStatus: LiveStatus;
  readonly segments: SegmentCache;
}

export interface SessionOptions {
  readonly scope: Scope;
  /** How long the request waits for its ad-hoc fields. */
  readonly adHocWaitMs: number;
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
  readonly trace?: Trace;
}

export function openSession(shared: Shared, options: SessionOptions): Session {
  const gate = new Gate();
  const provenance = new ProvenanceRecord();
  const { scope, adHocWaitMs: waitMs, signal, trace } = options;
  const wait: AdHocWait = { waitMs, ...(signal && { signal }) };
  const workings: Workings = {
    scope,
    gate,
    provenance,
    reads: new ReadBudget(),
    segments: segmentLoader(shared.insights, shared.segments, gate),
    adHoc: adHocLoader(shared.adHoc, gate, scope, wait),
    ...(trace && { trace }),
  };
  const seen = new Map<Product, Promise<Seen>>();
  const see = (product: Product): Promise<Seen> => {
    const known = seen.get(product) ?? look(shared, provenance, product);
    seen.set(product, known);
    return known;
  };
  return {
    insight: (question) => gate.plan(async () => pose(workings, await see(question.product), question)),
    catalogue: (product) => catalogueEntry(shared, product, scope, wait),
    adHocJob: (id) => shared.adHoc.job(scope, id),
    cancelAdHocJob: (id) => shared.adHoc.cancel(scope, id),
    adHocJobUpdates: (id) => shared.adHoc.watch(scope, id),
    extensions: () => provenance.extensions(),
  };
}

interface Seen {
  readonly snapshot: Snapshot;
  readonly view: View;
}

/**
 * The live status is read before the manifest: a manifest published in between covers more, never less, than what
 * the live items are asked for.
 */
async function look(shared: Shared, provenance: ProvenanceRecord, product: Product): Promise<Seen> {
  const live = await shared.liveStatus.view(product);
  const snapshot = await shared.manifests.snapshot(product);
  const { manifest } = snapshot;
  provenance.readManifest(product.name, manifest.version);
  const newest = [newestOf(snapshot), live?.newest].filter((at) => at != null);
  return {
    snapshot,
    view: {
      coverage: manifest.coverage,
      newest: newest.length === 0 ? null : Math.max(...newest),
      live: live?.live ?? null,
    },
  };
}

/** The last instant of the newest bucket that holds events: whichever grain it has, it lies in the same bucket of a coarser one. */
function newestOf({ manifest: { newest, coverage }, serving }: Snapshot): Instant | null {
  return newest === null ? null : Math.min(nextBucket(newest, serving.finest), coverage.until) - 1;
}

function pose(
  workings: Workings,
  { snapshot, view }: Seen,
  { product, where, range: asked }: Question,
): Promise<Insight> {
  const range = resolveRange(product, snapshot.serving, where, asked, view);
  const id = Buffer.from(JSON.stringify([product.name, where, asked ?? null])).toString("base64url");
  return poseInsight(workings, { product, where, range, id, view, snapshot, series: null });
}

/**
 * The instants of a range: an open side is the coverage's edge, live part included; `last` ends at the end of the
 * newest bucket that holds events, in the finest grain that answers the slice, and starts on a bucket edge.
 */
function resolveRange(
  product: Product,
  serving: Serving,
  where: Filter,
  asked: AskedRange | undefined,
  view: View,
): Range {
  const slice = sliceOf(serving, where);
  const grain = slice.kind === "slice" ? slice.rollup.finest : finestGrain(product);
  if (asked?.lastMs !== undefined) {
    const to = view.newest === null ? view.coverage.until : nextBucket(view.newest, grain);
    return { from: floorTo(assertInstant(to - asked.lastMs), grain), to };
  }
  const { from, to } = asked ?? {};
  if (from !== undefined && to !== undefined) return { from, to };
  // an open side never turns the range around
  if (from !== undefined) return { from, to: Math.max(from, endOf(grain, view)) };
  if (to !== undefined) return { from: Math.min(view.coverage.from, to), to };
  return { from: view.coverage.from, to: endOf(grain, view) };
}
