/** One slice over one range: routes each measure to the stored state or to Athena, and records where it came from. */
import { type Aggregate, aggregateId } from "../model/expression.ts";
import { aggregatesBehind, readMeasure, type State, stateReader } from "../model/fold.ts";
import { type Filter, singleValues } from "../model/filter.ts";
import { itemId } from "../model/layout.ts";
import { type Period, shiftBack } from "../model/period.ts";
import type { Measure, Product } from "../model/product.ts";
import {
  assertInstant,
  bucketCount,
  bucketsOf,
  floorTo,
  formatInstant,
  type Grain,
  type Instant,
  isAligned,
  type Range,
} from "../model/time.ts";
import type { Value } from "../model/values.ts";
import { UserInputError } from "../model/errors.ts";
import type { AskedRange, Insight, LiveReading } from "../schema/context.ts";
import {
  type Pieces,
  planStored,
  reachesLive,
  showRollups,
  sliceOf,
  type StoredPlan,
  type UnstoredPlan,
  type View,
} from "../sql/plan.ts";
import type { AdHocQuestion } from "../sql/statement.ts";
import type { AskedValues, GroupValues } from "./group-answers.ts";
import { assertKnown, columnsBehind } from "./known-columns.ts";
import type { Snapshot } from "./manifests.ts";
import type { Origin } from "./provenance.ts";
import type { SegmentPart } from "./segment-parts.ts";
import { type Series, seriesBefore } from "./series.ts";
import { itemsOf, readState } from "./stored-state.ts";
import type { Workings } from "./workings.ts";

/** One question with everything that answering it needs. */
export interface Posed {
  readonly product: Product;
  readonly where: Filter;
  readonly range: Range;
  readonly id: string;
  readonly view: View;
  readonly snapshot: Snapshot;
  /** The series this is a bucket of: its ad-hoc fields are answered by bucket, in one go. */
  readonly series: Series | null;
}

/** Product, slice and range as asked: the same question has the same id in every edition. */
export function insightId({ name }: Product, where: Filter, asked: AskedRange | undefined): string {
  return Buffer.from(JSON.stringify([name, where, asked ?? null])).toString("base64url");
}

/** A response of more buckets is a report, not an answer. */
const maxBuckets = 10_000;

/** What a group or a bucket of a series knows beside its question. */
interface Standing {
  /** Its pieces are taken from the budget already. */
  readonly isPaid?: boolean;
  readonly group?: GroupValues;
}

/** Plans the question and loads what its keys depend on. */
export async function poseInsight(
  workings: Workings,
  posed: Posed,
  { isPaid = false, group }: Standing = {},
): Promise<Insight> {
  const { snapshot } = posed;
  const plan = planStored(snapshot.serving, posed.where, posed.range, posed.view);
  // a group may be answered without being read
  const isTaken = isPaid || group !== undefined;
  if (!isTaken) workings.reads.take(costOf(plan));
  if (plan.kind === "unstored") return new PlannedInsight(workings, posed, plan, [], group ?? null);
  const { keys, editions, rollup } = plan;
  const segments = await snapshot.segments(rollup, editions);
  // a piece of an open month may be many: its days
  const days = Math.max(0, segments.length - editions.length);
  if (group === undefined) workings.reads.take(keys.length * days);
  return new PlannedInsight(workings, posed, plan, segments, group ?? null);
}

/** Nothing is free: what reads nothing, or leaves it to Athena, is planned and shown all the same. */
function costOf(plan: StoredPlan | UnstoredPlan): number {
  if (plan.kind === "unstored") return 1;
  return Math.max(1, plan.keys.length * (plan.editions.length + plan.live.length));
}

/** What no segment has to answer for is read live, also before the refresh that stores it. */
export function isRead({ serving }: Snapshot, measure: Measure, { editions, live }: Pieces): boolean {
  return serving.stores(measure) || (measure.precomputed && editions.length === 0 && live.length > 0);
}

class PlannedInsight implements Insight {
  readonly product: Product;
  readonly id: string;
  readonly range: Range;
  readonly pinned: Readonly<Record<string, Value>>;
  readonly #workings: Workings;
  readonly #posed: Posed;
  readonly #plan: StoredPlan | UnstoredPlan;
  readonly #segments: readonly SegmentPart[];
  readonly #before = new Map<Period, Promise<Insight>>();
  readonly #group: GroupValues | null;
  #state: Promise<State> | null = null;

