/** The other half of `exactly-once.test.ts`. */
import { expect, test } from "vitest";
import { code } from "./code.ts";
import { runHistory } from "./history.ts";
import { seedsOf } from "./seeds.ts";

test.for(seedsOf(1, 2))(
  "counts every event once, whatever happens: histories $name",
  { timeout: 300_000 },
  async ({ seeds }) => {
    for (const seed of seeds) await expect(runHistory(code, seed)).resolves.toBeUndefined();
  },
);
