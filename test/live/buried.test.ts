/** A deployment mends the declaration while a window is under way: every event counts once, also one that is re-sent. */
import { expect, it } from "vitest";
import { runBatch } from "../../etl/live/batch.ts";
import { readPosition } from "../../etl/live/checkpoint.ts";
import { livePath } from "../../etl/live/path.ts";
import { rebuildLive } from "../../etl/live/rebuild.ts";
import { resendLetters } from "../../etl/live/resend.ts";
import { encodeEvent, encodePacked } from "../../etl/live/wire.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { liveStartKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { dayMs } from "../../src/model/time.ts";
import { memoryStream } from "./letter-worlds.ts";
import { memoryArchiveReader } from "./memory-archive.ts";
import { quietEffects } from "./memory-stores.ts";
import { dayStart, depotParcels, parcels, randomParcel, seeded } from "./parcels.ts";
import { countedTotals, memoryStores, type MemoryStores, storedTotals } from "./recount.ts";

const now = dayStart + 2 * dayMs;
const never = new AbortController().signal;
const broadcast = memoryBroadcast({ retainMs: 1e9, retainMax: 10, clock: () => now, epoch: "e" });

/** As it was declared by mistake: without a cost there is no parcel. */
const strict: Product = {
  ...depotParcels,
  source: {
    ...parcels,
    ownColumns: parcels.ownColumns.map((column) =>
      column.property === "cost" ? { ...column, nullable: false } : column,
    ),
  },
};

const random = seeded(11);
const events = Array.from({ length: 40 }, (_, i) => ({
  ...randomParcel(random),
  cost: i % 4 === 0 ? null : i,
}));
const costly = events.filter(({ cost }) => cost !== null);

function newWorld() {
  const stores = memoryStores();
  const stream = memoryStream(() => now);
  const effects = { ...quietEffects(seeded(1), never), clock: () => now };
  return { stores, stream, effects };
}

type World = ReturnType<typeof newWorld>;

async function produce({ stream }: World): Promise<void> {
  const data = encodePacked(events.map((event) => encodeEvent(parcels, event)));
  await stream.put([{ partitionKey: "p", shard: "shard-1", data }]);
}

/** All that a shard holds behind its checkpoint, in one window. */
async function consume({ stores, stream, effects }: World, product: Product, shard = "shard-1") {
  const path = livePath({ source: product.source, products: [product], broadcast, ...stores }, effects);
  const position = await readPosition(path, shard);
  const after = position?.value.sequence ?? null;
  const left = stream.records.get(shard)!.filter(({ sequence }) => sequence > (after ?? ""));
  return left.length === 0 ? null : runBatch(path, shard, position, after, left);
}

/** A window whose letters are written and nothing else. */
async function crashBehindLetters(world: World, product: Product): Promise<void> {
  const dying = new AbortController();
  const insights: MemoryStores["insights"] = {
    ...world.stores.insights,
    writeLive: async () => {
      dying.abort();
      throw new Error("crash");
    },
  };
  const effects = { ...world.effects, signal: dying.signal };
  await expect(
    consume({ ...world, stores: { ...world.stores, insights }, effects }, product),
  ).rejects.toThrow("crash");
}

it("what was buried under the declaration of before stays dead, and counts once when it is re-sent", async () => {
  const world = newWorld();
  await produce(world);
  await crashBehindLetters(world, strict);
  expect(await consume(world, depotParcels)).toMatchObject({ in: 40, applied: 30, dead: 10 });
  expect(storedTotals(world.stores)).toEqual(countedTotals(costly));

  const letters = { source: parcels, stream: parcels.stream!, ...world.stores, effects: world.effects };
  const { resent } = await resendLetters({ ...letters, events: world.stream, admitFrom: 0 });
  expect(resent).toBe(10);
  for (const shard of world.stream.records.keys()) await consume(world, depotParcels, shard);
  expect(storedTotals(world.stores)).toEqual(countedTotals(events));
});

it("a rebuild ahead of the consumer does not count it either", async () => {
  const world = newWorld();
  await produce(world);
  await crashBehindLetters(world, strict);
  await world.stores.control.put(liveStartKey(depotParcels), { from: 0, sweptUntil: 0 }, null);
  await rebuildLive({
    product: depotParcels,
    products: [depotParcels],
    from: dayStart,
    dryRun: false,
    ...world.stores,
    archive: memoryArchiveReader(world.stores.lake),
    events: world.stream,
    broadcast,
    effects: world.effects,
  });
  expect(storedTotals(world.stores)).toEqual(countedTotals(costly));
  await consume(world, depotParcels);
  expect(storedTotals(world.stores)).toEqual(countedTotals(costly));
});