  constructor(
    workings: Workings,
    posed: Posed,
    plan: StoredPlan | UnstoredPlan,
    segments: readonly SegmentPart[],
    group: GroupValues | null,
  ) {
    this.product = posed.product;
    this.id = posed.id;
    this.range = posed.range;
    this.pinned = singleValues(posed.where);
    this.#workings = workings;
    this.#posed = posed;
    this.#plan = plan;
    this.#segments = segments;
    this.#group = group;
  }

  async complete(): Promise<boolean> {
    const plan = this.#plan;
    const { coverage } = this.#posed.view;
    const covered = this.range.from >= coverage.from && this.range.to <= coverage.until;
    if (plan.kind === "unstored" || this.#group?.fromAthena) return covered;
    const declared = this.product.measures.filter(({ precomputed }) => precomputed);
    const { snapshot } = this.#posed;
    return plan.complete && (covered || declared.every((measure) => isRead(snapshot, measure, plan)));
  }

  async measure(name: string, path: readonly string[]): Promise<number | null> {
    const measure = this.product.measure(name);
    const plan = this.#plan;
    const isAnswered = this.#group?.fromAthena === true && this.#group.of(measure) !== null;
    return plan.kind === "stored" && !isAnswered && isRead(this.#posed.snapshot, measure, plan)
      ? this.#stored(measure, plan, path)
      : this.#asked(measure, path);
  }

  async stamp(): Promise<string> {
    const state = this.#plan.kind === "stored" ? await this.#load(this.#plan) : null;
    return JSON.stringify([this.range, await this.complete(), state]);
  }

  notLive(): string | null {
    const served = this.#posed.snapshot.serving.rollups.filter(({ live }) => live);
    const can = `Live rollups of ${this.product.name}: ${showRollups(served) || "none"}.`;
    if (this.#plan.kind === "unstored") return `This slice has no live rollup: ${this.#plan.reason}. ${can}`;
    const { rollup } = this.#plan;
    if (rollup.live) return null;
    const declared = this.product.rollups.some(({ name, live }) => name === rollup.name && live);
    const when = declared ? " before the next refresh" : "";
    return `The rollup [${rollup.dimensions.join(", ")}] is not live${when}. ${can}`;
  }

  liveReading(): LiveReading | null {
    const plan = this.#plan;
    const { view, snapshot } = this.#posed;
    const { scope } = this.#workings;
    if (plan.kind === "unstored" || view.live === null || view.newest === null) return null;
    const items = itemsOf({ product: this.product, serving: snapshot.serving, scope }, plan, []);
    const { to } = this.range;
    const isAwaited = to > Math.max(view.live.to, view.coverage.until);
    return {
      items: items.map(({ key }) => itemId(key)),
      newest: view.newest,
      awaits: isAwaited ? to : null,
    };
  }

  async series(grain: Grain): Promise<readonly Insight[]> {
    const count = bucketCount(this.range, grain);
    if (count > maxBuckets)
      throw new UserInputError(
        `A series has at most ${maxBuckets} buckets. ${grain} over this range makes about ${count}. Ask for a coarser grain or a shorter range.`,
      );
    const slice = sliceOf(this.#posed.snapshot.serving, this.#posed.where);
    const keys = slice.kind === "slice" ? slice.keys.length : 1;
    // each bucket is read or asked for, and shown
    this.#workings.reads.take((keys + 1) * count);
    const series = { range: this.range, grain };
    const pose = (range: Range) => {
      const id = `${this.id}/${formatInstant(range.from)}/${grain}`;
      return poseInsight(this.#workings, { ...this.#posed, range, series, id }, { isPaid: true });
    };
    return this.#workings.gate.plan(() => Promise.all(bucketsOf(this.range, grain).map(pose)));
  }

  /** Planned once, whoever compares with it. */
  async previous(period: Period): Promise<Insight> {
    const known = this.#before.get(period) ?? this.#poseBefore(period);
    this.#before.set(period, known);
    return known;
  }

  #poseBefore(period: Period): Promise<Insight> {
    const range = shiftBack(this.range, period);
    assertInstant(range.from);
    const series = this.#posed.series && seriesBefore(this.#posed.series, period, range);
    const posed = { ...this.#posed, range, series, id: `${this.id}/${period}` };
    const standing = this.#group ? { group: this.#group.before(period) } : {};
    return this.#workings.gate.plan(() => poseInsight(this.#workings, posed, standing));
  }

  async #stored(measure: Measure, plan: StoredPlan, path: readonly string[]): Promise<number | null> {
    this.#workings.trace?.stored({ path, measure, posed: this.#posed }, plan, this.#segments);
    const state = await this.#load(plan);
    const { view } = this.#posed;
    const { provenance } = this.#workings;
    const { to } = this.range;
    const isLive = reachesLive(plan, this.range, view);
    if (plan.editions.length > 0 || !isLive) provenance.add(path, this.#fromEdition(), to);
    if (isLive) {
      const through = Math.min(to, Math.max(view.live!.to, view.coverage.until));
      provenance.add(path, { source: "LIVE", through, ...(plan.partial && { partial: true }) }, to);
    }
    return readMeasure(this.product, measure.expression, stateReader(this.product.components, state));
  }

  #fromEdition(): Origin {
    const { view, snapshot } = this.#posed;
    const through = Math.min(this.range.to, view.coverage.until);
    return { source: "EDITION", through, edition: snapshot.manifest.edition };
  }

  #load(plan: StoredPlan): Promise<State> {
    this.#state ??= this.#read(plan);
    return this.#state;
  }

  async #read(plan: StoredPlan): Promise<State> {
    const { scope, segments: loader, reads } = this.#workings;
    const { serving } = this.#posed.snapshot;
    if (this.#group !== null) reads.take(plan.keys.length * (this.#segments.length + plan.live.length));
    return readState({ product: this.product, serving, scope, loader }, plan, this.#segments);
  }

  /** Athena answers up to the coverage, for the whole series at once where this is one bucket of it. */
  async #asked(measure: Measure, path: readonly string[]): Promise<number | null> {
    const { coverage } = this.#posed.view;
    const covered = (range: Range) => ({
      from: Math.max(range.from, coverage.from),
      to: Math.min(range.to, coverage.until),
    });
    const { where } = this.#posed;
    const series = this.#seriesFor(measure);
    const range = covered(series?.range ?? this.range);
    const question: AdHocQuestion = { where, range, by: series?.grain ?? null };
    const through = Math.min(this.range.to, coverage.until);
    const isEmpty = range.from >= range.to;
    // that nothing of it is covered is known from what is published
    if (isEmpty) {
      this.#workings.provenance.add(path, this.#fromEdition(), this.range.to);
      this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, null);
    }
    const found = isEmpty ? undefined : await this.#ask(question, measure, path, through);
    const aggregates = new Map(
      aggregatesBehind(this.product, measure.expression).map((each) => [aggregateId(each), each]),
    );
    return readMeasure(
      this.product,
      measure.expression,
      (id) => found?.get(id) ?? ofNothing(aggregates.get(id)!),
    );
  }

  /** The series to ask for in one go. A cut bucket at its edge stands alone where rollups answer the whole ones. */
  #seriesFor(measure: Measure): Posed["series"] {
    const { series, snapshot, where } = this.#posed;
    const isWhole =
      series !== null && [this.range.from, this.range.to].every((at) => isAligned(at, series.grain));
    const { serving } = snapshot;
    return isWhole || !serving.stores(measure) || sliceOf(serving, where).kind === "unstored" ? series : null;
  }

  async #ask(question: AdHocQuestion, measure: Measure, path: readonly string[], through: Instant) {
    const aggregates = aggregatesBehind(this.product, measure.expression);
    const { where, snapshot } = this.#posed;
    const read = [...columnsBehind(this.product, measure), ...where.map(({ column }) => column)];
    assertKnown(this.product, snapshot.serving, read, `Measure "${measure.name}"`);
    const together = this.#group?.of(measure) ?? null;
    if (together !== null)
      this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, "page");
    const answer = together ?? this.#askAlone(question, measure, path, aggregates);
    const { found, queryId, bytesScanned } = await answer;
    const origin = { source: "ATHENA", through, queryId, bytesScanned } as const;
    this.#workings.provenance.add(path, origin, this.range.to);
    return found;
  }

  async #askAlone(
    question: AdHocQuestion,
    measure: Measure,
    path: readonly string[],
    aggregates: readonly Aggregate[],
  ): Promise<AskedValues> {
    const { partitions } = this.#posed.snapshot;
    const ask = { source: this.product.source, question, aggregates, partitions };
    this.#workings.trace?.asked({ path, measure, posed: this.#posed }, this.#plan, ask);
    const answer = await this.#workings.adHoc.load(ask);
    const found = answer.buckets.get(question.by === null ? 0 : floorTo(this.range.from, question.by));
    return { ...answer, found };
  }
}

/** An aggregate over no events. */
function ofNothing(aggregate: Aggregate): number | null {
  return ["count", "countIf", "countOf", "sum", "distinct", "approxDistinct"].includes(aggregate.kind)
    ? 0
    : null;
}
