/**
 * One definition, one number: random questions of random worlds, answered by the gateway over HTTP and by one DuckDB
 * query each over the events applied so far. `SLUICE_SEED` asks of one world only, `SLUICE_QUESTIONS` so many in all.
 */
import { expect, test } from "vitest";
import { openGateway } from "../../bin/gateway.ts";
import { examine, featuresOf } from "./examine.ts";
import { seeded } from "./random.ts";
import { startWorld } from "./world.ts";

const questions = Number(process.env["SLUICE_QUESTIONS"] ?? 800);
const seed = process.env["SLUICE_SEED"];
/** The start of one takes as long as a hundred questions. */
const worlds = seed === undefined ? Math.min(Math.ceil(questions / 400), 12) : 1;
const first = Number(seed ?? 1);
const perWorld = Math.ceil(questions / worlds);
const perMoment = Math.ceil(perWorld / 8);

test.for(Array.from({ length: worlds }, (_, i) => first + i))(
  "every number of world %i is what DuckDB counts",
  { timeout: 600_000 },
  async (own) => {
    const random = seeded(own * 7_919);
    const world = await startWorld(own);
    const gateway = await world.openGateway(openGateway);
    try {
      const examined = {
        url: gateway.url,
        truth: world.truth,
        history: world,
        features: await featuresOf(gateway.url),
      };
      const askUpTo = async (asked: number, count: number, moment: string): Promise<number> => {
        await examine(examined, random, count - asked).catch((error: unknown) => {
          throw new Error(`SLUICE_SEED=${own}, after ${moment}: ${(error as Error).message}`);
        });
        if (questions > 1_000) console.log(`world ${own}: ${count} questions, after ${moment}`);
        return count;
      };
      let asked = 0;
      for (let moment = await world.next(); moment !== null; moment = await world.next())
        asked = await askUpTo(asked, Math.min(asked + perMoment, perWorld), moment);
      expect(await askUpTo(asked, perWorld, "all of it")).toBe(perWorld);
    } finally {
      await gateway.close();
      await world.close();
    }
  },
);
