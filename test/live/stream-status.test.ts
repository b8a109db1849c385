/** What `sluice stream` shows of itself on a terminal, and says at the end. */
import { expect, it } from "vitest";
import { streamStatus, summaryLine } from "../../bin/stream-status.ts";
import type { BatchMeasures } from "../../etl/live/metrics.ts";
import type { EventStream, Shard } from "../../src/backends/event-stream.ts";

const batch: BatchMeasures = {
  source: "Parcel",
  stream: "parcels",
  shard: "a",
  records: 10,
  bytes: 1_000,
  in: 1_500,
  applied: 1_490,
  dead: 10,
  items: 3,
  writeUnits: 3,
  conflicts: 0,
  ms: 20,
  iteratorAgeMs: 1_240,
};

const shard = (id: string, closed: boolean): Shard => ({ id, closed, parents: [] });
const never = (): Promise<never> => Promise.reject(new Error("not asked for"));

it("a line tells the pace and the age since the last one, and totals", async () => {
  let now = 0;
  const status = streamStatus(() => now);
  const events: EventStream = { shards: never, iterator: never, fetch: never, put: never };
  const shards = async () => [shard("a", false), shard("b", false), shard("c", true)];
  await status.watching("Parcel", { ...events, shards }).shards();
  await status.watching("Letter", { ...events, shards }).shards();
  status.batch(batch);
  status.batch({ ...batch, shard: "b", iteratorAgeMs: 300 });
  now = 2_000;
  expect(status.line()).toBe("1,500 events/s, 1.2 s behind, 4 shards, 3,000 events, 20 dead letters");
  now = 3_000;
  expect(status.line()).toBe("0 events/s, 4 shards, 3,000 events, 20 dead letters");
  status.batch(batch);
  now = 4_000;
  expect(status.line()).toBe("1,500 events/s, 1.2 s behind, 4 shards, 4,500 events, 30 dead letters");
  expect(status.summary()).toEqual({ batches: 3, in: 4_500, applied: 4_470, dead: 30, durationMs: 4_000 });
  expect(summaryLine(status.summary())).toBe(
    "4,500 events in 3 micro-batches: 4,470 applied, 30 dead letters, 4.0 s.",
  );
});
