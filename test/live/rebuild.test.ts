/** Live items computed anew while consumers of the stream live, die and go on. */
import { describe, expect, it } from "vitest";
import { runBatch } from "../../etl/live/batch.ts";
import { archivedShards } from "../../etl/live/archived.ts";
import { type LiveTarget, liveTargets } from "../../etl/live/fold.ts";
import { livePath } from "../../etl/live/path.ts";
import { Recompute } from "../../etl/live/recompute.ts";
import { type LiveStart, liveStartKey } from "../../src/model/control.ts";
import { unpackBuckets } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { hourMs } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { memoryArchiveReader } from "./memory-archive.ts";
import { quietEffects } from "./memory-stores.ts";
import { allParcels, dayStart, depotParcels, parcels, seeded } from "./parcels.ts";
import { RebuildWorld } from "./rebuild-world.ts";

const runs = 40;

const hour = (at: number): string => new Date(at).toISOString().slice(0, 13);
const day = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Events, cost, least cost, heaviest, heavy ones and costs known, by rollup, key and bucket. */
function truth(events: readonly Event[]): Map<string, (number | null)[]> {
  const found = new Map<string, (number | null)[]>();
  const add = (id: string, { cost, weight }: Event): void => {
    const [n, sum, least, heaviest, heavy, known] = found.get(id) ?? [0, 0, null, null, 0, 0];
    const [c, w] = [cost as number | null, Number(weight)];
    found.set(id, [
      n! + 1,
      sum! + (c ?? 0),
      c === null ? least! : Math.min(least ?? Infinity, c),
      Math.max(heaviest ?? -Infinity, w) + 0,
      heavy! + (w >= 10 ? 1 : 0),
      known! + (c === null ? 0 : 1),
    ]);
  };
  for (const event of events) {
    const at = Number(event["scanned"]);
    add(`depot ${JSON.stringify([event["depot"]])} ${hour(at)}`, event);
    add(`damaged+depot ${JSON.stringify([event["damaged"], event["depot"]])} ${day(at)}`, event);
  }
  return found;
}

function stored(world: RebuildWorld, { shape } = depotParcels): Map<string, (number | null)[]> {
  const found = new Map<string, (number | null)[]>();
  for (const { pk, sk, packed } of world.insights.items.values()) {
    const [product, itsShape, rollup, grain, period] = pk.split("#");
    if (product !== "DepotParcels" || itsShape !== shape) continue;
    for (const [bucket, state] of unpackBuckets(packed)) {
      const at =
        grain === "HOUR"
          ? `${period}T${String(bucket).padStart(2, "0")}`
          : `${period}-${String(bucket + 1).padStart(2, "0")}`;
      found.set(
        `${rollup} ${sk} ${at}`,
        state.map((value) => value! + 0),
      );
      if (state[2] === null) found.get(`${rollup} ${sk} ${at}`)![2] = null;
    }
  }
  return found;
}

/** As a deployment with a bug folds: every seventh event twice. */
function wrong(targets: readonly LiveTarget[]): readonly LiveTarget[] {
  let seen = 0;
  return targets.map((target) => ({
    ...target,
    fold: {
      ...target.fold,
      add: (...folded) => {
        target.fold.add(...folded);
        if (++seen % 7 === 0) target.fold.add(...folded);
      },
    },
  }));
}

const shards = ["s-1", "s-2"];
const settle = async (turns: number): Promise<void> => {
  for (let i = 0; i < turns; i++) await Promise.resolve();
};

