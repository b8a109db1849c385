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

/** Does not answer calls about executions as long as it is down. */
class Outage {
  down = false;
  missed = 0;
  readonly store = (real: ControlStore): ControlStore => ({
    ...real,
    get: async (key) => {
      this.#meet(key.pk);
      return real.get(key);
    },
    put: async (key, ...rest) => {
      this.#meet(key.pk);
      return real.put(key, ...rest);
    },
  });

  #meet(key: string): void {
    if (!this.down || !key.startsWith("execution#")) return;
    this.missed++;
    throw down();
  }
}

test("an execution goes on while progress cannot be written and others' cannot be read, as long as its lease counts", async () => {
  const [writing, reading] = [new Outage(), new Outage()];
  const [owner, other] = [writing, reading].map(({ store }) =>
    world.process({ executions: gate.executions, store }),
  );
  const first = owner!.answer(scope, [world.ask(3)], patient);
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 1]]);
  const second = other!.answer(scope, [world.ask(3)], patient);
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 2]]);
  writing.down = reading.down = true;
  world.now += 2_000;
  await expect.poll(() => writing.missed, patience).toBeGreaterThan(0);
  await expect.poll(() => reading.missed, patience).toBeGreaterThan(1);
  writing.down = reading.down = false;
  gate.open();
  await expectTrue((await first)[0], 3);
  await expectTrue((await second)[0], 3);
  expect(gate.started).toHaveLength(1);
});

test("a process that the store does not answer until its lease runs out says so to those who wait", async () => {
  const outage = new Outage();
  const jobs = world.process({ executions: gate.executions, store: outage.store });
  const answer = jobs.answer(scope, [world.ask(4)], patient);
  await expect.poll(waitingProcesses, patience).toEqual([["RUNNING", 1]]);
  outage.down = true;
  world.now += 25_000;
  expect(await answer).toMatchObject([{ code: "BACKEND_UNAVAILABLE" }]);
  outage.down = false;
});

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
