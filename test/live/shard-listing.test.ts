/** Consumers of one stream list its shards at different times. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { runConsumer } from "../../etl/live/consumer.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { EventStream, Shard } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey, liveStartKey } from "../../src/model/control.ts";
import { memoryControl, memoryDeadLetters, memoryInsights, memoryLake } from "./memory-stores.ts";
import { silent } from "./live-run.ts";
import { depotParcels, parcels, seeded } from "./parcels.ts";

const measuredRounds = 10_000; // more than a day of them

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function collected(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Resolves when it has been stopped. */
function consume(
  stream: EventStream,
  control: ControlStore,
  signal: AbortSignal,
  wait: () => Promise<void>,
): Promise<void> {
  return runConsumer({
    source: parcels,
    products: [depotParcels],
    stream,
    control,
    insights: memoryInsights(),
    lake: memoryLake(),
    deadLetters: memoryDeadLetters(),
    broadcast: memoryBroadcast({ retainMs: 1_000, retainMax: 10, clock: () => 0, epoch: "e" }),
    window: { ageMs: 1, records: 1, bytes: 1 },
    clock: () => 0,
    random: seeded(1),
    signal,
    log: silent,
    wait,
  });
}

it("a shard that another consumer opens while shards are listed is not taken for one that has left the stream", async () => {
  const control = memoryControl();
  await control.put(liveStartKey(depotParcels), { from: 0, sweptUntil: 0 }, null);
  const stopping = new AbortController();
  const child = checkpointKey(parcels.stream!, "child");
  const parent: Shard = { id: "parent", parents: [], closed: false };
  const stream: EventStream = {
    shards: async () => {
      // the answer was on its way when the shard was split, and another consumer was faster
      await control.put(child, { sequence: null, arrival: 0, newest: null } satisfies Checkpoint, null);
      return [parent];
    },
    iterator: async () => "at the end",
    fetch: async (iterator) => ({ records: [], next: iterator, millisBehindLatest: 0 }),
    put: () => Promise.reject(new Error("Nobody puts anything.")),
  };
  await consume(stream, control, stopping.signal, async () => stopping.abort());
  const opened = await control.get<Checkpoint>(child);
  expect(opened?.value.ended).toBeUndefined();
});

it("months of listing shards leave nothing behind in memory", async () => {
  const stopping = new AbortController();
  const control = memoryControl();
  await control.put(liveStartKey(depotParcels), { from: 0, sweptUntil: 0 }, null);
  const shards = Array.from({ length: 20 }, (_, i): Shard => ({ id: `s${i}`, parents: [], closed: false }));
  const stopped = new Promise<never>((_, reject) => {
    stopping.signal.addEventListener("abort", () => reject(new Error("Stopped.")));
  });
  stopped.catch(() => {});
  let rounds = 0;
  const heap: number[] = [];
  const stream: EventStream = {
    shards: async () => shards,
    iterator: () => stopped,
    fetch: () => stopped,
    put: () => Promise.reject(new Error("Nobody puts anything.")),
  };
  await consume(stream, control, stopping.signal, async () => {
    // signals of many rounds are let go of between the turns of the event loop
    await nextTurn();
    if (++rounds % measuredRounds === 0) heap.push(collected());
    if (heap.length === 2) stopping.abort();
  });
  // a promise that were waited for once more in every round would keep 100 bytes of each, for each of the shards
  expect(heap[1]! - heap[0]!).toBeLessThan(measuredRounds * 500);
});
