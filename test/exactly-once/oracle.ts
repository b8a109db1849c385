/**
 * What is right, in plain JavaScript over what was produced. It imports nothing of the code under test: what that
 * stores is read as text, by the layouts that the docs describe.
 */

export interface Visit {
  readonly id: number;
  readonly at: number;
  readonly shop: string | null;
  readonly amount: number | null;
  readonly member: boolean;
}

/** A visit that counts, and where it stands in the stream. */
export interface Counted extends Visit {
  readonly shard: string;
  readonly sequence: string;
  readonly index: number;
  readonly partitionKey: string;
  /** The how manyth of all. */
  readonly order: number;
  /** Its time as text: periods are prefixes of it. */
  readonly time: string;
}

export interface Dead {
  readonly reason: string;
  readonly text: string;
}

export interface Line {
  readonly text: string;
  /** Null for what is no visit. */
  readonly visit: Visit | null;
  /** Of what is no visit. */
  readonly reason?: string;
}

export interface LiveItemText {
  readonly pk: string;
  readonly sk: string;
  readonly version: number;
  readonly watermarks: Readonly<Record<string, string>>;
  readonly packed: string;
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const latenessMs = hourMs;

type Fold = (visits: readonly Visit[]) => number | null;

const amounts = (visits: readonly Visit[]): number[] =>
  visits.map(({ amount }) => amount).filter((amount) => amount !== null);
const sum: Fold = (visits) => amounts(visits).reduce((total, amount) => total + amount, 0);
const count: Fold = (visits) => visits.length;
const least: Fold = (visits) => (amounts(visits).length === 0 ? null : Math.min(...amounts(visits)));
const most: Fold = (visits) => (amounts(visits).length === 0 ? null : Math.max(...amounts(visits)));
const large: Fold = (visits) => amounts(visits).filter((amount) => amount >= 50).length;
const known: Fold = (visits) => amounts(visits).length;
const mean: Fold = (visits) => (known(visits) === 0 ? null : sum(visits)! / known(visits)!);

/** By product what an item holds per bucket, in order, and what its measures are. */
const folds: Readonly<Record<string, { components: readonly Fold[]; measures: Record<string, Fold> }>> = {
  ShopVisits: {
    components: [count, sum, least, most, large, known],
    measures: { visits: count, amount: sum, least, most, large, mean },
  },
  DailyVisits: { components: [count, sum], measures: { visits: count, amount: sum } },
};

const dimensions: Readonly<Record<string, readonly (keyof Visit)[]>> = {
  total: [],
  shop: ["shop"],
  member: ["member"],
};

export class Oracle {
  readonly counted: Counted[] = [];
  /** By shard, sequence and index. */
  readonly dead = new Map<string, Dead>();
  /** No visit before this instant was to come any more, readers were told. */
  promised = -Infinity;
  #order = 0;
  readonly #byShard = new Map<string, Counted[]>();
  readonly #versions = new Map<string, number>();
  readonly #swept = new Set<string>();

  produce(
    place: { readonly shard: string; readonly sequence: string; readonly arrival: number },
    partitionKey: string,
    lines: readonly Line[],
  ): void {
    const { shard, sequence, arrival } = place;
    lines.forEach(({ text, visit, reason }, index) => {
      const position = `${shard}#${sequence}#${index}`;
      if (visit === null) return void this.dead.set(position, { reason: reason!, text });
      if (visit.at < arrival - latenessMs || visit.at > arrival + dayMs)
        return void this.dead.set(position, { reason: "TOO_LATE", text });
      if (visit.at < this.promised)
        throw new Error(
          `Readers were told that all visits before ${iso(this.promised)} were counted, and visit ${visit.id} of ${iso(visit.at)} arrives at ${iso(arrival)}.`,
        );
      const counted = {
        ...visit,
        shard,
        sequence,
        index,
        partitionKey,
        order: this.#order++,
        time: iso(visit.at),
      };
      this.counted.push(counted);
      this.inShard(shard).push(counted);
    });
  }

  inShard(shard: string): Counted[] {
    const found = this.#byShard.get(shard) ?? [];
    this.#byShard.set(shard, found);
    return found;
  }

  visits(rollup: string, key: readonly unknown[], from: number, to: number): readonly Counted[] {
    const [column] = dimensions[rollup]!;
    return this.counted.filter(
      (visit) => visit.at >= from && visit.at < to && (column === undefined || visit[column] === key[0]),
    );
  }

  measure(product: string, name: string, visits: readonly Visit[]): number | null {
    return folds[product]!.measures[name]!(visits);
  }

  /** An item went: what is repeated later makes it again of a part of its visits, and nobody reads that. */
  swept({ pk, sk }: Pick<LiveItemText, "pk" | "sk">): void {
    this.#swept.add(`${pk} ${sk}`);
  }

  /** Throws unless the item is the fold of a prefix of each shard, under a version that it never had. */
  checkLiveItem(item: LiveItemText): void {
    const { pk, sk, version, watermarks, packed } = item;
    const [product = "", , rollup = "", grain = "", period = ""] = pk.split("#");
    const id = `${pk} ${sk}`;
    if (version <= (this.#versions.get(id) ?? 0)) throw new Error(`Item ${id} has version ${version} again.`);
    this.#versions.set(id, version);
    if (this.#swept.has(id)) return;
    const key = JSON.parse(sk) as unknown[];
    const [column] = dimensions[rollup]!;
    const buckets = new Map<number, Visit[]>();
    for (const [shard, watermark] of Object.entries(watermarks))
      for (const visit of this.inShard(shard)) {
        if (visit.sequence > watermark) continue;
        if (column !== undefined && visit[column] !== key[0]) continue;
        if (!visit.time.startsWith(period)) continue;
        const bucket =
          grain === "HOUR" ? Number(visit.time.slice(11, 13)) : Number(visit.time.slice(8, 10)) - 1;
        const found = buckets.get(bucket);
        if (found === undefined) buckets.set(bucket, [visit]);
        else found.push(visit);
      }
    const indexes = [...buckets.keys()].sort((a, b) => a - b);
    const states = folds[product]!.components.map((fold) =>
      indexes.map((index) => fold(buckets.get(index)!)),
    );
    const expected = JSON.stringify([indexes, ...states]);
    if (packed !== expected)
      throw new Error(
        `Item ${id} holds ${packed}, and the visits up to ${JSON.stringify(watermarks)} are ${expected}.`,
      );
  }
}

export const iso = (at: number): string => (Number.isFinite(at) ? new Date(at).toISOString() : String(at));
