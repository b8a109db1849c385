/**
 * Leaderboards gathered while segments stream by. Where a board's period has no more keys than the board shows, they
 * are the board; where it has more, DuckDB ranks the keys of those periods by each measure.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { boardDimensions, type Leaderboard, packLeaderboard } from "../model/leaderboard.ts";
import type { Top } from "../model/product.ts";
import type { Value } from "../model/values.ts";
import { measureSql } from "./gold-measures.duckdb.ts";
import { keyColumns, keyReader, periodName, periodUnit, text } from "./gold-rows.duckdb.ts";
import { type Assembly, indexSql, type PackedSegment, slotsSql } from "./gold-segments.duckdb.ts";
import type { AssembledLeaderboard } from "./gold.ts";

/** An item of DynamoDB holds 400 KB. Boards beyond that are left out: their questions go to Athena. */
const mostBytes = 350_000;

/** The keys of one period and `within` so far. */
interface Gathering {
  readonly within: readonly Value[];
  readonly period: string;
  readonly keys: (readonly Value[])[];
  readonly buckets: number[];
  /** Keys by bucket, those that are not in `keys` too. */
  readonly counts: number[];
  /** There are more keys than a board shows. */
  isFull: boolean;
}

export class Leaderboards {
  readonly #assembly: Assembly;
  readonly #top: Top;
  readonly #places: ReturnType<typeof boardDimensions>;
  #gathering: Gathering | null = null;
  readonly #toRank: Gathering[] = [];

  constructor(assembly: Assembly, top: Top) {
    this.#assembly = assembly;
    this.#top = top;
    this.#places = boardDimensions(assembly.rollup.dimensions, top);
  }

