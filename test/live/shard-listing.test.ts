/** Consumers of one stream list its shards at different times. */
import { expect, it } from "vitest";
import { runConsumer } from "../../etl/live/consumer.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { EventStream, Shard } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey, liveStartKey } from "../../src/model/control.ts";
import { memoryControl, memoryDeadLetters, memoryInsights, memoryLake } from "./memory-stores.ts";
import { silent } from "./live-run.ts";
import { depotParcels, parcels, seeded } from "./parcels.ts";

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
  await runConsumer({
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
    signal: stopping.signal,
    log: silent,
    wait: async () => stopping.abort(),
  });
  const opened = await control.get<Checkpoint>(child);
  expect(opened?.value.ended).toBeUndefined();
});
