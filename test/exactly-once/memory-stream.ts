/** An event stream in memory, as Kinesis has it: shards of hash ranges, split and merged, iterators that expire. */
import type { EventStream, Shard, StreamRecord } from "../../src/backends/event-stream.ts";

interface MemoryShard extends Shard {
  closed: boolean;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly records: StreamRecord[];
}

export interface Placed {
  readonly shard: string;
  readonly sequence: string;
  readonly arrival: number;
}

export interface MemoryStreamOptions {
  readonly shards: number;
  /** The arrival stamp of what is put now. */
  readonly stamp: () => number;
  readonly random: () => number;
  /** Milliseconds: what iterators age by. */
  readonly clock: () => number;
}

const hashes = 1 << 16;
const expiryMs = 5_000;
const expiredNow = 0.003;

export class MemoryStream implements EventStream {
  readonly all: MemoryShard[] = [];
  readonly #options: MemoryStreamOptions;
  #sequence = 0;

  constructor(options: MemoryStreamOptions) {
    this.#options = options;
    for (let i = 0; i < options.shards; i++)
      this.#open([], (hashes * i) / options.shards, (hashes * (i + 1)) / options.shards);
  }

  shards = async (): Promise<readonly Shard[]> =>
    this.all.map(({ id, parents, closed }) => ({ id, parents, closed }));

  iterator = async (shard: string, after: string | null): Promise<string> =>
    JSON.stringify([shard, after, this.#options.clock()]);

  fetch = async (iterator: string, limit = 1_000) => {
    const [id, after, opened] = JSON.parse(iterator) as [string, string | null, number];
    const { clock, random } = this.#options;
    if (clock() - opened > expiryMs || random() < expiredNow) return "expired" as const;
    const shard = this.#shard(id);
    const rest = shard.records.filter(({ sequence }) => sequence > (after ?? ""));
    // fewer than there are, or none although there are some, is an answer too
    const records = rest.slice(0, random() < 0.2 ? Math.floor(random() * limit) : limit);
    const isEnd = records.length === rest.length;
    const last = records.at(-1)?.sequence ?? after;
    const next = shard.closed && isEnd && random() < 0.7 ? null : JSON.stringify([id, last, clock()]);
    return { records, next, millisBehindLatest: isEnd ? 0 : 1_000 };
  };

  put = async (entries: Parameters<EventStream["put"]>[0]) =>
    entries.map(({ partitionKey, data, shard }) => this.place(partitionKey, () => data, shard));

  /** Puts a record whose content may depend on its arrival. */
  place(partitionKey: string, data: (arrival: number) => Uint8Array, aimedAt?: string): Placed {
    const hash = hashOf(partitionKey);
    const aimed = this.all.find(({ id, closed }) => id === aimedAt && !closed);
    const shard = aimed ?? this.all.find(({ closed, from, to }) => !closed && from <= hash && hash < to)!;
    const sequence = this.#nextSequence();
    const arrival = this.#options.stamp();
    shard.records.push({ sequence, arrival, data: data(arrival) });
    return { shard: shard.id, sequence, arrival };
  }

  split(shard: MemoryShard): void {
    const middle = Math.floor((shard.from + shard.to) / 2);
    shard.closed = true;
    this.#open([shard.id], shard.from, middle);
    this.#open([shard.id], middle, shard.to);
  }

  merge(left: MemoryShard, right: MemoryShard): void {
    left.closed = true;
    right.closed = true;
    this.#open([left.id, right.id], left.from, right.to);
  }

  /** Splits a shard or merges two neighbours. */
  reshard(): void {
    const { random } = this.#options;
    const open = this.all.filter(({ closed }) => !closed).sort((a, b) => a.from - b.from);
    const at = Math.floor(random() * open.length);
    const [shard, neighbour] = [open[at]!, open[at + 1]];
    if (neighbour !== undefined && (open.length > 2 || random() < 0.4)) this.merge(shard, neighbour);
    else this.split(shard);
  }

  #open(parents: readonly string[], from: number, to: number): void {
    const id = `shard-${String(this.all.length).padStart(2, "0")}`;
    this.all.push({ id, parents, closed: false, from, to, records: [] });
  }

  #shard(id: string): MemoryShard {
    const found = this.all.find((shard) => shard.id === id);
    if (found === undefined) throw new Error(`There is no shard ${id}.`);
    return found;
  }

  #nextSequence(): string {
    this.#sequence += 1 + Math.floor(this.#options.random() * 3);
    return `056:${String(this.#sequence).padStart(8, "0")}`;
  }
}

function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0)!, 16_777_619);
  return ((hash >>> 8) ^ hash) & (hashes - 1);
}
