/** Since when a shape sees every event, whatever was deployed in between and wherever a consumer dies. */
import { describe, expect, it } from "vitest";
import { advance, endCheckpoint, openCheckpoints, readPosition } from "../../etl/live/checkpoint.ts";
import { ensureLiveStarts, enterShard, type LiveStartOptions } from "../../etl/live/live-start.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import {
  type Checkpoint,
  checkpointKey,
  type LiveStart,
  liveStartKey,
  shapeId,
} from "../../src/model/control.ts";
import { columns } from "../../src/model/columns.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { memoryControl, newLife, quietEffects } from "./memory-stores.ts";
import { depotParcels, Parcel, parcels, seeded } from "./parcels.ts";

const stream = parcels.stream!;
const x = depotParcels;
const y: Product = { ...depotParcels, shape: "y" };
const firstArrival = 1_000;
const events: EventStream = {
  shards: async () => [{ id: "a", parents: [], closed: false }],
  iterator: async () => "a",
  fetch: async () => ({
    records: [{ sequence: "01", arrival: firstArrival, data: new Uint8Array() }],
    next: "a",
    millisBehindLatest: 1,
  }),
  put: async () => [],
};

function world(control = memoryControl()) {
  const effects = quietEffects(seeded(1), new AbortController().signal);
  const consumer = (product: Product, overrides: Partial<LiveStartOptions> = {}): LiveStartOptions => ({
    stream,
    products: [product],
    control,
    effects,
    events,
    ...overrides,
  });
  /** What a micro-batch under the product's shape ends with. */
  const consume = async (product: Product, shard: string, sequence: string, arrival: number, newest = 0) =>
    advance(consumer(product), shard, null, { sequence, arrival, newest, shapes: [shapeId(product)] });
  const startOf = async (product: Product) =>
    (await control.get<LiveStart>(liveStartKey(product)))?.value.from ?? null;
  const checkpointOf = async (shard: string) =>
    (await control.get<Checkpoint>(checkpointKey(stream, shard)))?.value ?? null;
  return { control, consumer, consume, startOf, checkpointOf };
}

describe("the live start of a shape", () => {
  it("is the stream's beginning for the first one, and stays while it goes on", async () => {
    const { consumer, consume, startOf } = world();
    await ensureLiveStarts(consumer(x));
    await consume(x, "a", "05", 5_000);
    await ensureLiveStarts(consumer(x));
    expect(await startOf(x)).toBe(firstArrival);
  });

  it("moves behind what was consumed under another shape when it comes back", async () => {
    const { consumer, consume, startOf } = world();
    await ensureLiveStarts(consumer(x));
    await consume(x, "a", "05", 5_000);
    await consume(x, "b", "05", 5_500);
    await ensureLiveStarts(consumer(y));
    expect(await startOf(y)).toBe(5_500);
    await consume(y, "a", "06", 6_000);
    await ensureLiveStarts(consumer(x));
    expect(await startOf(x)).toBe(6_000);
    // shard b went on under neither, and names both: y has missed nothing until x is applied
    await ensureLiveStarts(consumer(y));
    expect(await startOf(y)).toBe(5_500);
  });

  it("is later than the newest event that it missed, also of one ahead of its arrival", async () => {
    const { consumer, consume, startOf } = world();
    await consume(y, "a", "06", 6_000, 80_000);
    await ensureLiveStarts(consumer(x));
    expect(await startOf(x)).toBe(80_001);
  });

  it("moves behind old checkpoints, which name no shapes, and not behind those of shards never read", async () => {
    const { control, consumer, startOf } = world();
    await openCheckpoints(consumer(y), [{ id: "a", parents: [], closed: false }]);
    await ensureLiveStarts(consumer(x));
    expect(await startOf(x)).toBe(firstArrival);
    await control.put(checkpointKey(stream, "a"), { sequence: "03", arrival: 3_000, newest: null }, "any");
    await ensureLiveStarts(consumer(x));
    expect(await startOf(x)).toBe(3_000);
  });

  it("moves again when a consumer of another shape has gone on before the shard is entered", async () => {
    const { consumer, consume, startOf } = world();
    await consume(y, "a", "06", 6_000);
    await ensureLiveStarts(consumer(x));
    await consume(y, "a", "07", 7_000);
    const position = await enterShard(consumer(x), "a");
    expect(position?.value.sequence).toBe("07");
    expect(position?.value.shapes).toContain(shapeId(x));
    expect(await startOf(x)).toBe(7_000);
  });

  it("has moved wherever a checkpoint names the shape, whatever dies in between", async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const { control, consumer, consume, startOf, checkpointOf } = world();
      const random = seeded(seed);
      await ensureLiveStarts(consumer(x));
      await consume(x, "a", "05", 5_000);
      await consume(y, "a", "06", 6_000);
      await consume(y, "b", "06", 6_500);
      for (let done = false; !done; ) {
        const life = newLife(random, { crash: 0.1, fail: 0.1 });
        const faulty = { control: life.faulty(control), effects: life.effects };
        done = await ensureLiveStarts(consumer(x, faulty)).then(
          () => true,
          () => false,
        );
        const seen = await Promise.all(["a", "b"].map(checkpointOf));
        const named = seen.some((each) => each?.shapes?.includes(shapeId(x)));
        expect([named, await startOf(x)]).not.toEqual([true, firstArrival]);
      }
      expect(await startOf(x)).toBe(6_500);
      expect((await checkpointOf("a"))!.shapes).toContain(shapeId(x));
    }
  });
});

