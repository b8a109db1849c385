/**
 * Two runs at once over the stores in memory, interleaved at random, now and then one of them killed: exactly one
 * publishes, the other says so and stops; readers see whole editions; and what the loser wrote is swept.
 */
import { expect, test } from "vitest";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { runTwoAtATime } from "./two-runs.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? 1);

test.for(Array.from({ length: 12 }, (_, i) => seed + i))(
  "of two runs at once one publishes, the other says CONFLICT (SLUICE_SEED=%i)",
  async (own) => {
    await expect(runTwoAtATime({ refresh, rollback, release }, own)).resolves.toBeUndefined();
  },
);
