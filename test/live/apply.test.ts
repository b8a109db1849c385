/** Compare-and-swap under crashes, lost answers, throttling, zombies and two shards that meet on one item. */
import { describe, expect, it } from "vitest";
import { type Applier, liveApplier } from "../../etl/live/apply.ts";
import { groupByItem, liveTargets } from "../../etl/live/fold.ts";
import type { DecodedEvent } from "../../etl/live/wire.ts";
import type { LiveChange } from "../../src/backends/broadcast.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import { itemId, unpackBuckets } from "../../src/model/layout.ts";
import { floorTo, hourMs } from "../../src/model/time.ts";
import { memoryInsights, newLife, quietEffects } from "./memory-stores.ts";
import { allParcels, depotParcels, randomParcel, seeded } from "./parcels.ts";

const runs = 200;
const targets = liveTargets([depotParcels, allParcels]);

/** Records of one to three events, with gaps in their sequence numbers. */
function randomShard(random: () => number, records: number): DecodedEvent[] {
  const events: DecodedEvent[] = [];
  for (let i = 0, at = 0; i < records; i++) {
    at += 1 + Math.floor(random() * 3);
    const sequence = String(at).padStart(5, "0");
    for (let index = 0; index <= Math.floor(random() * 3); index++)
      events.push({ sequence, index, arrival: 0, event: randomParcel(random) });
  }
  return events;
}

/** The events of some records on from `from`, never a part of a record. */
function batchFrom(events: readonly DecodedEvent[], from: number, random: () => number): DecodedEvent[] {
  let end = Math.min(events.length, from + 1 + Math.floor(random() * 12));
  while (end < events.length && events[end]!.sequence === events[end - 1]!.sequence) end++;
  return events.slice(from, end);
}

/** Back to the beginning of some record: where a checkpoint may have stood. */
function checkpointBefore(events: readonly DecodedEvent[], at: number, random: () => number): number {
  let from = Math.max(0, at - Math.floor(random() * 15));
  while (from > 0 && events[from]?.sequence === events[from - 1]!.sequence) from--;
  return from;
}

interface Run {
  readonly store: InsightStore;
  readonly random: () => number;
  readonly published: LiveChange[];
}

/** A consumer of one shard over as many lives as it takes. */
async function consume(run: Run, shard: string, events: readonly DecodedEvent[]): Promise<void> {
  const { random } = run;
  for (let at = 0; at < events.length; at = checkpointBefore(events, at, random)) {
    const life = newLife(random, { crash: 0.01, fail: 0.1 });
    const applier = liveApplier({ insights: life.faulty(run.store), effects: life.effects });
    try {
      while (at < events.length) {
        const batch = batchFrom(events, at, random);
        run.published.push(...(await applier.apply(shard, groupByItem(targets, batch))).changes);
        at += batch.length;
      }
      return;
    } catch (error) {
      if (!life.effects.signal.aborted) throw error;
    }
  }
}

/** A consumer that was frozen and repeats old batches with what it remembers. */
async function haunt(
  applier: Applier,
  run: Run,
  shard: string,
  events: readonly DecodedEvent[],
): Promise<void> {
  for (let i = 0; i < 4; i++) {
    const from = checkpointBefore(events, Math.floor(run.random() * events.length), run.random);
    const batch = batchFrom(events, from, run.random);
    run.published.push(...(await applier.apply(shard, groupByItem(targets, batch))).changes);
  }
}

/** Counts and sums by hand: `depot hour` -> [events, cost]. */
function tally(events: readonly DecodedEvent[]): Map<string, [number, number]> {
  const tallies = new Map<string, [number, number]>();
  for (const { event } of events) {
    const id = `${JSON.stringify([event["depot"]])} ${floorTo(Number(event["scanned"]), "HOUR")}`;
    const [count, cost] = tallies.get(id) ?? [0, 0];
    tallies.set(id, [count + 1, cost + Number(event["cost"] ?? 0)]);
  }
  return tallies;
}

function storedTally(items: Iterable<LiveItem>): Map<string, [number, number]> {
  return new Map(
    [...items]
      .filter(({ pk }) => pk.includes("#depot#HOUR#"))
      .flatMap(({ pk, sk, packed }) => {
        const day = Date.parse(`${pk.split("#").at(-1)}T00:00:00Z`);
        return [...unpackBuckets(packed)].map(
          ([hour, [count, cost]]) => [`${sk} ${day + hour * hourMs}`, [count!, cost!]] as const,
        );
      }) as [string, [number, number]][],
  );
}

describe("live items of two shards under faults", () => {
  it(`are the exact fold of all events after ${runs} random histories`, async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed);
      const insights = memoryInsights();
      const run = { store: insights, random, published: [] as LiveChange[] };
      const [a, b] = [randomShard(random, 18), randomShard(random, 18)];
      const life = newLife(random, { crash: 0, fail: 0.1 });
      const zombie = liveApplier({ insights: life.faulty(insights), effects: life.effects });
      await Promise.all([consume(run, "a", a), consume(run, "b", b)]);
      // a zombie's batch lies within what its shard has applied: it was cut off, and its successor went on
      await haunt(zombie, run, "a", a);
      expect(storedTally(insights.items.values()), `seed ${seed}`).toEqual(tally([...a, ...b]));
      expectTotals(insights.items, [...a, ...b], seed);
      expectPublished(insights.items, run.published, seed);
    }
  });

  function expectTotals(items: ReadonlyMap<string, LiveItem>, events: DecodedEvent[], seed: number): void {
    const totals = [...items.values()].filter(({ pk }) => pk.startsWith("AllParcels#"));
    const counted = totals.flatMap(({ packed }) => [...unpackBuckets(packed).values()].map(([n]) => n!));
    expect(
      counted.reduce((sum, n) => sum + n, 0),
      `seed ${seed}`,
    ).toBe(events.length);
  }

  function expectPublished(
    items: ReadonlyMap<string, LiveItem>,
    published: LiveChange[],
    seed: number,
  ): void {
    const newest = new Map<string, LiveChange>();
    for (const change of published)
      if (change.version >= (newest.get(itemId(change.key))?.version ?? 0))
        newest.set(itemId(change.key), change);
    for (const [id, item] of items)
      expect(newest.get(id), `seed ${seed}`).toMatchObject({ version: item.version, packed: item.packed });
  }
});

describe("versions", () => {
  it("go on above the old ones when an item has expired and is made again", async () => {
    const insights = memoryInsights();
    const effects = quietEffects(seeded(1), new AbortController().signal);
    const events = randomShard(seeded(2), 2);
    const apply = () =>
      liveApplier({ insights, effects }).apply("a", groupByItem(liveTargets([allParcels]), events));
    const [before] = (await apply()).changes;
    insights.items.clear();
    const [after] = (await apply()).changes;
    expect(after!.version).toBeGreaterThan(before!.version);
  });
});
