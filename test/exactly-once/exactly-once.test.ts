/** The randomized fault test of the whole path on stores in memory; `exactly-once.second.test.ts` runs the other half. */
import { expect, test } from "vitest";
import { code } from "./code.ts";
import { runHistory } from "./history.ts";
import { seedsOf } from "./seeds.ts";

/** What histories have found, mended since, and a seed that shows it. */
const found = [
  { seed: 3, what: "a gap before the end of a shard, of which nothing follows, was never told" },
  { seed: 5, what: "a publication that failed was taken for one that was told" },
  { seed: 41, what: "a shard that ended while the others were followed was not looked at for ten seconds" },
];

test.for(found)("seed $seed: $what", async ({ seed }) => {
  await expect(runHistory(code, seed)).resolves.toBeUndefined();
});

test.for(seedsOf(0, 2))(
  "counts every event once, whatever happens: histories $name",
  { timeout: 300_000 },
  async ({ seeds }) => {
    for (const seed of seeds) await expect(runHistory(code, seed)).resolves.toBeUndefined();
  },
);
