/** The micro-batches behind a mapping: time that runs out in the midst of a batch, and what was not delivered. */
import { gzipSync } from "node:zlib";
import type { KinesisStreamEvent } from "aws-lambda";
import { describe, expect, it, vi } from "vitest";
import type { EventStream, Shard } from "../../src/backends/event-stream.ts";
import { type LiveStart, liveStartKey } from "../../src/model/control.ts";
import {
  checkpointOf,
  coreHandler,
  hostHandler,
  kinesisRecord,
  openShard,
  recordsOfEvents,
  streamOf,
  streamRecord,
} from "./lambda-host.ts";
import { eventOf } from "./mapping-simulation.ts";
import type { Event } from "../../src/model/values.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import { depotParcels, parcels, randomParcel, seeded } from "./parcels.ts";
import { archivedCosts, countedTotals, type MemoryStores, memoryStores, storedTotals } from "./recount.ts";

const plenty = { getRemainingTimeInMillis: () => 60_000 };

describe("an invocation that runs out of time", () => {
  const random = seeded(5);
  const now = Date.now();
  const events = Array.from({ length: 40 }, (_, cost) => ({ ...randomParcel(random, cost), scanned: now }));
  const records = recordsOfEvents(events, now - 1);
  const stream = streamOf([openShard("s")], () => records.map(streamRecord));
  const done = { batchItemFailures: [] };
  const first = { batchItemFailures: [{ itemIdentifier: records[0]!.SequenceNumber! }] };

  it("has the whole batch repeated, wherever it was; repeated, cut otherwise, it is counted once", async () => {
    const calls = await callsOfBatch(stream, eventOf("parcels", "s", records));
    expect(calls).toBeGreaterThan(40);
    for (let stopAt = 1; stopAt <= calls; stopAt++) {
      const stores = memoryStores();
      const stopping = new AbortController();
      const broken = failingFrom(stores, stopAt, () => stopping.abort());
      const handle = coreHandler(broken.stores, stream);
      expect(await handle(eventOf("parcels", "s", records), stopping.signal)).toEqual(first);
      broken.heal();
      // the same container goes on, with fewer records and then with the rest
      const time = new AbortController().signal;
      expect(await handle(eventOf("parcels", "s", records.slice(0, 15)), time)).toEqual(done);
      expect(await handle(eventOf("parcels", "s", records.slice(15)), time)).toEqual(done);
      expect(storedTotals(stores)).toEqual(countedTotals(events));
      expect(await archivedCosts(stores)).toEqual(events.map((_, cost) => cost));
    }
  });

  it("answers before the time that Lambda gives it is over", async () => {
    const stores = memoryStores();
    const broken = failingFrom(stores, 20, () => {});
    const handle = hostHandler(broken.stores, stream);
    const soon = { getRemainingTimeInMillis: () => 40 };
    expect(await handle(eventOf("parcels", "s", records), soon)).toEqual(first);
    expect(await checkpointOf(stores, "s")).toMatchObject({ sequence: null });
    broken.heal();
    expect(await handle(eventOf("parcels", "s", records), plenty)).toEqual({ batchItemFailures: [] });
    expect(storedTotals(stores)).toEqual(countedTotals(events));
  });

  it("decides nothing on the way: who was stopped while it looked for the oldest record has not seen it", async () => {
    const stores = memoryStores();
    const handle = coreHandler(stores, stream);
    expect(await handle(eventOf("parcels", "s", records), AbortSignal.abort())).toEqual(first);
    expect(await stores.control.get(liveStartKey(depotParcels))).toBeNull();
    expect(await handle(eventOf("parcels", "s", records), new AbortController().signal)).toEqual(done);
    const start = await stores.control.get<LiveStart>(liveStartKey(depotParcels));
    expect(start!.value.from).toBe(now - 1);
  });

  it("leaves no timer behind", async () => {
    vi.useFakeTimers();
    try {
      await hostHandler(memoryStores(), stream)(eventOf("parcels", "s", records), plenty);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is not what an error of the code looks like: that rejects, and the next invocation begins anew", async () => {
    const stores = memoryStores();
    let broken = true;
    const clock = () => {
      if (broken) throw new TypeError("a bug");
      return now;
    };
    const handle = coreHandler(stores, stream, clock);
    const time = new AbortController().signal;
    await expect(handle(eventOf("parcels", "s", records), time)).rejects.toThrow("a bug");
    broken = false;
    expect(await handle(eventOf("parcels", "s", records), time)).toEqual({ batchItemFailures: [] });
    expect(storedTotals(stores)).toEqual(countedTotals(events));
  });
});

it("a batch that unpacks to more than a window holds is run in several, in order", async () => {
  const now = Date.now();
  const random = seeded(8);
  const events = Array.from({ length: 5 }, (_, cost) => ({ ...randomParcel(random, cost), scanned: now }));
  const roomy = (event: Event) => Buffer.concat([encodeEvent(parcels, event), Buffer.alloc(9 << 20, " ")]);
  const records = events.map((event, i) => kinesisRecord(i, gzipSync(roomy(event)), now));
  const stores = memoryStores();
  const windows: number[] = [];
  const metrics = { batch: (batch: { in: number }) => windows.push(batch.in) };
  const handle = coreHandler(
    { ...stores, metrics },
    streamOf([openShard("s")], () => records.map(streamRecord)),
  );
  await handle(eventOf("parcels", "s", records.slice(2)), new AbortController().signal);
  // the mapping has left out the first two, which are looked for one by one
  expect(windows).toEqual([1, 1, 2, 1]);
  expect(storedTotals(stores)).toEqual(countedTotals(events));
  expect(await archivedCosts(stores)).toEqual(events.map((_, cost) => cost));
});

describe("what a mapping has not delivered", () => {
  const random = seeded(6);
  const now = Date.now();
  const events = Array.from({ length: 60 }, (_, cost) => ({ ...randomParcel(random, cost), scanned: now }));
  const records = recordsOfEvents(events, now);
  const time = new AbortController().signal;

  it("is read from the stream when the next batch of the shard comes", async () => {
    const stores = memoryStores();
    const handle = coreHandler(
      stores,
      streamOf([openShard("s")], () => records.map(streamRecord)),
    );
    // created at LATEST, and later it gives up on a batch
    await handle(eventOf("parcels", "s", records.slice(20, 30)), time);
    expect(storedTotals(stores)).toEqual(countedTotals(events.slice(0, 30)));
    await handle(eventOf("parcels", "s", records.slice(45)), time);
    expect(storedTotals(stores)).toEqual(countedTotals(events));
    expect(await archivedCosts(stores)).toEqual(events.map((_, cost) => cost));
  });

  it("of parents and their parents is read before their child's first batch, and they have ended then", async () => {
    const stores = memoryStores();
    const closed = (id: string, ...parents: string[]): Shard => ({
      ...openShard(id, ...parents),
      closed: true,
    });
    const shards = [
      closed("a"),
      closed("b"),
      closed("c", "a"),
      openShard("d", "c", "b"),
      openShard("e", "a"),
    ];
    const parts = { a: [0, 10], b: [10, 20], c: [20, 30], d: [30, 60], e: [60, 60] } as Record<
      string,
      number[]
    >;
    const stream = streamOf(shards, (shard) => records.slice(...parts[shard]!).map(streamRecord));
    const handle = coreHandler(stores, stream);
    await handle(eventOf("parcels", "b", records.slice(10, 15)), time);
    expect(await checkpointOf(stores, "e")).toMatchObject({ sequence: null });
    await handle(eventOf("parcels", "d", records.slice(50)), time);
    expect(storedTotals(stores)).toEqual(countedTotals(events));
    const ended = await Promise.all(
      shards.map(async ({ id }) => (await checkpointOf(stores, id))!.ended ?? false),
    );
    expect(ended).toEqual([true, true, true, false, false]);
    // an idle child is as far on as its parent
    expect((await checkpointOf(stores, "e"))!.arrival).toBe((await checkpointOf(stores, "a"))!.arrival);
  });
});

/** Stores that count calls; those from the `broken`th on fail until they are healed. */
function failingFrom(stores: MemoryStores, broken: number, failed: () => void) {
  let calls = 0;
  let healed = false;
  const failing = <T extends object>(store: T): T =>
    new Proxy(store, {
      get: (target, property, receiver) => {
        const member: unknown = Reflect.get(target, property, receiver);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          if (++calls >= broken && !healed) {
            failed();
            throw new Error("throttled");
          }
          return Reflect.apply(member, target, args) as unknown;
        };
      },
    });
  const { insights, control, lake, deadLetters } = stores;
  return {
    stores: {
      insights: failing(insights),
      control: failing(control),
      lake: failing(lake),
      deadLetters: failing(deadLetters),
    },
    heal: () => (healed = true),
    calls: () => calls,
  };
}

/** How many calls one batch makes. */
async function callsOfBatch(stream: EventStream, event: KinesisStreamEvent): Promise<number> {
  const counted = failingFrom(memoryStores(), Infinity, () => {});
  await coreHandler(counted.stores, stream)(event, new AbortController().signal);
  return counted.calls();
}
