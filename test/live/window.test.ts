/** When a window closes: by its age, also when nothing more arrives, by its records, and by its bytes. */
import { expect, it } from "vitest";
import { consumeShard, type WindowLimits } from "../../etl/live/shard.ts";
import { livePath } from "../../etl/live/path.ts";
import { encodeEvent, encodePacked } from "../../etl/live/wire.ts";
import type { Broadcast, Broadcasted } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey, shapeId } from "../../src/model/control.ts";
import {
  memoryControl,
  memoryDeadLetters,
  memoryInsights,
  memoryLake,
  quietEffects,
} from "./memory-stores.ts";
import { allParcels, parcels, randomParcel, seeded } from "./parcels.ts";

const begin = Date.parse("2024-03-01T00:00:00Z");
const open: WindowLimits = { ageMs: 60_000, records: 1_000, bytes: 1_000_000 };

function recordsOf(count: number): StreamRecord[] {
  const random = seeded(3);
  return Array.from({ length: count }, (_, i) => ({
    sequence: String(i + 1).padStart(4, "0"),
    arrival: begin,
    data: encodeEvent(parcels, { ...randomParcel(random, 1), scanned: begin }),
  }));
}

/** Reads a shard whose records arrive at the given times; time passes by waiting. Resolves to [when, records] of batches. */
async function batchesOf(
  arrivals: readonly number[],
  limits: Partial<WindowLimits>,
  stopBehind = arrivals.length,
  data?: Uint8Array,
): Promise<[number, number][]> {
  let now = begin;
  const batches: [number, number][] = [];
  const stopping = new AbortController();
  const effects = {
    ...quietEffects(seeded(1), stopping.signal),
    clock: () => now,
    wait: async (ms: number, signal: AbortSignal) => {
      // another signal ends the wait for a broadcast that hangs: this one does not
      if (signal === stopping.signal) now += ms;
      else await new Promise(() => {});
    },
  };
  const records = recordsOf(arrivals.length).map((record) => ({ ...record, ...(data && { data }) }));
  const metrics = {
    batch: (batch: { records: number }) => {
      batches.push([now - begin, batch.records]);
      if (batches.reduce((sum, [, count]) => sum + count, 0) === stopBehind) stopping.abort();
    },
  };
  const broadcast = memoryBroadcast({ retainMs: 1_000, retainMax: 10, clock: effects.clock, epoch: "e" });
  const stores = {
    insights: memoryInsights(),
    control: memoryControl(),
    lake: memoryLake(),
    deadLetters: memoryDeadLetters(),
  };
  const path = livePath({ source: parcels, products: [allParcels], broadcast, metrics, ...stores }, effects);
  let read = 0;
  const events: EventStream = {
    shards: async () => [{ id: "s", parents: [], closed: false }],
    iterator: async () => "from here",
    fetch: async (_, limit) => {
      const due = records
        .slice(read, read + limit!)
        .filter((_record, i) => begin + arrivals[read + i]! <= now);
      read += due.length;
      return { records: due, next: "from here", millisBehindLatest: 0 };
    },
    put: async () => [],
  };
  await consumeShard({ path, events, window: { ...open, ...limits } }, "s");
  return batches;
}

it("by its age, from the end of the one before on, though nothing more arrives", async () => {
  expect(await batchesOf([0, 100], {})).toEqual([[60_000, 2]]);
  expect(await batchesOf([30_000, 30_100, 95_000], {})).toEqual([
    [60_000, 2],
    [120_000, 1],
  ]);
});

it("at once after a quiet while, with all that has come by then", async () => {
  expect(await batchesOf([200_000, 200_000, 200_000, 210_000], {})).toEqual([
    [200_000, 3],
    [260_000, 1],
  ]);
});

it("by its age to the millisecond, although shards are polled less often", async () => {
  expect(await batchesOf([0], { ageMs: 250 })).toEqual([[250, 1]]);
});

it("by the number of its records, and never with more", async () => {
  expect(await batchesOf([0, 0, 0, 0, 0], { records: 2 })).toEqual([
    [0, 2],
    [200, 2],
    [60_200, 1],
  ]);
});

it("by the bytes of its records, with the one that fills it", async () => {
  const [size] = recordsOf(1).map(({ data }) => data.length);
  expect(await batchesOf([0, 1_000, 2_000, 3_000], { bytes: size! + 1 })).toEqual([
    [1_000, 2],
    [3_000, 2],
  ]);
});

it("by its bytes within what one fetch brought", async () => {
  const [size] = recordsOf(1).map(({ data }) => data.length);
  expect(await batchesOf([0, 0, 0, 0, 0], { bytes: size! + 1 })).toEqual([
    [0, 2],
    [0, 2],
    [60_000, 1],
  ]);
});

it("by what its records unpack to: gzip takes a fifth of the stream and all of the memory", async () => {
  const plain = recordsOf(1)[0]!.data;
  const packed = encodePacked(
    Array.from({ length: 100 }, () => plain),
    { gzip: true },
  );
  expect(packed.length).toBeLessThan(10 * plain.length);
  const limits = { bytes: 150 * plain.length };
  expect(await batchesOf([0, 0, 0, 0], limits, 4, packed)).toEqual([
    [0, 2],
    [0, 2],
  ]);
});

it("not behind a stop: what is read beyond it is left to the next start", async () => {
  expect(await batchesOf([0, 0, 0, 0], { bytes: 1 }, 2)).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

it("has no say in a shard that an earlier life has read to its end, nor has a broadcast that never answers", async () => {
  const control = memoryControl();
  const effects = {
    ...quietEffects(seeded(1), new AbortController().signal),
    wait: () => new Promise<never>(() => {}),
  };
  const published: Broadcasted[] = [];
  const publish = (message: Broadcasted): Promise<never> => {
    published.push(message);
    return new Promise(() => {});
  };
  const unanswered = { publish } as unknown as Broadcast;
  const stores = {
    insights: memoryInsights(),
    control,
    lake: memoryLake(),
    deadLetters: memoryDeadLetters(),
  };
  const path = livePath(
    { source: parcels, products: [allParcels], broadcast: unanswered, ...stores },
    effects,
  );
  const ended: Checkpoint = {
    sequence: "09",
    arrival: 0,
    newest: null,
    shapes: [shapeId(allParcels)],
    ended: true,
  };
  await control.put(checkpointKey(parcels.stream!, "s"), ended, null);
  const unread = { fetch: () => Promise.reject(new Error("It is not read.")) } as unknown as EventStream;
  expect(await consumeShard({ path, events: unread, window: open }, "s")).toBe(true);
  expect(published).toMatchObject([{ kind: "live", shard: "s", after: "09", through: "09", events: [] }]);
});
