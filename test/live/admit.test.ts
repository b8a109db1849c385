/** Late events are admitted to the lake once each: crashes, lost answers, zombies, two operators at once. */
import { parquetReadObjects } from "hyparquet";
import { describe, expect, it } from "vitest";
import { type AdmitOptions, admitLetters } from "../../etl/live/admit.ts";
import type { Effects } from "../../etl/live/effects.ts";
import { allLetters, tallyLetters } from "../../etl/live/letters.ts";
import { checkpointKey, lettersKey, type LettersRecord } from "../../src/model/control.ts";
import { type LetterWorld, letterOf, letterWorld, numberedParcel, shards } from "./letter-worlds.ts";
import { newLife, quietEffects } from "./memory-stores.ts";
import { dayStart, parcels, seeded } from "./parcels.ts";

const runs = 300;
const dayMs = 86_400_000;
/** Events of `randomParcel` are older than the lateness of two days then. */
const now = dayStart + 30 * dayMs;
const stream = parcels.stream!;
const never = new AbortController().signal;
const always = Date.parse("0001-01-01T00:00:00Z");

function optionsOf(
  world: LetterWorld,
  effects: Effects,
  different: Partial<AdmitOptions> = {},
): AdmitOptions {
  return {
    source: parcels,
    stream,
    ...world,
    effects: { ...effects, clock: () => now },
    from: always,
    ...different,
  };
}

/** The costs of all rows in the archive, and the files that they are in. */
async function archived({ lake }: LetterWorld): Promise<{ costs: number[]; files: string[] }> {
  const files = [...lake.objects.keys()].filter((key) => key.startsWith("archive/"));
  const costs: number[] = [];
  for (const key of files) {
    const { buffer } = new Uint8Array(lake.objects.get(key)!);
    for (const row of await parquetReadObjects({ file: buffer })) costs.push(Number(row["Cost Total $"]));
  }
  return { costs: costs.sort((a, b) => a - b), files: files.sort() };
}

async function outcomes(world: LetterWorld): Promise<(string | null)[]> {
  const found: (string | null)[] = [];
  for await (const { settled } of allLetters(optionsOf(world, quietEffects(seeded(1), never))))
    found.push(settled?.outcome ?? null);
  return found;
}

describe("admission under faults", () => {
  it(`brings every late event into one committed file in ${runs} random histories`, async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed);
      const count = 1 + Math.floor(random() * 30);
      const world = await letterWorld(Array.from({ length: count }, (_, i) => numberedParcel(random, i)));
      const more = Array.from({ length: 5 }, (_, i) => letterOf(numberedParcel(random, count + i), 500 + i));
      const bury = async (): Promise<void> => {
        for (const letter of more) {
          for (let turns = random() * 60; turns > 0; turns--) await Promise.resolve();
          // a repeated batch puts old letters again
          await world.deadLetters.put([letter, ...[...world.deadLetters.letters.values()].slice(0, 10)]);
        }
      };
      await Promise.all([untilAdmitted(world, random), untilAdmitted(world, random), bury()]);
      await untilAdmitted(world, random);
      const { costs } = await archived(world);
      expect(costs, `seed ${seed}`).toEqual(Array.from({ length: count + 5 }, (_, i) => i));
      expect(new Set(await outcomes(world)), `seed ${seed}`).toEqual(new Set(["ADMITTED"]));
      const record = await world.control.get<LettersRecord>(lettersKey(stream));
      expect(record!.value, `seed ${seed}`).toMatchObject({ admitting: null, resending: null });
    }
  });

  /** As many lives as it takes. */
  async function untilAdmitted(world: LetterWorld, random: () => number): Promise<void> {
    for (;;) {
      const life = newLife(random, { crash: 0.04, fail: 0.06 });
      const { control, deadLetters, lake } = world;
      const stores = {
        control: life.faulty(control),
        deadLetters: life.faulty(deadLetters),
        lake: life.faulty(lake),
      };
      try {
        await admitLetters(optionsOf(world, life.effects, stores));
        return;
      } catch (error) {
        if (!life.effects.signal.aborted) throw error;
      }
    }
  }
});

