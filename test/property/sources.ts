/**
 * The rules of the planner as docs/architecture.md tells them: from where each field is to come, and which range an
 * open one means. Imports nothing of `src`.
 */
import type { AskedRange } from "./range.ts";
import type { RollupSpec, Spec, StoredGrain } from "./spec.ts";
import { isPinning, type Where } from "./where.ts";

/** What can be known of a product at a moment; instants in epoch milliseconds. */
export interface View {
  readonly coverage: { readonly from: number; readonly until: number };
  /** Null while nothing has come by the stream, or where there is none. */
  readonly liveTo: number | null;
  /** The stream saw every event from here on. */
  readonly liveFrom: number;
  /** The newest event applied. */
  readonly newest: number | null;
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

const hour = 3_600_000;
const day = 24 * hour;

export function floorTo(at: number, grain: StoredGrain): number {
  if (grain === "MONTH") return Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth());
  const width = grain === "HOUR" ? hour : day;
  return Math.floor(at / width) * width;
}

function nextBucket(at: number, grain: StoredGrain): number {
  if (grain === "MONTH") return Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth() + 1);
  return floorTo(at, grain) + (grain === "HOUR" ? hour : day);
}

const ceilTo = (at: number, grain: StoredGrain): number =>
  floorTo(at, grain) === at ? at : nextBucket(at, grain);

/** The rollup whose slice a filter is: all its dimensions pinned, and nothing else. */
export function rollupOf(spec: Spec, where: Where): RollupSpec | undefined {
  if (!isPinning(where)) return undefined;
  const pinned = Object.keys(where).sort().join();
  return spec.rollups.find(({ dimensions }) => [...dimensions].sort().join() === pinned);
}

const durations: Readonly<Record<string, number>> = {
  PT1H: hour,
  PT36H: 36 * hour,
  P3D: 3 * day,
  P5W: 35 * day,
  PT90M: 1.5 * hour,
};

/** An open side is the edge of what is covered or has come; `last` goes back from the end of the newest bucket with events. */
export function resolved(spec: Spec, where: Where, asked: AskedRange | null, view: View): Range {
  const grain = rollupOf(spec, where)?.finest ?? spec.finest;
  const end = endOf(grain, view);
  if (asked?.last !== undefined) {
    const to = view.newest === null ? view.coverage.until : nextBucket(view.newest, grain);
    return { from: floorTo(to - durations[asked.last]!, grain), to };
  }
  const from = asked?.from === undefined ? undefined : Date.parse(asked.from);
  const to = asked?.to === undefined ? undefined : Date.parse(asked.to);
  if (from !== undefined) return { from, to: to ?? Math.max(from, end) };
  if (to !== undefined) return { from: Math.min(view.coverage.from, to), to };
  return { from: view.coverage.from, to: end };
}

function endOf(grain: StoredGrain, { coverage, newest }: View): number {
  const covered = ceilTo(coverage.until, grain);
  return newest === null ? covered : Math.max(covered, nextBucket(newest, grain));
}

export type Source = "EDITION" | "LIVE" | "ATHENA";

export interface Origin {
  readonly sources: readonly Source[];
  /** Micro-batches keep it, whether the range reaches so far or not. */
  readonly isLive: boolean;
  /** Nothing of it is covered. One bucket of many may be asked of Athena all the same, in one go with the others. */
  readonly isNothing: boolean;
  /** What live values lack: a bucket that is not covered has begun before the stream did. */
  readonly gap: Range | null;
}

/** Where an ad-hoc measure comes from. That nothing is covered is known without asking. */
export function askedOrigin({ from, to }: Range, { coverage }: View): Origin {
  const isEmpty = Math.max(from, coverage.from) >= Math.min(to, coverage.until);
  return { sources: [isEmpty ? "EDITION" : "ATHENA"], isLive: false, isNothing: isEmpty, gap: null };
}

/** Where a stored measure of this slice and range is to come from. */
export function originOf(spec: Spec, where: Where, range: Range, view: View): Origin {
  const rollup = rollupOf(spec, where);
  if (rollup === undefined) return askedOrigin(range, view);
  const { finest } = rollup;
  const start = floorTo(view.coverage.from, finest);
  // outside of what is covered or has come there is nothing to cut
  const to = Math.max(Math.min(range.to, endOf(finest, view)), start);
  const from = Math.min(range.from <= view.coverage.from ? start : range.from, to);
  if ([from, to].some((at) => floorTo(at, finest) !== at)) return askedOrigin(range, view);
  const cut = Math.min(Math.max(floorTo(view.coverage.until, finest), from), to);
  const isLive = rollup.live && view.liveTo !== null;
  if (!isLive && cut < Math.min(to, view.coverage.until)) return askedOrigin(range, view);
  const live = isLive && range.to > view.coverage.until;
  const edition = from < cut || !live;
  const gap = isLive && cut < to && cut < view.liveFrom ? { from: cut, to: view.liveFrom } : null;
  const sources: Source[] = [
    ...(edition ? (["EDITION"] as const) : []),
    ...(live ? (["LIVE"] as const) : []),
  ];
  return { sources, isLive, isNothing: false, gap };
}

/** Whether the stored measures of this slice and range are all that there will ever be. */
export function isComplete(spec: Spec, where: Where, range: Range, view: View): boolean {
  const { coverage, liveTo } = view;
  const { isLive, gap } = originOf(spec, where, range, view);
  const until = isLive ? Math.max(liveTo!, coverage.until) : coverage.until;
  return range.from >= coverage.from && range.to <= until && gap === null;
}
