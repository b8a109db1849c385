/** Dead letters of a stream in memory: some that decode now, some that do not, at times of the test's choice. */
import { setImmediate as turn } from "node:timers/promises";
import type { DeadLetter } from "../../src/backends/dead-letters.ts";
import type { EventStream, PutEntry, StreamRecord } from "../../src/backends/event-stream.ts";
import { checkpointKey } from "../../src/model/control.ts";
import type { Instant } from "../../src/model/time.ts";
import type { Effects } from "../../etl/live/effects.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import { memoryControl, memoryDeadLetters, memoryLake } from "./memory-stores.ts";
import { parcels, randomParcel } from "./parcels.ts";

export interface LetterWorld {
  readonly control: ReturnType<typeof memoryControl>;
  readonly deadLetters: ReturnType<typeof memoryDeadLetters>;
  readonly lake: ReturnType<typeof memoryLake>;
}

export const shards = ["shard-1", "shard-2"];

/** A letter per event, over two shards, several in a record; the checkpoints are behind all of them. */
export async function letterWorld(events: readonly (object | string)[]): Promise<LetterWorld> {
  const world = { control: memoryControl(), deadLetters: memoryDeadLetters(), lake: memoryLake() };
  await world.deadLetters.put(events.map(letterOf));
  for (const shard of shards)
    await world.control.put(
      checkpointKey(parcels.stream!, shard),
      { sequence: "004:9999", arrival: 0 },
      null,
    );
  return world;
}

export function letterOf(event: object | string, i: number): DeadLetter {
  return {
    stream: "parcels",
    shard: shards[i % 2]!,
    sequence: `003:${100 + Math.floor(i / 6)}`,
    index: i % 6,
    reason: "TOO_LATE",
    detail: "",
    arrival: 0,
    bytes: typeof event === "string" ? Buffer.from(event) : encodeEvent(parcels, event as never),
  };
}

/** Its cost tells it from all others. */
export function numberedParcel(random: () => number, cost: number, scanned?: Instant) {
  return { ...randomParcel(random, cost), ...(scanned !== undefined && { scanned }) };
}

/** Time that passes while somebody waits, for all alike. */
export function sharedTime(now: Instant): { now: Instant; effects(effects: Effects): Effects } {
  const time = {
    now,
    effects: (effects: Effects): Effects => ({
      ...effects,
      clock: () => time.now,
      wait: async (ms) => {
        time.now += Math.ceil(ms);
        await turn();
      },
    }),
  };
  return time;
}

export interface MemoryStream extends EventStream {
  readonly records: Map<string, StreamRecord[]>;
  /** Closes a shard; two others follow. */
  split(shard: string): void;
}

export function memoryStream(clock: () => Instant): MemoryStream {
  const records = new Map<string, StreamRecord[]>(shards.map((id) => [id, []]));
  const closed = new Set<string>();
  let sequence = 0;
  const shardOf = ({ partitionKey, shard }: PutEntry): string => {
    const open = [...records.keys()].filter((id) => !closed.has(id));
    if (shard !== undefined && open.includes(shard)) return shard;
    const sum = Buffer.from(partitionKey).reduce((hash, byte) => hash + byte, 0);
    return open[sum % open.length]!;
  };
  return {
    records,
    split: (shard) => {
      closed.add(shard);
      for (const child of ["a", "b"]) records.set(`${shard}${child}`, []);
    },
    shards: async () => [...records.keys()].map((id) => ({ id, parents: [], closed: closed.has(id) })),
    iterator: async (shard, after) => JSON.stringify([shard, after]),
    fetch: async (iterator) => {
      const [shard, after] = JSON.parse(iterator) as [string, string | null];
      const found = records.get(shard)!.filter((record) => record.sequence > (after ?? ""));
      const next = JSON.stringify([shard, found.at(-1)?.sequence ?? after]);
      return { records: found, next: closed.has(shard) ? null : next, millisBehindLatest: 0 };
    },
    put: async (entries) =>
      entries.map((entry) => {
        const shard = shardOf(entry);
        const record = {
          sequence: `005:${String(++sequence).padStart(5, "0")}`,
          arrival: clock(),
          data: entry.data,
        };
        records.get(shard)!.push(record);
        return { shard, sequence: record.sequence };
      }),
  };
}
