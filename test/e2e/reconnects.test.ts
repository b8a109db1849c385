/**
 * A thousand sockets cut at random moments, over two gateways and one Redis, while events come; one of the gateways is
 * killed and replaced in between. What the stream holds in the end, read past our own code, is what everybody must have.
 */
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { until } from "../live/live-run.ts";
import { data } from "./client.ts";
import { type Follower, follower, Sockets, type Watcher, watcher, type Where } from "./reconnects-clients.ts";
import {
  plants,
  type ProducedReading,
  startWorld,
  type StreamTruth,
  type World,
} from "./reconnects-world.ts";

const followers = 40;
const early = 30; // of them have a page before anything is cut
const watchers = 20;
const feedCuts = 700;
const insightCuts = 300;
const drained = { timeout: 240_000, interval: 250 };

let world: World;
let truth: StreamTruth;
const feedSockets = new Sockets();
const insightSockets = new Sockets();
const feeds: Follower[] = [];
let insights: readonly Watcher[];

type Wanted = readonly [where: Where | null, (reading: ProducedReading) => boolean];

/** With what they mean, in plain JavaScript. */
const feedFilters: readonly Wanted[] = [
  [null, () => true],
  [{ plant: { eq: "plant 1" } }, ({ plant }) => plant === "plant 1"],
  [{ plant: { in: ["plant 2", "plant 4"] } }, ({ plant }) => ["plant 2", "plant 4"].includes(plant)],
  [{ energy: { gte: 0 } }, ({ energy }) => energy >= 0],
];
const slices: readonly Wanted[] = [
  [null, () => true],
  ...Array.from({ length: plants }, (_, i): Wanted => {
    const of = `plant ${i}`;
    return [{ plant: { eq: of } }, ({ plant }) => plant === of];
  }),
  [{ machine: { eq: "plant 3, machine 1" } }, ({ machine }) => machine === "plant 3, machine 1"],
];
const wantedBy = (where: unknown): Wanted[1] =>
  [...feedFilters, ...slices].find(([each]) => each === where)![1];

beforeAll(async () => {
  world = await startWorld();
  follow(0, early);
  insights = Array.from({ length: watchers }, (_, i) => {
    const [where] = slices[i % slices.length]!;
    return watcher(world.urls, { where, range: hoursAround }, insightSockets);
  });
  await until(() => feeds.every(({ from }) => from !== null));
  await cutSockets(150);
  follow(early, followers);
  await cutSockets(150);
  const restart = await world.killGateway(0);
  await Promise.all([restart(), cutSockets(100)]);
  await cutSockets(300);
  while (feedSockets.cuts < feedCuts || insightSockets.cuts < insightCuts) await cutSockets(1);
  truth = await world.stopProducing();
}, 600_000);

afterAll(async () => {
  for (const each of insights ?? []) each.stop();
  await Promise.allSettled(feeds.map((each) => each.stop()));
  await world?.close();
});

const hour = (after: number): string => new Date(Date.now() + after * 3_600_000).toISOString().slice(0, 13);
const hoursAround = { from: `${hour(-2)}:00:00Z`, to: `${hour(3)}:00:00Z` };

/** Half of them begin with the second gateway. */
function follow(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const [where] = feedFilters[i % feedFilters.length]!;
    const urls = i % 8 < 4 ? world.urls : world.urls.toReversed();
    feeds.push(follower(urls, where, feedSockets, world.made));
  }
}

/** Feeds and insights, as the numbers that are wanted stand to each other. */
async function cutSockets(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await wait(Math.random() * 30);
    const isFeed = Math.random() < feedCuts / (feedCuts + insightCuts);
    (isFeed ? feedSockets : insightSockets).cutOne();
  }
}

/** Per shard: from its first event on all that the stream holds, and all that was made after its first page. */
function expectedOf({ where, ids, from }: Follower): Record<string, readonly string[]> {
  const expected: Record<string, readonly string[]> = {};
  for (const [shard, readings] of truth) {
    const wanted = readings.filter(wantedBy(where));
    const first = ids.find((id) => id.startsWith(`${shard}:`));
    const begun = wanted.findIndex(({ id, record }) => id === first || record >= from!);
    expected[shard] = begun < 0 ? [] : wanted.slice(begun).map(({ id }) => id);
  }
  return expected;
}

function byShard(ids: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(
    [...truth.keys()].map((shard) => [shard, ids.filter((id) => id.startsWith(`${shard}:`))]),
  );
}

const countOf = (where: unknown): number => [...truth.values()].flat().filter(wantedBy(where)).length;

it("cuts a thousand sockets while events come", () => {
  expect(feedSockets.cuts).toBeGreaterThanOrEqual(feedCuts);
  expect(insightSockets.cuts).toBeGreaterThanOrEqual(insightCuts);
  expect(truth.size).toBeGreaterThan(1);
  for (const readings of truth.values()) expect(readings.length).toBeGreaterThan(100);
});

it("sends every event to every follower of the feed, once and in order per shard", async () => {
  for (const each of feeds)
    await vi.waitFor(() => expect(byShard(each.ids)).toEqual(expectedOf(each)), drained);
  expect(feeds.map(({ expired }) => expired)).toEqual(feeds.map(() => 0));
  for (const { ids } of feeds) expect(ids.length).toBeGreaterThan(20);
}, 600_000);

it("ends every insight at the number that the query gives at both gateways", async () => {
  for (const { where, count } of slices.map(([each]) => ({ where: each, count: countOf(each) })))
    for (const url of world.urls) {
      const query = `query ($where: MachineLoadFilter, $range: TimeRange) { machineLoad(where: $where, range: $range) { readings } }`;
      expect(await data(url, query, { where, range: hoursAround })).toEqual({
        machineLoad: { readings: count },
      });
    }
  for (const { variables, connections } of insights)
    await vi.waitFor(() => expect(connections.at(-1)!.at(-1)).toBe(countOf(variables["where"])), drained);
}, 600_000);

it("sends the state again after a reconnect while nothing happens, and no event", async () => {
  const before = insights.map(({ connections }) => connections.length);
  feedSockets.cutAll();
  insightSockets.cutAll();
  for (const [i, { variables, connections }] of insights.entries()) {
    await until(() => connections.length > before[i]!);
    await vi.waitFor(
      () => expect(new Set(connections.at(-1))).toEqual(new Set([countOf(variables["where"])])),
      drained,
    );
  }
  for (const each of feeds) expect(byShard(each.ids)).toEqual(expectedOf(each));
}, 600_000);

it("never goes back within a connection, and says nothing but states", () => {
  expect(insights.flatMap(({ failures }) => failures)).toEqual([]);
  for (const { connections } of insights)
    for (const counts of connections) expect(counts).toEqual([...counts].sort((a, b) => a - b));
});