describe("a rebuild beside consumers that die, and a stream that goes on", () => {
  it(`leaves every item exact, whatever was done to them, after ${runs} random histories`, async () => {
    let [changed, emptied, advanced] = [0, 0, 0];
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed);
      const world = new RebuildWorld(random);
      for (let i = 0; i < 30; i++) world.produce();
      const fold = seed % 2 === 0 ? wrong : undefined;
      await Promise.all(shards.map((shard) => world.consume(shard, () => true, fold)));
      let isOver = false;
      const later: Promise<void>[] = [];
      const producing = (async () => {
        for (let i = 0; i < 40; i++) {
          if (i === 10) {
            // a shard that neither the archive nor an item knows of when the rebuild begins
            world.records.set("s-3", []);
            later.push(world.consume("s-3", () => isOver));
          }
          world.produce();
          await settle(Math.floor(random() * 60));
        }
        isOver = true;
      })();
      const consuming = shards.map((shard) => world.consume(shard, () => isOver));
      for (let i = 0; i < 6; i++) {
        await settle(Math.floor(random() * 80));
        world.spoil();
      }
      const result = await world.rebuild(depotParcels, {}, { crash: 0.001, fail: 0.002 });
      [changed, emptied, advanced] = [
        changed + result.changed,
        emptied + result.emptied,
        advanced + result.advanced,
      ];
      await Promise.all([producing, ...consuming]);
      await Promise.all(later);
      expect(stored(world), `seed ${seed}`).toEqual(truth(world.produced));
      expect(await world.rebuild(depotParcels, { dryRun: true }), `seed ${seed}`).toMatchObject({
        changed: 0,
        emptied: 0,
        advanced: 0,
      });
    }
    // the histories are hard enough to say something
    expect(Math.min(changed, emptied, advanced)).toBeGreaterThan(20);
  });
});

