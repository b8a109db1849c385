/** A slice is asked again by what may move it, and by nothing else. Through the real loaders. */
import { expect, test } from "vitest";
import type { Insight } from "../../src/schema/context.ts";
import { seeded } from "../live/parcels.ts";
import { type Besides, type Follower, hourMs, lateMs, LiveWorld, midnight, settled } from "./live-world.ts";

const of = (shop: string) => [{ op: "eq", column: "shop", value: shop }] as const;
const day = (nth: number) => ({ from: midnight + nth * 24 * hourMs, to: midnight + (nth + 1) * 24 * hourMs });
const before: Besides = async (insight) => [await insight.previous("DAY")];

async function open(
  where: readonly { op: "eq"; column: string; value: string }[],
  range: object,
  besides?: Besides,
  shards?: string[],
): Promise<{ world: LiveWorld; follower: Follower }> {
  const world = await LiveWorld.open(shards);
  await world.visit({ shop: "b", at: midnight + hourMs, arrival: midnight + hourMs });
  const follower = world.follow({ where, range }, besides);
  await settled();
  return { world, follower };
}

test("updates of other slices within the hour are not asked for, its own is", async () => {
  const { world, follower } = await open(of("a"), day(0));
  // what came before the first update is not known
  await world.visit({ shop: "b", at: midnight + hourMs, arrival: midnight + hourMs });
  expect(world.asked).toBe(2);
  for (let i = 0; i < 20; i++)
    await world.visit({ shop: "b", at: midnight + hourMs + i, arrival: midnight + hourMs + i * 100 });
  expect(world.asked).toBe(2);
  await world.visit({ shop: "a", at: midnight, arrival: midnight + hourMs + 3_000 });
  expect(await follower.visits()).toEqual([0, 1]);
  await follower.leave();
});

test("a publication and a gap are always asked for", async () => {
  const { world, follower } = await open(of("a"), day(0));
  await world.broadcast.publish({ kind: "published", product: "ShopVisits", version: 2 });
  await settled();
  expect(world.asked).toBe(2);
  await world.broadcast.publish({ kind: "gap", stream: null, lost: {} });
  await settled();
  expect(world.asked).toBe(3);
  await follower.leave();
});

test.each(["the first update of a shard", "an update"])(
  "%s that follows one which was not told is asked for",
  async (which) => {
    const { world, follower } = await open(of("a"), day(0));
    const visit = { shop: "b", at: midnight + hourMs, arrival: midnight + hourMs };
    if (which === "an update") await world.visit(visit);
    await world.lose("a", midnight);
    await world.visit(visit);
    expect(await follower.visits()).toEqual([0, 1]);
    await world.visit(visit);
    expect(world.asked).toBe(which === "an update" ? 3 : 2);
    await follower.leave();
  },
);

test("a range becomes complete by what arrives for others, in the slowest shard", async () => {
  const { world, follower } = await open(of("a"), { from: midnight, to: midnight + 2 * hourMs }, undefined, [
    "s-0",
    "s-1",
  ]);
  const complete = () => Promise.all(follower.told.map((insight) => insight.complete()));
  const closed = midnight + 2 * hourMs + lateMs;
  const visit = { shop: "b", at: midnight + hourMs };
  await world.visit({ ...visit, arrival: closed });
  await world.visit({ ...visit, arrival: closed - 1, shard: "s-1" });
  expect(await complete()).toEqual([false]);
  await world.visit({ ...visit, arrival: closed, shard: "s-1" });
  expect(await complete()).toEqual([false, true]);
  await follower.leave();
});

test("a sliding range moves with the visits of others", async () => {
  const { world, follower } = await open(of("a"), { lastMs: 3 * hourMs });
  await world.visit({ shop: "b", at: midnight + 2 * hourMs - 1, arrival: midnight + hourMs });
  expect(follower.told).toHaveLength(1);
  await world.visit({ shop: "b", at: midnight + 2 * hourMs, arrival: midnight + hourMs });
  expect(follower.told.map(({ range }) => range.to)).toEqual([midnight + 2 * hourMs, midnight + 3 * hourMs]);
  await follower.leave();
});

test("what is told besides is asked for by its own items", async () => {
  const { world, follower } = await open(of("a"), day(1), before);
  const visit = { shop: "b", at: midnight, arrival: midnight + hourMs };
  await world.visit(visit);
  await world.visit(visit);
  expect(world.asked).toBe(2);
  await world.visit({ ...visit, shop: "a" });
  expect(follower.told).toHaveLength(2);
  await follower.leave();
});

test.each([
  ["later", "s-0", 10_000],
  ["from a shard that lags", "s-1", -10_000],
])("what no update told is seen with one that arrives ten seconds %s", async (_, shard, apartMs) => {
  const { world, follower } = await open(of("a"), day(0), undefined, ["s-0", "s-1"]);
  const visit = { shop: "b", at: midnight + hourMs, arrival: midnight + hourMs };
  await world.visit(visit);
  await world.visit({ ...visit, shard: "s-1", arrival: midnight });
  await world.visit(visit);
  await world.write("a", midnight);
  await world.visit({ ...visit, arrival: visit.arrival + 9_999 });
  expect(follower.told).toHaveLength(1);
  await world.visit({ ...visit, shard, arrival: visit.arrival + apartMs });
  expect(await follower.visits()).toEqual([0, 1]);
  await follower.leave();
});

test.each([1, 2, 3, 4])("whatever comes, everybody has what a query says (seed %i)", async (seed) => {
  const random = seeded(seed);
  const some = (count: number) => Math.floor(random() * count);
  const world = await LiveWorld.open(["s-0", "s-1"]);
  const closing = midnight + 4 * hourMs;
  const questions = [
    { where: of("a"), range: day(0) },
    { where: of("b"), range: day(1) },
    { where: [], range: { from: midnight - 5 * hourMs } },
    { where: of("c"), range: { lastMs: 2 * hourMs } },
    { where: of("a"), range: { from: midnight + hourMs, to: closing } },
    { where: of("d"), range: {} },
    { where: of("d"), range: { from: midnight + hourMs, to: closing } },
  ];
  const stampsOf = async (insight: Insight) => [
    await insight.stamp(),
    await (await insight.previous("DAY")).stamp(),
  ];
  const followers = questions.map((question) => world.follow(question, before));
  await settled();
  const updates = 150;
  // seconds in which the shards come to the end of a range, one after the other
  for (let i = 0; i < updates; i++) {
    const [shop, shard] = [["a", "b", "c"][some(3)]!, some(2)];
    const arrival = closing + lateMs - 4_000 + i * 50 - shard * 2_000;
    const at = midnight + Math.min(some(48), some(i + 2)) * hourMs + some(60) * 60_000;
    await world.visit({ shop, at, arrival, shard: `s-${shard}` });
    for (const [k, question] of questions.entries())
      expect(await stampsOf(followers[k]!.newest)).toEqual(await stampsOf(await world.ask(question)));
  }
  expect(await followers[4]!.newest.complete()).toBe(true);
  expect(world.asked).toBeLessThan((updates * questions.length) / 2);
  for (const follower of followers) await follower.leave();
});
