/** Dead letters come into the stream once more, once each: crashes, unanswered puts, another run at the same time. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { admitLetters } from "../../etl/live/admit.ts";
import type { Effects } from "../../etl/live/effects.ts";
import { allLetters } from "../../etl/live/letters.ts";
import { type ResendOptions, resendLetters } from "../../etl/live/resend.ts";
import { decodeRecord, encodeReplayed } from "../../etl/live/wire.ts";
import type { EventStream, PutEntry } from "../../src/backends/event-stream.ts";
import { checkpointKey, clockKey, lettersKey, type LettersRecord } from "../../src/model/control.ts";
import type { Source } from "../../src/model/source.ts";
import {
  type LetterWorld,
  letterOf,
  letterWorld,
  type MemoryStream,
  memoryStream,
  numberedParcel,
  sharedTime,
} from "./letter-worlds.ts";
import { type Life, newLife, quietEffects } from "./memory-stores.ts";
import { dayStart, history, parcels, seeded } from "./parcels.ts";

const runs = 250;
const hourMs = 3_600_000;
const stream = parcels.stream!;
/** Within the lateness of two days. */
const now = dayStart + hourMs;
const never = new AbortController().signal;
const always = Date.parse("0001-01-01T00:00:00Z");

function optionsOf(
  world: LetterWorld,
  events: EventStream,
  effects: Effects,
  different: Partial<ResendOptions> = {},
): ResendOptions {
  return { source: parcels, stream, ...world, events, effects, admitFrom: always, ...different };
}

/** The costs of all events in the stream. */
function resent({ records }: MemoryStream, source: Source = parcels): number[] {
  const decoded = [...records.values()].flat().map((record) => decodeRecord(source, record));
  expect(decoded.flatMap(({ poison }) => poison)).toEqual([]);
  return decoded
    .flatMap(({ events }) => events.map(({ event }) => Number(event["cost"])))
    .sort((a, b) => a - b);
}

async function outcomes(world: LetterWorld, events: MemoryStream): Promise<(string | null)[]> {
  const found: (string | null)[] = [];
  for await (const { settled } of allLetters(optionsOf(world, events, quietEffects(seeded(1), never))))
    found.push(settled?.outcome ?? null);
  return found;
}

/** Puts take their time, shards split meanwhile, and answers are lost: of what is wholly stored, in part or not at all. */
function unanswering(events: MemoryStream, random: () => number, rate: number): EventStream {
  return {
    ...events,
    put: async (entries: readonly PutEntry[]) => {
      for (let turns = random() * 40; turns > 0; turns--) await turn();
      const open = (await events.shards()).filter(({ closed }) => !closed);
      if (random() < 0.1 && open.length < 5) events.split(open[Math.floor(random() * open.length)]!.id);
      if (random() >= rate) return events.put(entries);
      await events.put(entries.filter(() => random() < 0.5));
      throw new Error("no answer");
    },
  };
}

describe("re-sending under faults", () => {
  it(`brings every event into the stream once in ${runs} random histories`, async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed);
      const count = 1 + Math.floor(random() * 20);
      const world = await letterWorld([
        ...Array.from({ length: count }, (_, i) => numberedParcel(random, i, dayStart)),
        "{",
      ]);
      const time = sharedTime(now);
      const events = memoryStream(() => time.now);
      const lives = [untilResent(world, events, time, random)];
      if (random() < 0.3) lives.push(untilResent(world, events, time, random));
      await Promise.all(lives);
      expect(resent(events), `seed ${seed}`).toEqual(Array.from({ length: count }, (_, i) => i));
      const found = await outcomes(world, events);
      expect(
        found.filter((outcome) => outcome === "REPLAYED"),
        `seed ${seed}`,
      ).toHaveLength(count);
      expect(
        found.filter((outcome) => outcome === null),
        `seed ${seed}`,
      ).toHaveLength(1);
      const record = await world.control.get<LettersRecord>(lettersKey(stream));
      expect(record!.value, `seed ${seed}`).toMatchObject({ admitting: null, resending: null });
    }
  });

  /** As many lives as it takes; `--admit` between them does not get in the way. */
  async function untilResent(
    world: LetterWorld,
    events: MemoryStream,
    time: ReturnType<typeof sharedTime>,
    random: () => number,
  ): Promise<void> {
    for (;;) {
      const life = newLife(random, { crash: 0.04, fail: 0.05 });
      const stores = faultyStores(world, life);
      const options = optionsOf(
        stores,
        life.faulty(unanswering(events, random, 0.2)),
        time.effects(life.effects),
      );
      try {
        await resendLetters(options);
        return;
      } catch (error) {
        if (!life.effects.signal.aborted && !/no answer|throttled|lost response/.test(String(error)))
          throw error;
      }
      const calm = time.effects(quietEffects(random, never));
      const { admitted } = await admitLetters({ ...optionsOf(world, events, calm), from: always }).catch(
        refused,
      );
      expect(admitted).toBe(0);
    }
  }

  /** While letters are being re-sent, none is admitted. */
  function refused(error: Error & { code?: string }): { admitted: number } {
    if (error.code !== "CONFLICT") throw error;
    return { admitted: 0 };
  }

  function faultyStores({ control, deadLetters, lake }: LetterWorld, life: Life): LetterWorld {
    return {
      control: life.faulty(control),
      deadLetters: life.faulty(deadLetters),
      lake: life.faulty(lake),
    };
  }
});