describe("a rebuild", () => {
  async function quietWorld(seed: number): Promise<RebuildWorld> {
    const world = new RebuildWorld(seeded(seed));
    for (let i = 0; i < 40; i++) world.produce();
    await Promise.all(shards.map((shard) => world.consume(shard, () => true)));
    return world;
  }

  it("holds what a consumer has applied and not archived yet, when its items are lost in between", async () => {
    const world = new RebuildWorld(seeded(9));
    for (let i = 0; i < 40; i++) world.produce();
    const { lake, insights, control, letters: deadLetters, broadcast } = world;
    let isLost = false;
    const losing: typeof lake = {
      ...lake,
      write: async (key, bytes) => {
        if (!isLost) {
          isLost = true;
          insights.items.clear();
          await world.rebuild(depotParcels);
        }
        await lake.write(key, bytes);
      },
    };
    const stores = { insights, control, deadLetters, broadcast, lake: losing };
    const effects = quietEffects(seeded(9), new AbortController().signal);
    const path = livePath({ source: parcels, products: [depotParcels], ...stores }, effects);
    for (const shard of shards) await runBatch(path, shard, null, null, world.records.get(shard)!);
    expect(isLost).toBe(true);
    expect(stored(world)).toEqual(truth(world.produced));
  });

  it("writes no item that is right", async () => {
    const world = await quietWorld(1);
    const before = new Map(world.insights.items);
    const result = await world.rebuild(depotParcels);
    expect(result).toMatchObject({ changed: 0, emptied: 0, advanced: 0, shards: 2 });
    expect(world.insights.items).toEqual(before);
  });

  it("tells on a dry run what differs, and writes nothing", async () => {
    const world = await quietWorld(2);
    const [id] = [...world.insights.items].find(([, { pk }]) => pk.startsWith("DepotParcels#"))!;
    world.insights.items.delete(id);
    const before = new Map(world.insights.items);
    expect(await world.rebuild(depotParcels, { dryRun: true })).toMatchObject({ changed: 1, emptied: 0 });
    expect(world.insights.items).toEqual(before);
  });

  it("tells gateways to read again, and writes under a version above the old one", async () => {
    const world = await quietWorld(3);
    const [id, item] = [...world.insights.items].find(([, { pk }]) => pk.startsWith("DepotParcels#"))!;
    world.insights.items.set(id, { ...item, packed: "[[],[],[],[],[],[],[]]" });
    world.gaps = 0;
    await world.rebuild(depotParcels);
    const now = world.insights.items.get(id)!;
    expect(now.packed).toBe(item.packed);
    expect(now.version).toBeGreaterThan(item.version);
    expect(world.gaps).toBe(1);
  });

  it("repairs an item that cannot even be read, however early the time that is asked for", async () => {
    const world = await quietWorld(10);
    const [id, item] = [...world.insights.items].find(([, { pk }]) => pk.startsWith("DepotParcels#"))!;
    world.insights.items.set(id, { ...item, packed: "[[1" });
    const from = Date.parse("0001-01-01T00:00:00Z");
    expect(await world.rebuild(depotParcels, { from })).toMatchObject({ changed: 1, emptied: 0 });
    expect(stored(world)).toEqual(truth(world.produced));
  });

  it("counts events with what their source looks up, be they archived or not", async () => {
    const world = await quietWorld(15);
    const [known] = await archivedShards({
      control: world.control,
      lake: world.lake,
      source: parcels,
      stream: parcels.stream!,
      effects: quietEffects(() => 0, new AbortController().signal),
    });
    const targets = liveTargets([depotParcels]).map((target) => ({ ...target, from: dayStart }));
    const recompute = new Recompute({
      source: parcels,
      stream: parcels.stream!,
      deadLetters: world.letters,
      targets,
      archive: memoryArchiveReader(world.lake),
      events: world.stream,
      enricher: {
        enrich: async (events) =>
          events.map((each) => ({ ...each, event: { ...each.event, depot: "looked up" } })),
      },
      effects: quietEffects(() => 0, new AbortController().signal),
    });
    // what is of the other shard is read from the stream
    await recompute.addArchived([known!], () => {});
    await recompute.addStream(() => {});
    const keys = new Set(
      [...recompute.items.values()].map(({ key }) => (JSON.parse(key.sk) as unknown[]).at(-1)),
    );
    expect(keys).toEqual(new Set(["looked up"]));
    expect(recompute.events).toBe(world.produced.length);
  });

  it("repairs also while the broadcast is down", async () => {
    const world = await quietWorld(16);
    world.insights.items.clear();
    const broadcast = { ...world.broadcast, publish: () => Promise.reject(new Error("down")) };
    await world.rebuild(depotParcels, { broadcast });
    expect(stored(world)).toEqual(truth(world.produced));
  });

  it("leaves the items of earlier periods and of other products as they are", async () => {
    const world = await quietWorld(4);
    for (const [id, item] of world.insights.items)
      world.insights.items.set(id, { ...item, packed: item.packed.replaceAll("1", "2") });
    const before = new Map(world.insights.items);
    await world.rebuild(depotParcels, { from: Date.parse("2024-02-29T05:00:00Z") });
    const touched = [...world.insights.items].filter(([id, item]) => item !== before.get(id));
    const untouched = /^AllParcels#|#HOUR#2024-02-28$/;
    expect(touched.filter(([, { pk }]) => untouched.test(pk))).toEqual([]);
    const isLater = ([id]: readonly [string, unknown]): boolean => !/2024-02-28T/.test(id);
    expect(new Map([...stored(world)].filter(isLater))).toEqual(
      new Map([...truth(world.produced)].filter(isLater)),
    );
    expect([...before.values()].filter(({ pk }) => untouched.test(pk)).length).toBeGreaterThan(5);
  });

  it("finishes copies that a consumer has left, also where nothing else is to be done", async () => {
    const world = await quietWorld(5);
    const [file, bytes] = [...world.lake.objects].find(([key]) => key.endsWith("/s-1-0.parquet"))!;
    const key = { pk: "archive#parcels", sk: "s-1" };
    const record = (await world.control.get<object>(key))!;
    await world.control.put(
      key,
      { ...record.value, copying: [{ from: "staged/x", to: file }] },
      record.revision,
    );
    world.lake.objects.delete(file);
    world.lake.objects.set("staged/x", bytes);
    expect(await world.rebuild(depotParcels, { dryRun: true })).toMatchObject({ changed: 0, emptied: 0 });
  });

  it("reads no file that is not committed", async () => {
    const world = await quietWorld(6);
    const [file, bytes] = [...world.lake.objects].find(([key]) => key.endsWith("/s-1-0.parquet"))!;
    world.lake.objects.set(file.replace("s-1-0", "s-1-999"), bytes);
    world.lake.objects.set(file.replace("s-1-0", "admitted-0"), bytes);
    expect(await world.rebuild(depotParcels, { dryRun: true })).toMatchObject({ changed: 0, emptied: 0 });
  });

  it("refuses a time for which files are gone from the archive, and says from when they are all there", async () => {
    const world = await quietWorld(7);
    const [file] = [...world.lake.objects].find(([key]) => key.endsWith("/s-1-0.parquet"))!;
    world.lake.objects.delete(file);
    await expect(world.rebuild(depotParcels)).rejects.toThrow(
      /Files of 1 shards of source "Parcel" are gone .* From 2024-0[45]-01T00:00:00.000Z on everything is there/,
    );
    const later = Date.parse("2024-05-01T00:00:00Z");
    const quiet = quietEffects(() => 0, new AbortController().signal);
    const effects = { ...quiet, clock: () => Date.parse("2024-06-01T00:00:00Z") };
    expect(await world.rebuild(depotParcels, { from: later, effects })).toMatchObject({ items: 0, files: 0 });
  });

  it("refuses a time to come, and a product without live rollups", async () => {
    const world = await quietWorld(8);
    const from = Date.parse("2024-03-02T00:00:00Z");
    await expect(world.rebuild(depotParcels, { from })).rejects.toThrow(
      "from a time in the past. Got 2024-03-02T00",
    );
    const still = { ...allParcels, rollups: allParcels.rollups.map((each) => ({ ...each, live: false })) };
    await expect(world.rebuild(still)).rejects.toThrow('"AllParcels" has no live rollups');
  });
});

