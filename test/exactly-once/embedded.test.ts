/**
 * The randomized fault test behind the real AWS SDK and adapters, on the embedded cloud: smaller histories, and of one
 * product the refreshes. Time stands still while a call is on its way, so a seed repeats here too.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { code } from "./code.ts";
import { type EmbeddedCloud, openEmbeddedCloud } from "./embedded-world.ts";
import { runHistory } from "./history.ts";
import { seedsOf } from "./seeds.ts";
import { shopVisits } from "./visits.ts";

const small = { ms: 2_500, records: 24, refreshed: [shopVisits] };

let cloud: EmbeddedCloud;

beforeAll(async () => {
  cloud = await openEmbeddedCloud();
});
afterAll(() => cloud.close());

test.for(seedsOf(0, 1, 0.05))(
  "counts every event once, whatever happens: histories $name",
  { timeout: 600_000 },
  async ({ seeds }) => {
    for (const seed of seeds) {
      const world = await cloud.newWorld();
      await expect(runHistory(code, seed, { ...small, world })).resolves.toBeUndefined();
    }
  },
);
