/** What the micro-batches measure of themselves, and how Prometheus reads it. */
import { describe, expect, it } from "vitest";
import { prometheusMetrics } from "../../bin/live-metrics.prometheus.ts";
import { runBatch } from "../../etl/live/batch.ts";
import type { BatchMeasures, LiveMetrics } from "../../etl/live/metrics.ts";
import { livePath } from "../../etl/live/path.ts";
import { encodeBarrier, encodeEvent } from "../../etl/live/wire.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import {
  memoryControl,
  memoryDeadLetters,
  memoryInsights,
  memoryLake,
  newLife,
  quietEffects,
} from "./memory-stores.ts";
import { allParcels, depotParcels, parcels, randomParcel, seeded } from "./parcels.ts";

const arrival = Date.parse("2024-03-01T00:00:00Z");
const sequence = (n: number): string => String(n).padStart(4, "0");

function pathOver(metrics: LiveMetrics, insights: InsightStore = memoryInsights()) {
  const effects = { ...quietEffects(seeded(1), new AbortController().signal), clock: () => arrival + 7_000 };
  const stores = { insights, control: memoryControl(), lake: memoryLake(), deadLetters: memoryDeadLetters() };
  const broadcast = memoryBroadcast({ retainMs: 1_000, retainMax: 10, clock: effects.clock, epoch: "e" });
  return livePath(
    { source: parcels, products: [depotParcels, allParcels], broadcast, metrics, ...stores },
    effects,
  );
}

const recordOf = (n: number, lines: readonly string[]) => ({
  sequence: sequence(n),
  arrival: arrival + n,
  data: Buffer.from(lines.join("\n")),
});

const random = seeded(5);
const line = (depot: string): string =>
  Buffer.from(
    encodeEvent(parcels, { ...randomParcel(random, 1), scanned: arrival, depot, damaged: true }),
  ).toString();

// 7 events of two depots, 2 poisoned lines, a barrier
const records = [
  recordOf(1, [line("A"), line("B"), '{"poison":']),
  recordOf(2, [line("A"), line("A"), line("A")]),
  recordOf(3, [Buffer.from(encodeBarrier({ id: "b" })).toString()]),
  recordOf(4, [line("B"), "[]", line("B")]),
];

describe("a micro-batch", () => {
  it("tells its size, what became of its events, what that cost and how far it is behind", async () => {
    const told: BatchMeasures[] = [];
    const path = pathOver({ batch: (measures) => told.push(measures) });
    await runBatch(path, "s", null, null, records);
    expect(told).toEqual([
      {
        source: "Parcel",
        stream: "parcels",
        shard: "s",
        records: 4,
        bytes: records.reduce((sum, { data }) => sum + data.length, 0),
        in: 9,
        applied: 7,
        dead: 2,
        items: 5, // two depots in two rollups, and the total
        writeUnits: 5,
        conflicts: 0,
        ms: 0,
        iteratorAgeMs: 7_000 - 4,
      },
    ]);
  });

  it("counts the writes that found another version, and what they cost", async () => {
    const told: BatchMeasures[] = [];
    const insights = memoryInsights();
    const metrics = { batch: (measures: BatchMeasures) => told.push(measures) };
    // one process has seen the items when another one writes them
    const [a, b] = [pathOver(metrics, insights), pathOver(metrics, insights)];
    await runBatch(a, "s", null, null, records.slice(0, 1));
    await runBatch(b, "t", null, null, records.slice(0, 1));
    await runBatch(a, "u", null, null, records.slice(0, 1));
    expect(told.map(({ items, writeUnits, conflicts }) => [items, writeUnits, conflicts])).toEqual([
      [5, 5, 0],
      [5, 5, 0],
      [5, 10, 5],
    ]);
  });

  it("is told once: not when it crashes, but when it is repeated", async () => {
    const told: BatchMeasures[] = [];
    const path = pathOver({ batch: (measures) => told.push(measures) });
    const life = newLife(() => 0, { crash: 1, fail: 0 });
    const crashing = { ...path, control: life.faulty(path.control), effects: life.effects };
    await expect(runBatch(crashing, "s", null, null, records)).rejects.toThrow("crash");
    expect(told).toEqual([]);
    await runBatch(path, "s", null, null, records);
    expect(told).toMatchObject([{ in: 9, applied: 7, dead: 2, items: 5, writeUnits: 0 }]);
  });
});

describe("what Prometheus reads", () => {
  it("counts in = applied + dead, by stream", async () => {
    const metrics = prometheusMetrics();
    const path = pathOver(metrics);
    const { position } = await runBatch(path, "s", null, null, records.slice(0, 2));
    await runBatch(path, "s", position, position!.value.sequence, records.slice(2));
    const lines = (await metrics.text()).split("\n").filter((each) => each.startsWith("sluice_live_"));
    const value = (name: string): number =>
      Number(
        lines
          .find((each) => each.startsWith(`${name} `))
          ?.split(" ")
          .at(-1),
      );
    expect(value(`sluice_live_events_total{stream="parcels",outcome="applied"}`)).toBe(7);
    expect(value(`sluice_live_events_total{stream="parcels",outcome="dead"}`)).toBe(2);
    expect(value(`sluice_live_batch_events_sum{stream="parcels"}`)).toBe(9);
    expect(value(`sluice_live_batch_events_count{stream="parcels"}`)).toBe(2);
    expect(value(`sluice_live_batch_events_bucket{le="1",stream="parcels"}`)).toBe(0);
    expect(value(`sluice_live_batch_events_bucket{le="10",stream="parcels"}`)).toBe(2);
    expect(value(`sluice_live_batch_duration_seconds_count{stream="parcels"}`)).toBe(2);
    expect(value(`sluice_live_records_total{stream="parcels"}`)).toBe(4);
    expect(value(`sluice_live_bytes_total{stream="parcels"}`)).toBe(
      records.reduce((sum, { data }) => sum + data.length, 0),
    );
    expect(value(`sluice_live_items_touched_total{stream="parcels"}`)).toBe(8);
    expect(value(`sluice_live_write_units_total{stream="parcels"}`)).toBe(8);
    expect(value(`sluice_live_write_conflicts_total{stream="parcels"}`)).toBe(0);
    expect(value(`sluice_live_iterator_age_seconds{stream="parcels",shard="s"}`)).toBe(6.996);
  });
});
