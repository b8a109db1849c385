/** One slice over one range: routes each measure to the stored state or to Athena, and records where it came from. */
import { aggregateId, aggregatesOf, type Aggregate, type Expression } from "../model/expression.ts";
import { emptyState, readMeasure, type State, stateReader } from "../model/fold.ts";
import type { Filter } from "../model/filter.ts";
import { liveKey, mergeBuckets, segmentKey } from "../model/layout.ts";
import type { Measure, Product } from "../model/product.ts";
import type { Scope } from "../model/scope.ts";
import {
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
import { SluiceError, UserInputError } from "../model/errors.ts";
import type { Insight } from "../schema/context.ts";
import {
  type Piece,
  planStored,
  showRollups,
  sliceOf,
  type StoredPlan,
  type UnstoredPlan,
  type View,
} from "../sql/plan.ts";
import type { AdHocQuestion } from "../sql/statement.ts";
import type { AdHocLoader } from "./ad-hoc.ts";
import type { Gate } from "./gate.ts";
import type { Snapshot } from "./manifests.ts";
import type { ProvenanceRecord } from "./provenance.ts";
import type { SegmentLoader, Wanted } from "./segments.ts";

/** What every insight of one request works with. */
export interface Workings {
  readonly scope: Scope;
  readonly gate: Gate;
  readonly segments: SegmentLoader;
  readonly adHoc: AdHocLoader;
  readonly provenance: ProvenanceRecord;
  readonly reads: ReadBudget;
}

/** What a request may read, in pieces of segments: known before anything is read. */
export class ReadBudget {
  #left: number;

  constructor(readonly most = 200_000) {
    this.#left = most;
  }

  /** Throws `QUERY_TOO_COMPLEX`. */
  take(pieces: number): void {
    this.#left -= pieces;
    if (this.#left < 0)
      throw new SluiceError(
        "QUERY_TOO_COMPLEX",
        `A request reads at most ${this.most} pieces of segments: keys times buckets, summed over its fields. Ask for fewer keys, a coarser grain or a shorter range.`,
      );
  }
}

/** One question with everything that answering it needs. */
export interface Posed {
  readonly product: Product;
  readonly where: Filter;
  readonly range: Range;
  readonly id: string;
  readonly view: View;
  readonly snapshot: Snapshot;
  /** The series this is a bucket of: its ad-hoc fields are answered by bucket, in one go. */
  readonly series: { readonly range: Range; readonly grain: Grain } | null;
}

/** A response of more buckets is a report, not an answer. */
const maxBuckets = 10_000;

/** Plans the question and loads what its keys depend on. */
export async function poseInsight(workings: Workings, posed: Posed): Promise<Insight> {
  const plan = planStored(posed.product, posed.where, posed.range, posed.view);
  if (plan.kind === "stored") {
    // a series has paid for its buckets
    if (posed.series === null)
      workings.reads.take(plan.keys.length * (plan.editions.length + plan.live.length));
    await posed.snapshot.prepare(plan.rollup, new Set(plan.editions.map(({ period }) => period.slice(0, 4))));
  }
  return new PlannedInsight(workings, posed, plan);
}

class PlannedInsight implements Insight {
  readonly product: Product;
  readonly id: string;
  readonly range: Range;
  readonly pinned: Readonly<Record<string, Value>>;
  readonly #workings: Workings;
  readonly #posed: Posed;
  readonly #plan: StoredPlan | UnstoredPlan;
  #state: Promise<State> | null = null;

  constructor(workings: Workings, posed: Posed, plan: StoredPlan | UnstoredPlan) {
    this.product = posed.product;
    this.id = posed.id;
    this.range = posed.range;
    this.pinned = pinnedBy(posed.where);
    this.#workings = workings;
    this.#posed = posed;
    this.#plan = plan;
  }

  async complete(): Promise<boolean> {
    if (this.#plan.kind === "stored") return this.#plan.complete;
    const { coverage } = this.#posed.view;
    return this.range.from >= coverage.from && this.range.to <= coverage.until;
  }

  async measure(name: string, path: readonly string[]): Promise<number | null> {
    const measure = this.product.measure(name);
    return measure.precomputed && this.#plan.kind === "stored"
      ? this.#stored(measure, this.#plan, path)
      : this.#asked(measure, path);
  }

  async stamp(): Promise<string> {
    const state = this.#plan.kind === "stored" ? await this.#load(this.#plan) : null;
    return JSON.stringify([this.range, await this.complete(), state]);
  }

  notLive(): string | null {
    const live = this.product.rollups.filter((rollup) => rollup.live);
    const can = `Live rollups of ${this.product.name}: ${showRollups(live) || "none"}.`;
    if (this.#plan.kind === "unstored") return `This slice has no live rollup: ${this.#plan.reason}. ${can}`;
    return this.#plan.rollup.live
      ? null
      : `The rollup [${this.#plan.rollup.dimensions.join(", ")}] is not live. ${can}`;
  }

  async series(grain: Grain): Promise<readonly Insight[]> {
    const count = bucketCount(this.range, grain);
    if (count > maxBuckets)
      throw new UserInputError(
        `A series has at most ${maxBuckets} buckets. ${grain} over this range makes about ${count}. Ask for a coarser grain or a shorter range.`,
      );
    const slice = sliceOf(this.product, this.#posed.where);
    if (slice.kind === "slice") this.#workings.reads.take(slice.keys.length * count);
    const series = { range: this.range, grain };
    const pose = (range: Range) =>
      poseInsight(this.#workings, {
        ...this.#posed,
        range,
        series,
        id: `${this.id}/${formatInstant(range.from)}/${grain}`,
      });
    return this.#workings.gate.plan(() => Promise.all(bucketsOf(this.range, grain).map(pose)));
  }

  async #stored(measure: Measure, plan: StoredPlan, path: readonly string[]): Promise<number | null> {
    const state = await this.#load(plan);
    const { coverage, live } = this.#posed.view;
    const { provenance } = this.#workings;
    if (plan.editions.length > 0 || plan.live.length === 0)
      provenance.add(path, {
        source: "EDITION",
        through: Math.min(this.range.to, coverage.until),
        edition: this.#posed.snapshot.manifest.edition,
      });
    if (plan.live.length > 0 && live !== null)
      provenance.add(path, {
        source: "LIVE",
        through: Math.min(this.range.to, Math.max(live.to, coverage.until)),
        ...(plan.partial && { partial: true }),
      });
    return readMeasure(this.product, measure.expression, stateReader(this.product.components, state));
  }

  #load(plan: StoredPlan): Promise<State> {
    this.#state ??= this.#readState(plan);
    return this.#state;
  }

  async #readState(plan: StoredPlan): Promise<State> {
    const { components } = this.product;
    const wanted = this.#wanted(plan);
    const items = await Promise.all(wanted.map((item) => this.#workings.segments.load(item)));
    const state = emptyState(components);
    items.forEach((columns, i) => {
      const { piece } = wanted[i]!;
      if (columns !== null) mergeBuckets(components, state, columns, piece.first, piece.end);
    });
    return state;
  }

  #wanted(plan: StoredPlan): (Wanted & { readonly piece: Piece })[] {
    const { product } = this;
    const { scope } = this.#workings;
    return plan.keys.flatMap((key) => [
      ...plan.editions.flatMap((piece) => {
        const edition = this.#posed.snapshot.editionOf(plan.rollup, piece.grain, piece.period);
        if (edition === null) return [];
        return [
          {
            piece,
            live: false,
            key: segmentKey(scope, product, plan.rollup, piece.grain, key, piece.period, edition),
          },
        ];
      }),
      ...plan.live.map((piece) => ({
        piece,
        live: true,
        key: liveKey(scope, product, plan.rollup, key, piece.period),
      })),
    ]);
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
    const through = Math.max(Math.min(this.range.to, coverage.until), coverage.from);
    const found = range.from < range.to ? await this.#ask(question, measure, path, through) : undefined;
    const aggregates = new Map(
      allAggregates(this.product, measure.expression).map((each) => [aggregateId(each), each]),
    );
    return readMeasure(
      this.product,
      measure.expression,
      (id) => found?.get(id) ?? ofNothing(aggregates.get(id)!),
    );
  }

  /** The series to ask for in one go. A cut bucket at its edge stands alone where rollups answer the whole ones. */
  #seriesFor(measure: Measure): Posed["series"] {
    const { series, product, where } = this.#posed;
    const isWhole =
      series !== null && [this.range.from, this.range.to].every((at) => isAligned(at, series.grain));
    return isWhole || !measure.precomputed || sliceOf(product, where).kind === "unstored" ? series : null;
  }

  async #ask(question: AdHocQuestion, measure: Measure, path: readonly string[], through: Instant) {
    const aggregates = allAggregates(this.product, measure.expression);
    const answer = await this.#workings.adHoc.load({ source: this.product.source, question, aggregates });
    const { queryId, bytesScanned } = answer;
    this.#workings.provenance.add(path, { source: "ATHENA", through, queryId, bytesScanned });
    return answer.buckets.get(question.by === null ? 0 : floorTo(this.range.from, question.by));
  }
}

/** What an expression is read from, the sides of ratios included. */
function allAggregates(product: Product, expression: Expression): readonly Aggregate[] {
  if (expression.kind !== "ratio") return aggregatesOf(expression);
  return [expression.numerator, expression.denominator].flatMap((side) =>
    allAggregates(product, product.measure(side).expression),
  );
}

/** An aggregate over no events. */
function ofNothing(aggregate: Aggregate): number | null {
  return ["count", "countIf", "countOf", "sum", "distinct", "approxDistinct"].includes(aggregate.kind)
    ? 0
    : null;
}

/** The dimensions that a filter holds to one value. */
function pinnedBy(where: Filter): Readonly<Record<string, Value>> {
  const pinned: Record<string, Value> = {};
  for (const condition of where) {
    if (condition.op === "eq") pinned[condition.column] = condition.value;
    if (condition.op === "in" && new Set(condition.values).size === 1)
      pinned[condition.column] = condition.values[0]!;
  }
  return pinned;
}