describe("a run that re-sends", () => {
  const time = sharedTime(now);
  const resend = (world: LetterWorld, events: MemoryStream, different: Partial<ResendOptions> = {}) =>
    resendLetters(optionsOf(world, events, time.effects(quietEffects(seeded(2), never)), different));

  it("puts what decodes and is within the lateness now, says which letter it was, and counts the rest", async () => {
    const lateness = 2 * 24 * hourMs;
    const world = await letterWorld([
      numberedParcel(seeded(3), 0, now - lateness),
      numberedParcel(seeded(3), 1, now - lateness - 1),
      '{"poison":',
      numberedParcel(seeded(3), 3, now - lateness - 9 * hourMs),
    ]);
    const events = memoryStream(() => now);
    const { resent: count, left } = await resend(world, events, { admitFrom: now - lateness - hourMs });
    expect(count).toBe(1);
    expect(left.counts).toEqual({ resendable: 0, late: 1, early: 1, bad: 1 });
    expect(resent(events)).toEqual([0]);
    const envelopes = [...events.records.values()]
      .flat()
      .map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>)
      .filter(({ sluice }) => sluice === "resent");
    expect(envelopes.map(({ of }) => of)).toEqual(["shard-1#003:100#0"]);
    expect((await resend(world, events)).resent).toBe(0);
  });

  it("leaves what is larger than a record, and puts the others", async () => {
    const large = { ...numberedParcel(seeded(8), 1, dayStart), depot: "x".repeat(1_048_400) };
    const world = await letterWorld([numberedParcel(seeded(8), 0, dayStart), large]);
    const events = memoryStream(() => now);
    const { resent: count, left } = await resend(world, events);
    expect([count, left.problems.get("BAD_VALUE")?.detail]).toEqual([1, expect.stringContaining("1 MiB")]);
    expect(resent(events)).toEqual([0]);
  });

  it("re-sends what a mended declaration decodes", async () => {
    const world = await letterWorld([
      JSON.stringify({ "Scan Time": "2024-02-28T00:00:00Z", "Cost Total $": 7 }),
    ]);
    const events = memoryStream(() => now);
    expect((await resend(world, events)).left.problems.get("BAD_VALUE")?.detail).toContain('"weight"');
    const ownColumns = parcels.ownColumns.map((column) => ({ ...column, nullable: true }));
    const mended = { ...parcels, ownColumns };
    expect((await resend(world, events, { source: mended })).resent).toBe(1);
    expect(resent(events, mended)).toEqual([7]);
  });

  it("stamps events of a replay with its clock, and takes them out of their envelopes", async () => {
    const at = dayStart + 5 * hourMs;
    const event = { scanned: at - hourMs, cost: 5, depot: "A" };
    const late = { scanned: at - hourMs - 1, cost: 6, depot: "A" };
    const [good, older] = [event, late].map((each, row) =>
      Buffer.from(encodeReplayed(history, { row, arrival: each.scanned + hourMs, event: each })).toString(),
    );
    const world = await letterWorld([]);
    const replayed = history.stream!;
    await world.deadLetters.put(
      [letterOf(good!, 0), letterOf(older!, 2)].map((each) => ({ ...each, stream: "history" })),
    );
    await world.control.put(checkpointKey(replayed, "shard-1"), { sequence: "004:9", arrival: 0 }, null);
    await world.control.put(clockKey(replayed), { at }, null);
    const events = memoryStream(() => now);
    const { resent: count, left } = await resend(world, events, { source: history, stream: replayed });
    expect([count, left.counts.late]).toEqual([1, 1]);
    const [decoded] = [...events.records.values()]
      .flat()
      .flatMap((record) => decodeRecord(history, record).events);
    expect(decoded).toMatchObject({ arrival: at, event });
  });

  it("gives up after some puts in a row without an answer, and the next run finds what came in", async () => {
    const world = await letterWorld([0, 1, 2].map((cost) => numberedParcel(seeded(7), cost, dayStart)));
    const events = memoryStream(() => now);
    const put: EventStream["put"] = async (entries) => {
      if (entries.every(({ shard }) => shard !== undefined)) return events.put(entries);
      if (resent(events).length === 0) await events.put(entries.slice(0, 1));
      throw new Error("no answer");
    };
    await expect(resend(world, events, { events: { ...events, put } })).rejects.toThrow("no answer");
    expect(resent(events)).toHaveLength(1);
    expect((await resend(world, events)).resent).toBe(2);
    expect(resent(events)).toEqual([0, 1, 2]);
  });
});
