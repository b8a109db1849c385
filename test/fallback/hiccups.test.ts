/** A store that does not answer one call fails what the call was for, and nothing else. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { AdHocAnswer } from "../../src/loaders/ad-hoc/answers.ts";
import type { ExecutionDocument } from "../../src/model/ad-hoc-job.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Scope } from "../../src/model/scope.ts";
import { Gate, patience, tenant, World } from "./world.ts";

let world: World;
let gate: Gate;
/** Every test has a tenant of its own. */
let scope: Scope;
let tenants = 0;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.begin();
  gate = new Gate();
  scope = tenant(`hiccup${tenants++}.`);
});

const patient = { waitMs: 3_600_000 };
const down = () => new SluiceError("BACKEND_UNAVAILABLE", "Down.");
const documents = () => world.documents<ExecutionDocument>("execution", scope);
const waitingProcesses = async () =>
  (await documents()).map(({ state, interest }) => [state, Object.keys(interest).length]);

async function expectTrue(answer: AdHocAnswer | Error | undefined, least: number): Promise<void> {
  if (answer === undefined || answer instanceof Error) throw answer ?? new Error("No answer.");
  expect(Object.fromEntries(answer.buckets.get(0)!)).toEqual(await world.truth(least));
}

/** Does not answer when it is asked for a question for the first time that nobody has claimed. */
function missingOnce(): (real: ControlStore) => ControlStore {
  let missed = false;
  return (real) => ({
    ...real,
    get: async (key) => {
      const found = await real.get(key);
      if (found !== null || missed || !key.pk.startsWith("question#")) return found as never;
      missed = true;
      throw down();
    },
  });
}

test("a question that cannot be looked up fails alone: the others of its request are answered, and left in the end", async () => {
  const first = world.process({ executions: gate.executions }).answer(scope, [world.ask(1)], patient);
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 1]]);
  const leaving = new AbortController();
  const jobs = world.process({ executions: gate.executions, store: missingOnce() });
  const second = jobs.answer(scope, [world.ask(1), world.ask(2)], { ...patient, signal: leaving.signal });
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 2]]);
  leaving.abort();
  expect(await second).toMatchObject([{ code: "AD_HOC_CANCELLED" }, { code: "BACKEND_UNAVAILABLE" }]);
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 1]]);
  gate.open();
  await expectTrue((await first)[0], 1);
  await expectTrue((await jobs.answer(scope, [world.ask(2)], patient))[0], 2);
});