describe("an admission", () => {
  const admit = (world: LetterWorld, different: Partial<AdmitOptions> = {}) =>
    admitLetters(optionsOf(world, quietEffects(seeded(2), never), different));

  it("takes what decodes and is too late now, into files of the lake partitions, and counts the rest", async () => {
    const lateness = 2 * dayMs;
    const world = await letterWorld([
      numberedParcel(seeded(3), 0, now - lateness - 1),
      numberedParcel(seeded(3), 1, now - lateness),
      numberedParcel(seeded(3), 2, dayStart),
      numberedParcel(seeded(3), 3, now + dayMs + 1),
      numberedParcel(seeded(3), 4, dayStart - 365 * dayMs),
      '{"poison":',
      '{"Scan Time": "2024-02-28T00:00:00Z", "weight": "heavy"}',
    ]);
    const { admitted, left } = await admit(world, { from: dayStart });
    expect(admitted).toBe(2);
    expect(left.counts).toEqual({ resendable: 1, late: 0, early: 1, bad: 3 });
    const problems = [...left.problems].map(([reason, { count }]) => [reason, count] as const);
    expect(Object.fromEntries(problems)).toEqual({ BAD_JSON: 1, BAD_VALUE: 1, TOO_LATE: 1 });
    expect(await archived(world)).toEqual({
      costs: [0, 2],
      files: [
        "archive/depot.parcels/month=2024-03/admitted-0.parquet",
        "archive/depot.parcels/month=2024-02/admitted-1.parquet",
      ].sort(),
    });
    expect((await outcomes(world)).filter((outcome) => outcome !== null)).toEqual(["ADMITTED", "ADMITTED"]);
    expect(await admit(world, { from: dayStart })).toMatchObject({ admitted: 0 });
  });

  it("goes on in chunks, with numbers of files that rise", async () => {
    const world = await letterWorld(
      Array.from({ length: 1_203 }, (_, i) => numberedParcel(seeded(i), i, dayStart)),
    );
    const progress: number[] = [];
    await admit(world, { progress: (done) => progress.push(done) });
    expect(progress).toEqual([500, 1_000, 1_203]);
    const { costs, files } = await archived(world);
    expect(costs).toEqual(Array.from({ length: 1_203 }, (_, i) => i));
    expect(files).toEqual(
      [0, 1, 2].map((file) => `archive/depot.parcels/month=2024-02/admitted-${file}.parquet`),
    );
    const sizes = [...world.control.documents.values()].map(({ length }) => length);
    expect(Math.max(...sizes)).toBeLessThan(400_000);
  });

  it("leaves letters alone whose batch is not done: it will be repeated", async () => {
    const world = await letterWorld([0, 1, 2].map((cost) => numberedParcel(seeded(4), cost, dayStart)));
    for (const shard of shards) {
      const key = checkpointKey(stream, shard);
      const { revision } = (await world.control.get(key))!;
      await world.control.put(key, { sequence: "003:099", arrival: 0 }, revision);
    }
    expect(await admit(world)).toMatchObject({ admitted: 0, left: { counts: { late: 0 } } });
  });

  it("refuses while letters of the stream are being re-sent", async () => {
    const world = await letterWorld([numberedParcel(seeded(5), 0, dayStart)]);
    const resending = { at: now, letters: {}, tails: {} };
    await world.control.put(lettersKey(stream), { files: 0, admitting: null, resending }, null);
    await expect(admit(world)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await archived(world)).costs).toEqual([]);
  });

  it("is foretold by the tally, which changes nothing", async () => {
    const world = await letterWorld([numberedParcel(seeded(6), 0, dayStart), "{"]);
    const options = optionsOf(world, quietEffects(seeded(2), never));
    expect((await tallyLetters(options, always)).counts).toEqual({
      resendable: 0,
      late: 1,
      early: 0,
      bad: 1,
    });
    expect(await outcomes(world)).toEqual([null, null]);
  });
});
