/**
 * Leaderboards gathered while segments stream by, one board's segments after another. Where a period has no more keys
 * than a board shows, they are the board; where it has more, the leading ones of each bucket and measure are kept.
 *
 * Memory holds one board at a time: at most `n` segments, or twice `n` keys per bucket and measure.
 */
import { measureReader, type State } from "../model/fold.ts";
import { boardDimensions, packLeaderboard } from "../model/leaderboard.ts";
import { type DimensionKey, unpackBuckets } from "../model/layout.ts";
import type { Product, Rollup, Top } from "../model/product.ts";
import { compareValues } from "../model/values.ts";
import type { AssembledLeaderboard, AssembledSegment } from "./gold.ts";

/** A segment, and the bits of the buckets that it holds. */
export interface RankedSegment extends AssembledSegment {
  readonly buckets: number;
}

/** An item of DynamoDB holds 400 KB. Boards beyond that are left out: a reader that finds none asks Athena. */
const mostBytes = 350_000;

export class Leaderboards {
  readonly #measures: readonly Measured[];
  readonly #top: Top;
  readonly #places: ReturnType<typeof boardDimensions>;
  #board: Board | null = null;

  constructor(product: Product, rollup: Rollup, top: Top) {
    const stored = product.measures.filter(({ precomputed }) => precomputed);
    this.#measures = stored.map(({ expression }) => measureReader(product, expression));
    this.#top = top;
    this.#places = boardDimensions(rollup.dimensions, top);
  }

  /** Takes segments, those of one `within` and period one after another. Returns the boards that they have completed. */
  add(segments: readonly RankedSegment[]): AssembledLeaderboard[] {
    const done: AssembledLeaderboard[] = [];
    for (const segment of segments) {
      const within = this.#places.within.map((position) => segment.key[position]!);
      if (!this.#board?.isOf(within, segment.period)) {
        done.push(...this.finish());
        this.#board = new Board(this.#measures, this.#top, within, segment.period);
      }
      this.#board.add(segment);
    }
    return done;
  }

  /** After the last segment: the board that is left. */
  finish(): AssembledLeaderboard[] {
    const packed = this.#board?.packed(this.#places.ranked) ?? null;
    const { within, period } = this.#board ?? {};
    this.#board = null;
    return packed === null || Buffer.byteLength(packed) > mostBytes
      ? []
      : [{ within: within!, period: period!, packed }];
  }
}

/** A key, and bit i: it is on the board of bucket i. */
interface Candidate {
  readonly key: DimensionKey;
  buckets: number;
}

class Board {
  readonly #measures: readonly Measured[];
  readonly #top: Top;
  #segments: RankedSegment[] = [];
  #rankings: Rankings | null = null;
  /** Keys by bucket, on the board or not. */
  readonly #counts: number[] = [];

  constructor(
    measures: readonly Measured[],
    top: Top,
    readonly within: DimensionKey,
    readonly period: string,
  ) {
    this.#measures = measures;
    this.#top = top;
  }

  isOf(within: DimensionKey, period: string): boolean {
    return this.period === period && this.within.every((value, i) => Object.is(value, within[i]));
  }

  add(segment: RankedSegment): void {
    count(this.#counts, segment.buckets);
    if (this.#rankings !== null) return this.#rankings.add(segment);
    this.#segments.push(segment);
    if (this.#segments.length <= this.#top.n) return;
    this.#rankings = new Rankings(this.#measures, this.#top.n);
    for (const each of this.#segments) this.#rankings.add(each);
    this.#segments = [];
  }

  packed(ranked: readonly number[]): string {
    const leading: readonly Candidate[] = this.#rankings?.leading() ?? this.#segments;
    const shown: number[] = [];
    for (const { buckets } of leading) count(shown, buckets);
    const complete = this.#counts.reduce((bits, keys, i) => (shown[i] === keys ? bits | (1 << i) : bits), 0);
    return packLeaderboard({
      complete,
      keys: leading.map(({ key }) => ranked.map((position) => key[position]!)),
      buckets: leading.map(({ buckets }) => buckets),
    });
  }
}

/** Adds one to the count of every bucket that has its bit set. */
function count(counts: number[], buckets: number): void {
  for (let index = 0, bits = buckets; bits !== 0; index++, bits >>>= 1)
    if (bits & 1) counts[index] = (counts[index] ?? 0) + 1;
}

/** A stored measure, read of a bucket's state. */
type Measured = (state: State) => number | null;

/** The rankings of one board: by bucket and stored measure. */
class Rankings {
  readonly #measures: readonly Measured[];
  readonly #n: number;
  readonly #byBucket: Ranking[][] = [];

  constructor(measures: readonly Measured[], n: number) {
    this.#measures = measures;
    this.#n = n;
  }

  add({ key, packed }: RankedSegment): void {
    const candidate: Candidate = { key, buckets: 0 };
    for (const [bucket, state] of unpackBuckets(packed)) {
      const rankings = (this.#byBucket[bucket] ??= this.#measures.map(() => new Ranking(this.#n)));
      for (let i = 0; i < rankings.length; i++) rankings[i]!.add(candidate, this.#measures[i]!(state));
    }
  }

  /** Every key that leads a bucket by any measure. */
  leading(): readonly Candidate[] {
    const found = new Set<Candidate>();
    for (const [bucket, rankings] of this.#byBucket.entries())
      for (const { candidate } of (rankings ?? []).flatMap((ranking) => ranking.first())) {
        candidate.buckets |= 1 << bucket;
        found.add(candidate);
      }
    return [...found];
  }
}

interface Ranked {
  readonly candidate: Candidate;
  readonly value: number | null;
}

/** The first `n` of any number: what comes in is kept until there are twice as many. */
class Ranking {
  readonly #n: number;
  #kept: Ranked[] = [];

  constructor(n: number) {
    this.#n = n;
  }

  add(candidate: Candidate, value: number | null): void {
    this.#kept.push({ candidate, value });
    if (this.#kept.length >= 2 * this.#n) this.#kept = this.first();
  }

  first(): Ranked[] {
    return this.#kept.sort(byRank).slice(0, this.#n);
  }
}

/** Highest first, null last; ties in the order of the key's values: strings by code point, null last. */
function byRank(a: Ranked, b: Ranked): number {
  if (a.value !== b.value) {
    if (a.value === null || b.value === null) return a.value === null ? 1 : -1;
    return b.value - a.value;
  }
  for (const [i, value] of a.candidate.key.entries()) {
    const order = compareValues(value, b.candidate.key[i]!);
    if (order !== 0) return order;
  }
  return 0;
}