  /** How segments must be ordered: a board's come one after another. */
  get orderBy(): readonly string[] {
    const { product, rollup } = this.#assembly;
    const columns = keyColumns(product, rollup);
    return [...this.#places.within.map((position) => columns[position]!), "period"];
  }

  /** Takes segments in order. Returns the boards that they have completed. */
  add(segments: readonly PackedSegment[]): AssembledLeaderboard[] {
    return segments.flatMap((segment) => this.#take(segment));
  }

  #take({ key, period, buckets }: PackedSegment): AssembledLeaderboard[] {
    const within = this.#places.within.map((position) => key[position]!);
    let done: AssembledLeaderboard[] = [];
    if (!isOf(this.#gathering, within, period)) {
      done = this.#finish();
      this.#gathering = { within, period, keys: [], buckets: [], counts: [], isFull: false };
    }
    const gathering = this.#gathering!;
    for (let index = 0, bits = buckets; bits !== 0; index++, bits >>>= 1)
      if (bits & 1) gathering.counts[index] = (gathering.counts[index] ?? 0) + 1;
    if (gathering.keys.length < this.#top.n) {
      gathering.keys.push(this.#places.ranked.map((position) => key[position]!));
      gathering.buckets.push(buckets);
    } else gathering.isFull = true;
    return done;
  }

  #finish(): AssembledLeaderboard[] {
    const gathering = this.#gathering;
    this.#gathering = null;
    if (gathering === null) return [];
    if (!gathering.isFull) return packed(gathering, gathering);
    // what was gathered is a part: the ranking begins anew
    gathering.keys.length = gathering.buckets.length = 0;
    this.#toRank.push(gathering);
    return [];
  }

  /** After the last segment: the boards that are left. */
  async *rest(connection: DuckDBConnection): AsyncIterable<readonly AssembledLeaderboard[]> {
    yield this.#finish();
    for (let start = 0; start < this.#toRank.length; start += rankedAtATime) {
      const some = this.#toRank.slice(start, start + rankedAtATime);
      const byId = new Map(some.map((each) => [idOf(each), each]));
      const result = await connection.stream(this.#rankingSql(some));
      for await (const rows of result.yieldRows()) for (const cells of rows) this.#rank(byId, cells);
      yield some.flatMap((each) => packed(each, { keys: each.keys, buckets: each.buckets }));
      for (const each of some) each.keys.length = each.buckets.length = 0;
    }
  }

  #rank(byId: ReadonlyMap<string, Gathering>, cells: readonly unknown[]): void {
    const { product, rollup, periods } = this.#assembly;
    const key = keyReader(product, rollup)(cells);
    const [period, bits] = cells.slice(rollup.dimensions.length);
    const within = this.#places.within.map((position) => key[position]!);
    const gathering = byId.get(idOf({ within, period: periodName(Number(period), periods) }))!;
    gathering.keys.push(this.#places.ranked.map((position) => key[position]!));
    gathering.buckets.push(Number(bits));
  }

  /** The keys that lead a bucket by any measure: ties by the key's values in code-point order, nulls last. */
  #rankingSql(boards: readonly Gathering[]): string {
    const { product, rollup, grain, periods } = this.#assembly;
    const keys = keyColumns(product, rollup);
    const within = this.#places.within.map((position) => keys[position]!);
    const start = `epoch_ms(date_trunc('${periodUnit(periods)}', slot))`;
    const wanted = boards.map(
      ({ within: values, period }) => `(${[startOf(period), ...values.map(literal)].join(", ")})`,
    );
    const places = ["start", ...within.map((_, i) => `w${i}`)];
    const isWanted = [`${start} = start`, ...within.map((key, i) => `${key} IS NOT DISTINCT FROM w${i}`)];
    const ties = keys.map((key) => `${key} NULLS LAST`).join(", ");
    const stored = product.measures.filter(({ precomputed }) => precomputed);
    const measures = stored.map(({ expression }) => measureSql(product, expression, (i) => `v${i}`));
    const ranks = measures.map(
      (measure) =>
        `row_number() OVER (PARTITION BY ${[...within, "slot"].join(", ")} ORDER BY ${measure} DESC NULLS LAST, ${ties}) <= ${this.#top.n}`,
    );
    return `SELECT ${keys.join(", ")}, ${start} AS period, bit_or(1 << (${indexSql(grain)})) AS bits
FROM (SELECT slots.* FROM (${slotsSql(this.#assembly)}) AS slots
  JOIN (VALUES ${wanted.join(", ")}) AS wanted(${places.join(", ")}) ON ${isWanted.join(" AND ")}
  QUALIFY ${ranks.join(" OR ")})
GROUP BY ALL`;
  }
}

/** Boards whose ranking is in memory at a time. */
const rankedAtATime = 200;

function isOf(gathering: Gathering | null, within: readonly Value[], period: string): boolean {
  return (
    gathering !== null &&
    gathering.period === period &&
    gathering.within.every((value, i) => Object.is(value, within[i]))
  );
}

const idOf = ({ within, period }: Pick<Gathering, "within" | "period">): string =>
  JSON.stringify([within, period]);

const startOf = (period: string): number =>
  Date.parse(`${period}${"-01-01".slice(period.length - 4)}T00:00:00Z`);

function packed(
  { within, period, counts }: Gathering,
  { keys, buckets }: Pick<Leaderboard, "keys" | "buckets">,
): AssembledLeaderboard[] {
  const onBoard = buckets.reduce<number[]>((found, bits) => {
    for (let index = 0, rest = bits; rest !== 0; index++, rest >>>= 1)
      if (rest & 1) found[index] = (found[index] ?? 0) + 1;
    return found;
  }, []);
  const complete = counts.reduce(
    (bits, count, index) => (onBoard[index] === count ? bits | (1 << index) : bits),
    0,
  );
  const board = packLeaderboard({ complete, keys, buckets });
  return Buffer.byteLength(board) > mostBytes ? [] : [{ within, period, packed: board }];
}

function literal(value: Value): string {
  if (value === null) return "NULL";
  return typeof value === "string" ? text(value) : String(value);
}
