/**
 * kill -9 at every call of a refresh, while readers read. The code is that of the refresh, the sweep and the loaders;
 * stores, warehouse and gold reader are in memory (`kill-embedded.test.ts` kills over the real clients). At each call
 * the process dies before it is applied, and once more after. Then the previous edition serves, or the new one where
 * the pointer was flipped; the next run completes; and a day later nothing is left but what retained manifests reach.
 */
import { expect, test } from "vitest";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { killEverywhere, wander } from "./kill.ts";
import { scenarios } from "./scenarios.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? 1);

test.for(scenarios)("killed at every call, before and after: $name", async (scenario) => {
  const { deaths, published, reads } = await killEverywhere(scenario, { refresh, rollback, release }, seed);
  expect(deaths).toBeGreaterThan(80);
  // some died before the pointer was flipped, some behind it
  expect(published).toBeGreaterThan(0);
  expect(published).toBeLessThan(deaths);
  expect(reads).toBeGreaterThan(4 * deaths);
});

test("a rollback is killed at every call: it has happened or not, and the next run finishes it", async () => {
  const batch = { refresh, rollback, release };
  const { deaths, published } = await killEverywhere(scenarios[1]!, batch, seed, "rollback");
  expect(published).toBeGreaterThan(0);
  expect(published).toBeLessThan(deaths);
});

test.for(scenarios)("what editions leave behind goes with them, from: $name", async (scenario) => {
  const batch = { refresh, rollback, release };
  for (let own = seed; own < seed + 4; own++)
    await expect(wander(scenario, batch, own)).resolves.toBeUndefined();
});
