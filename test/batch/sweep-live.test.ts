/**
 * Live items end with the last manifest that needs them. What is right is counted from the sales that have come in, and
 * what should be left from the documents; the code under test is that of the refresh, the micro-batches and the loaders.
 */
import { expect, test } from "vitest";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { sweepLive } from "../../etl/batch/sweep-live.ts";
import { type LiveStart, liveStartKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { seeded } from "../live/parcels.ts";
import {
  dates,
  killSweeps,
  LiveSalesWorld,
  published,
  refreshDaily,
  repeatFirstDay,
  tillActivity,
} from "./live-sales.ts";
import { Life, memoryControl } from "./memory-world.ts";
import { retained } from "./reached.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? 1);
const batch = { refresh, rollback, release };
const newWorld = () => new LiveSalesWorld(batch, seeded(seed));

test("after each refresh the live items are those of periods that a kept manifest does not cover", async () => {
  const counts = await refreshDaily(batch, seed);
  // the days of the total go one by one, the keys of the shops with their months
  expect(counts.at(-1)).toBeLessThan(Math.max(...counts));
});

test("killed at every call: no reader misses an item, and the next refresh removes the same", {
  timeout: 300_000,
}, async () => {
  expect(await killSweeps(batch, seed)).toBeGreaterThan(80);
});

test("rolled back to each edition that is kept, no number goes missing, and none after the release", async () => {
  const base = await published(batch, seed);
  const [, ...targets] = retained(base.world, tillActivity.name).kept;
  expect(targets).toHaveLength(2);
  for (const { id } of targets) {
    const sales = base.copy(seeded(seed));
    await rollback(tillActivity, { to: id }, sales.deps(new Life(sales.random)));
    await sales.read();
    await sales.refresh();
    await sales.dayPasses("2024-04-05", 9);
    await sales.read();
    expect(sales.present()).toEqual(sales.unswept());
    await release(tillActivity, sales.deps(new Life(sales.random)));
    await sales.refresh();
    await sales.read();
    await sales.readRetained();
    expect(sales.present()).toEqual(sales.unswept());
  }
});

test("while a rollback holds the product, live items stay, however much time goes by", async () => {
  const sales = await published(batch, seed, 3);
  await sales.rollback(new Life(sales.random));
  const before = sales.present();
  for (const [i, date] of dates.slice(3).entries()) {
    await sales.dayPasses(date, i + 4);
    sales.world.now += 90 * 86_400_000;
    expect(await sales.refresh()).toMatchObject({ published: false });
    await sales.read();
  }
  expect(sales.present()).toEqual(expect.arrayContaining(before));
  await release(tillActivity, sales.deps(new Life(sales.random)));
  await sales.refresh();
  await sales.read();
  await sales.readRetained();
  expect(sales.present()).toEqual(sales.unswept());
});

test("the items of a shape before are kept as long as its gateways may need them, and go by the same rule", async () => {
  const before: Product = { ...tillActivity, shape: "before" };
  const sales = newWorld();
  const ofBefore: number[] = [];
  for (const [i, date] of dates.entries()) {
    await sales.dayPasses(date, i + 1, i < 2 ? [before] : i < 4 ? [before, tillActivity] : [tillActivity]);
    await sales.refresh();
    expect(sales.present()).toEqual(sales.unswept());
    ofBefore.push(sales.present().filter((id) => id.includes("#before#")).length);
  }
  expect(ofBefore[3]).toBeGreaterThan(0);
  expect(ofBefore.at(-1)).toBe(0);
});

test("a batch of long ago that is repeated makes an item that nobody reads, above its old version", async () => {
  expect(await repeatFirstDay(batch, seed)).toBeGreaterThan(0);
});

test("a shape that comes back after another one still knows where its first items begin", async () => {
  const other: Product = { ...tillActivity, shape: "other" };
  const sales = newWorld();
  for (const [i, products] of [[tillActivity], [other], [tillActivity]].entries())
    await sales.dayPasses(dates[i]!, i + 1, products);
  for (const [i, date] of dates.slice(3).entries()) {
    await sales.dayPasses(date, i + 4);
    await sales.refresh();
  }
  expect(sales.present()).toEqual(sales.unswept());
});

test("a sweep that has much to do leaves the rest to the next one", async () => {
  const sales = newWorld();
  await sales.dayPasses(dates[0]!, 1);
  const { control, insights } = sales.deps(new Life(sales.random));
  const start = async () => (await control.get<LiveStart>(liveStartKey(tillActivity)))!.value;
  const { from: begun } = await start();
  await control.put(liveStartKey(tillActivity), { ...(await start()), sweptUntil: Date.UTC(2022, 0) }, "any");
  const covered = Date.UTC(2024, 2, 1, 5);
  expect(await sweepLive(tillActivity, covered, { control, insights })).toBe(0);
  const first = (await start()).sweptUntil!;
  expect(first).toBeGreaterThan(Date.UTC(2023, 0));
  expect(first).toBeLessThan(Date.UTC(2024, 0));
  expect(await sweepLive(tillActivity, covered, { control, insights })).toBeGreaterThan(0);
  expect(sales.present()).toEqual([]);
  // by periods: an item of a longer one is there, and as whole as it was
  expect(await start()).toMatchObject({ from: begun, sweptUntil: Date.UTC(2024, 2, 1) });
});

test("a consumer that moves the start while a sweep runs loses nothing, and the next sweep goes on", async () => {
  const sales = await published(batch, seed, 4);
  await sales.dayPasses("2024-03-03", 9);
  const { control, insights } = sales.deps(new Life(sales.random));
  const key = liveStartKey(tillActivity);
  const moving = {
    ...insights,
    removeLive: async (keys: Parameters<typeof insights.removeLive>[0]) => {
      const { value } = (await control.get<LiveStart>(key))!;
      await control.put(key, { ...value, from: Date.UTC(2024, 2, 9) }, "any");
      return insights.removeLive(keys);
    },
  };
  const covered = Date.UTC(2024, 2, 3);
  await sweepLive(tillActivity, covered, { control, insights: moving });
  expect((await control.get<LiveStart>(key))!.value.from).toBe(Date.UTC(2024, 2, 9));
  await sweepLive(tillActivity, covered, {
    control: memoryControl(sales.world, new Life(sales.random)),
    insights,
  });
  expect(sales.present().some((id) => id.includes("2024-03-02"))).toBe(false);
  expect(sales.present().some((id) => id.includes("2024-03-03"))).toBe(true);
});
