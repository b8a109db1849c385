/** The soak, as `npm run soak` runs it for longer: SLUICE_SOAK_SECONDS (default 30) of load, and what it takes to drain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { liveItems } from "./readings.ts";
import { figuresOf, heapAcrossLives, heapOfLastLife, isGrown } from "./report.ts";
import { runSoak, type Soaked } from "./soak.ts";

const seconds = Number(process.env["SLUICE_SOAK_SECONDS"] ?? 30);
let soaked: Soaked;

beforeAll(async () => {
  soaked = await runSoak({ seconds });
}, 1_800_000);

afterAll(() => console.log(JSON.stringify({ bench: "soak", figures: figuresOf(soaked) })));

describe("a consumer that is killed all the time, of shards that are split and merged", () => {
  it("was killed, and the shards were changed, while events came", () => {
    expect(soaked.progress.at(-1)!.kills).toBeGreaterThan(0);
    expect(soaked.progress.at(-1)!.reshards).toBeGreaterThan(1);
    expect(liveItems).toBeLessThanOrEqual(300);
    expect(soaked.recount.applied).toBeGreaterThan(seconds * 1_000);
  });

  it("counts every event once, by every key and hour and in total", () => {
    expect(soaked.stored).toEqual(soaked.recount.tallies);
  });

  it("archives every applied event once", () => {
    expect(soaked.archived).toEqual(soaked.recount.tallies);
  });

  it("keeps the rest as dead letters: in = applied + dead, in its metrics too", () => {
    const { letters, recount, last } = soaked;
    expect(Object.keys(letters).length).toBeGreaterThan(2);
    expect(Object.values(letters).reduce((sum, count) => sum + count, 0)).toBe(recount.dead);
    expect(last.in).toBe(last.applied + last.dead);
    expect(last.dead).toBeGreaterThan(0);
  });

  it("ends with 0 when it is asked to stop", () => {
    expect(soaked.last.code).toBe(0);
  });

  it("takes no more memory as time goes on", () => {
    const grown = [heapAcrossLives(soaked), heapOfLastLife(soaked)].filter(isGrown);
    expect(grown).toEqual([]);
  });
});