describe("a shape", () => {
  it("is another one when a rollup goes live", () => {
    const declare = (target: new () => object, live: boolean): string => {
      Dimension()(target.prototype as object, "depot");
      Measure(columns(Parcel).count(), { description: "Parcels." })(target.prototype as object, "parcels");
      const rollups = [rollup(["depot"], { grains: ["DAY"], live })];
      DataProduct({ source: Parcel, owner: "test", freshness: "PT1H", description: "Parcels.", rollups })(
        target,
      );
      return declaredProducts().find(({ name }) => name === target.name)!.shape;
    };
    class StoredParcels {}
    class LiveParcels {}
    class MoreLiveParcels {}
    const live = declare(LiveParcels, true);
    expect(declare(StoredParcels, false)).not.toBe(live);
    expect(declare(MoreLiveParcels, true)).toBe(live);
  });
});

describe("the checkpoint of a shard that nothing was read of", () => {
  const shards = [
    { id: "child", parents: ["a", "b"], closed: false },
    { id: "a", parents: [], closed: true },
    { id: "b", parents: [], closed: true },
  ];

  it("is before all time, and for a child as far on as the parent that is furthest behind", async () => {
    const { consumer, consume, checkpointOf } = world();
    await openCheckpoints(consumer(x), shards);
    const opened = { sequence: null, arrival: Date.parse("0001-01-01T00:00:00Z"), newest: null };
    for (const { id } of shards) expect(await checkpointOf(id)).toMatchObject(opened);
    for (const [shard, arrival] of [["a", 5_000] as const, ["b", 4_000] as const]) {
      const position = await readPosition(consumer(x), shard);
      await advance(consumer(x), shard, position, { sequence: "05", arrival, newest: null });
    }
    await openCheckpoints(consumer(x), shards);
    expect(await checkpointOf("child")).toMatchObject({ sequence: null, arrival: 4_000 });
    await consume(x, "child", "07", 7_000);
    await openCheckpoints(consumer(x), shards);
    expect(await checkpointOf("child")).toMatchObject({ sequence: "07", arrival: 7_000 });
  });

  it("says that it has ended, and a zombie does not unsay it", async () => {
    const { consumer, consume, checkpointOf } = world();
    await consume(x, "a", "05", 5_000);
    await endCheckpoint(consumer(x), "a");
    await endCheckpoint(consumer(x), "a");
    await consume(x, "a", "04", 4_000);
    expect(await checkpointOf("a")).toMatchObject({ sequence: "05", arrival: 5_000, ended: true });
  });
});
