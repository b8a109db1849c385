/** What readers are told of the live items: since when they hold every event, and up to when none is still to come. */
import { beforeEach, describe, expect, it } from "vitest";
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import { LiveStatus } from "../../src/loaders/live-status.ts";
import { type Checkpoint, checkpointKey, liveStartKey, shapeId } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { memoryControl } from "../live/memory-stores.ts";
import { depotParcels, parcels } from "../live/parcels.ts";

const stream = parcels.stream!;
const x = depotParcels;
const y: Product = { ...depotParcels, shape: "y" };
let now: number;
let control: ReturnType<typeof memoryControl>;
let status: LiveStatus;

beforeEach(() => {
  now = 0;
  control = memoryControl();
  status = new LiveStatus({ control, clock: () => now, maxAgeMs: 1_000 });
});

const checkpoint = (shard: string, value: Partial<Checkpoint>) =>
  control.put(
    checkpointKey(stream, shard),
    { sequence: "05", arrival: 5_000, newest: 4_000, shapes: [shapeId(x)], ...value },
    "any",
  );
const start = (product: Product, from: number) => control.put(liveStartKey(product), { from }, "any");
const view = async () => {
  now += 1_000;
  return status.view(x);
};
const upTo = (arrival: number): number => arrival - stream.latenessMs - stream.skewMs;
const update: LiveUpdate = {
  kind: "live",
  source: "Parcel",
  stream: "parcels",
  shard: "a",
  after: null,
  through: "1",
  arrival: 9_000,
  newest: 8_000,
  items: [],
  events: [],
};

describe("a live status", () => {
  it("is null without a live start, and while nothing was read", async () => {
    await checkpoint("a", {});
    expect(await view()).toBeNull();
    await start(x, 1_000);
    await checkpoint("a", { sequence: null, newest: null });
    expect(await new LiveStatus({ control, clock: () => 0 }).view(x)).toBeNull();
    expect(await view()).toEqual({ live: { from: 1_000, sweptUntil: null, to: upTo(5_000) }, newest: 4_000 });
  });

  it("is read anew behind a gap of the broadcast, whatever its age", async () => {
    await start(x, 1_000);
    await checkpoint("a", {});
    await view();
    await checkpoint("a", { arrival: 7_000 });
    expect((await status.view(x))?.live.to).toBe(upTo(5_000));
    status.expire();
    expect((await status.view(x))?.live.to).toBe(upTo(7_000));
  });

  it("waits for an open shard that nothing was read of, and not for one that has ended", async () => {
    await start(x, 1_000);
    await checkpoint("a", { ended: true });
    await checkpoint("b", { arrival: 7_000, newest: 3_000 });
    await checkpoint("c", { sequence: null, arrival: 6_000, newest: null });
    expect(await view()).toEqual({ live: { from: 1_000, sweptUntil: null, to: upTo(6_000) }, newest: 4_000 });
    await checkpoint("c", { arrival: 8_000 });
    expect(await view()).toMatchObject({ live: { to: upTo(7_000) } });
    await checkpoint("b", { arrival: 7_000, ended: true });
    await checkpoint("c", { arrival: 8_000, ended: true });
    expect(await view()).toMatchObject({ live: { to: upTo(5_000) } });
  });

  it("knows until when live items were removed", async () => {
    await control.put(liveStartKey(x), { from: 1_000, sweptUntil: 3_000 }, "any");
    await checkpoint("a", {});
    expect(await view()).toMatchObject({ live: { from: 1_000, sweptUntil: 3_000 } });
  });

  it("follows a live start that moves, at most so long after", async () => {
    await start(x, 1_000);
    await checkpoint("a", {});
    expect(await view()).toMatchObject({ live: { from: 1_000 } });
    await start(x, 5_000);
    now += 999;
    expect(await status.view(x)).toMatchObject({ live: { from: 1_000 } });
    now += 1;
    expect(await status.view(x)).toMatchObject({ live: { from: 5_000 } });
  });

  it("counts what another shape has consumed as missed, before the consumer comes back and says so", async () => {
    await start(x, 1_000);
    await checkpoint("a", { shapes: [shapeId(y)], newest: 6_000 });
    await checkpoint("b", { shapes: [shapeId(x), shapeId(y)], arrival: 8_000 });
    expect(await view()).toMatchObject({ live: { from: 6_001 } });
    status.observe(update);
    expect(await status.view(x)).toMatchObject({ live: { from: 9_000 }, newest: 8_000 });
  });

  it("is kept ahead of its checkpoints by the broadcast, and asks again for a start that it could not read", async () => {
    await start(x, 1_000);
    await checkpoint("a", {});
    let down = true;
    const get: typeof control.get = (key) =>
      down ? Promise.reject(new Error("throttled")) : control.get(key);
    status = new LiveStatus({ control: { ...control, get }, clock: () => now, maxAgeMs: 1_000 });
    await expect(view()).rejects.toThrow("throttled");
    down = false;
    expect(await status.view(x)).toMatchObject({ live: { from: 1_000, to: upTo(5_000) } });
    status.observe(update);
    expect(await status.view(x)).toMatchObject({ live: { from: 1_000, to: upTo(9_000) }, newest: 8_000 });
    expect(await view()).toMatchObject({ live: { to: upTo(9_000) } });
  });
});
