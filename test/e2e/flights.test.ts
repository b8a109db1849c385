/**
 * The main job, end to end: three million flights from the lake, the last days through the stream, every number held
 * against plain DuckDB over the original file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { FlightActivity } from "../../products/flights.ts";
import { badInputSuite } from "./bad-input.suite.ts";
import { startDemo } from "./demo.ts";
import { editionsSuite } from "./editions.suite.ts";
import { groupsSuite } from "./groups.suite.ts";
import { flightsOracle } from "./oracle.ts";
import { replaySuite } from "./replay.suite.ts";
import type { Stage } from "./truth.ts";

let folder: string;
let stage: Stage;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-e2e-"));
  const [demo, oracle] = await Promise.all([startDemo(folder, FlightActivity), flightsOracle()]);
  stage = { demo, oracle };
});

afterAll(async () => {
  await stage?.demo.close();
  stage?.oracle.close();
  rmSync(folder, { recursive: true, force: true });
});

editionsSuite(() => stage);
groupsSuite(() => stage);
badInputSuite(() => stage);
replaySuite(() => stage);