describe("the live start of a shape that came later", () => {
  const reshaped = { ...depotParcels, shape: "reshaped" };
  const start = dayStart + hourMs;

  /** Every quarter of an hour an event, consumed under one shape or the other. */
  async function consumed(world: RebuildWorld, product: Product, from: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) world.produceAt(from + i * 900_000);
    world.products = [product];
    await Promise.all(shards.map((shard) => world.consume(shard, () => true)));
  }

  async function deployed(seed: number): Promise<RebuildWorld> {
    const world = new RebuildWorld(seeded(seed));
    await consumed(world, depotParcels, start, 40);
    await consumed(world, reshaped, start + 12 * hourMs, 40);
    expect(await liveStart(world)).toBeGreaterThan(start + 9 * hourMs);
    return world;
  }

  const liveStart = async (world: RebuildWorld): Promise<number> =>
    (await world.control.get<LiveStart>(liveStartKey(reshaped)))!.value.from;

  it("moves back to where the first shape began, once the items hold what came before theirs", async () => {
    const world = await deployed(11);
    expect(stored(world, reshaped)).not.toEqual(truth(world.produced));
    expect(await world.rebuild(reshaped, { dryRun: true })).toMatchObject({ completeFrom: null });
    expect(await liveStart(world)).toBeGreaterThan(start);
    expect(await world.rebuild(reshaped)).toMatchObject({ completeFrom: start });
    expect(await liveStart(world)).toBe(start);
    expect(stored(world, reshaped)).toEqual(truth(world.produced));
    expect(await world.rebuild(reshaped)).toMatchObject({ completeFrom: null, changed: 0 });
  });

  it("moves back no further than everything was counted anew", async () => {
    const world = new RebuildWorld(seeded(12));
    await consumed(world, depotParcels, start, 120);
    await consumed(world, reshaped, start + 31 * hourMs, 20);
    const before = await liveStart(world);
    expect(before).toBeGreaterThan(Date.parse("2024-02-29T06:00:00Z"));
    const from = Date.parse("2024-02-29T03:00:00Z");
    // the day of the hours is counted anew whole
    const midnight = Date.parse("2024-02-29T00:00:00Z");
    expect(await world.rebuild(reshaped, { from })).toMatchObject({ completeFrom: midnight });
    expect(await liveStart(world)).toBe(midnight);
  });

  it("stays while a consumer of another shape goes on, and moves on when it has", async () => {
    const world = await deployed(13);
    const before = await liveStart(world);
    await consumed(world, depotParcels, start + 30 * hourMs, 10);
    expect(await world.rebuild(reshaped)).toMatchObject({ completeFrom: null });
    expect(await liveStart(world)).toBe(before);
    await consumed(world, reshaped, start + 36 * hourMs, 10);
    expect(await liveStart(world)).toBeGreaterThan(start + 30 * hourMs);
  });

  it("stays where it has moved on while the items were counted", async () => {
    const world = await deployed(14);
    const moved = start + 40 * hourMs;
    const shardsOnce = async () => {
      await world.control.put(liveStartKey(reshaped), { from: moved }, "any");
      return world.stream.shards();
    };
    const result = await world.rebuild(reshaped, { events: { ...world.stream, shards: shardsOnce } });
    expect(result).toMatchObject({ completeFrom: null });
    expect(await liveStart(world)).toBe(moved);
  });
});
