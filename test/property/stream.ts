/** The stream of a world: records that say when they arrived, put at random, and what must become of each. */
import { setTimeout as wait } from "node:timers/promises";
import type { Backends } from "../../bin/backends.ts";
import { encodeReplayed } from "../../etl/live/wire.ts";
import type { PutEntry } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey, clockKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import { pick, type Random } from "./random.ts";
import type { Row } from "./truth.ts";

/** An event on its way. */
export interface Sent {
  readonly row: Row;
  readonly at: number;
  readonly arrival: number;
}

const hour = 3_600_000;
export const latenessMs = 2 * hour;

/** Most events arrive in time, some on the last millisecond, a few too late, and some before their time; by arrival. */
export function sentOf(random: Random, rows: readonly Row[]): Sent[] {
  const sent = rows.map((row) => {
    const at = Date.parse(String(row["at"]));
    return { row, at, arrival: at + randomDelay(random) };
  });
  return sent.sort((a, b) => a.arrival - b.arrival);
}

function randomDelay(random: Random): number {
  const how = random();
  if (how < 0.1) return pick(random, [latenessMs, latenessMs + 1]);
  if (how < 0.15) return Math.floor(random() * 72 * hour);
  return how < 0.25 ? -Math.floor(random() * 24 * hour) : Math.floor(random() * latenessMs);
}

/** Other events are dead letters. */
export const isApplied = ({ at, arrival }: Sent): boolean => at >= arrival - latenessMs;

/** Puts events in records of one or some, and waits until the micro-batches have come past them. */
export function openProducer(stores: Backends, products: readonly Product[], random: Random) {
  const { source } = products.find((product) => product.source.stream !== null)!;
  const stream = stores.streamOf(source)!;
  let row = 0;
  return async (events: readonly Sent[]): Promise<void> => {
    const entries: PutEntry[] = [];
    for (let i = 0; i < events.length; ) {
      const lines = events.slice(i, (i += random() < 0.7 ? 1 : 1 + Math.floor(random() * 9)));
      const data = lines.map((each) => encodeReplayed(source, { row: ++row, ...eventOf(source, each) }));
      const record = Buffer.concat(data.flatMap((line) => [line, Buffer.from("\n")]));
      entries.push({ partitionKey: `k${Math.floor(random() * 50)}`, data: record });
    }
    const placed = await stream.put(entries);
    const last = new Map<string, string>();
    for (const { shard, sequence } of placed)
      if ((last.get(shard) ?? "") < sequence) last.set(shard, sequence);
    await passed(stores, source.stream!, last);
  };
}

function eventOf(source: Source, { row, arrival }: Sent) {
  const values = source.ownColumns.map(({ property, type }) => {
    const value = row[property] ?? null;
    return [property, type === "datetime" && value !== null ? Date.parse(String(value)) : value] as const;
  });
  return { arrival, event: Object.fromEntries(values) };
}

async function passed(stores: Backends, stream: Stream, last: ReadonlyMap<string, string>): Promise<void> {
  for (;;) {
    const checkpoints = await stores.control.list<Checkpoint>(checkpointKey(stream, "").pk);
    const reached = new Map(checkpoints.map(({ sk, value }) => [sk, value.sequence ?? ""]));
    if ([...last].every(([shard, sequence]) => (reached.get(shard) ?? "") >= sequence)) return;
    await wait(20);
  }
}

/** Moves on: what has arrived before is in the stream, and nothing that arrived before follows. */
export type Clock = (at: number) => Promise<void>;

export async function openClock({ control }: Backends, stream: Stream, from: number): Promise<Clock> {
  const key = clockKey(stream);
  const move = async (at: number): Promise<void> =>
    void (await control.put(key, { at, from, row: 0, last: null, tails: {} }, "any"));
  await move(from);
  return move;
}
