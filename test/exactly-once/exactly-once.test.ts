/** The randomized fault test of the whole path on stores in memory; `exactly-once.second.test.ts` runs the other half. */
import { expect, test } from "vitest";
import { code } from "./code.ts";
import { runHistory } from "./history.ts";
import { seedsOf } from "./seeds.ts";

test.for(seedsOf(0, 2))(
  "counts every event once, whatever happens: $seeds",
  { timeout: 300_000 },
  async ({ seeds }) => {
    for (const seed of seeds) await expect(runHistory(code, seed)).resolves.toBeUndefined();
  },
);
