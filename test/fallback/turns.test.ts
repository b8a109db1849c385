/** Questions that wait to be looked for: tenants take turns, and what all have left is not claimed. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { Turnstile } from "../../src/loaders/ad-hoc/turnstile.ts";
import type { ExecutionDocument } from "../../src/model/ad-hoc-job.ts";
import type { Scope } from "../../src/model/scope.ts";
import { tenant, World } from "./world.ts";

let world: World;
/** Every test has a tenant of its own. */
let scope: Scope;
let tenants = 0;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.begin();
  scope = tenant(`turn${tenants++}.`);
});

const patient = { waitMs: 600_000 };

/** Says nothing of questions until it is released. */
function busy() {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const store = (real: ControlStore): ControlStore => ({
    ...real,
    get: async (key) => {
      if (key.pk.startsWith("question#")) await released;
      return real.get(key);
    },
  });
  return { store, release };
}

/** More requests than are looked for at a time. */
const many = [1, 2, 3, 4, 5, 6];

test("a tenant's requests wait behind its own, not behind all of another's", async () => {
  const turnstile = new Turnstile(1);
  const passed: string[] = [];
  const pass = (name: string) =>
    turnstile.pass(name, () => {
      passed.push(name);
      return Promise.resolve();
    });
  await Promise.all(["big", "big", "big", "big", "small"].map(pass));
  expect(passed).toEqual(["big", "big", "small", "big", "big"]);
});

test("who leaves before a question is looked for is told at once, and nothing is claimed or executed for it", async () => {
  const { store, release } = busy();
  const jobs = world.process({ store });
  const others = many.map((least) => jobs.answer(scope, [world.ask(least)], patient));
  const leaving = new AbortController();
  const left = jobs.answer(scope, [world.ask(9)], { ...patient, signal: leaving.signal });
  leaving.abort();
  expect(await left).toMatchObject([{ code: "AD_HOC_CANCELLED" }]);
  release();
  for (const answer of await Promise.all(others)) expect(answer[0]).not.toBeInstanceOf(Error);
  expect(await world.documents<ExecutionDocument>("execution", scope)).toHaveLength(many.length);
  expect(await world.documents("question", scope)).toHaveLength(many.length);
});

test("a question that one of two has left is answered to the other, and to who asks after all had left", async () => {
  const { store, release } = busy();
  const jobs = world.process({ store });
  const others = many.map((least) => jobs.answer(scope, [world.ask(least)], patient));
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [8, 8, 9].map((least, i) =>
    jobs.answer(scope, [world.ask(least)], { ...patient, signal: [first, second, first][i]!.signal }),
  );
  first.abort();
  expect(await asked[0]).toMatchObject([{ code: "AD_HOC_CANCELLED" }]);
  expect(await asked[2]).toMatchObject([{ code: "AD_HOC_CANCELLED" }]);
  const again = jobs.answer(scope, [world.ask(9)], patient);
  release();
  await Promise.all(others);
  for (const [answered, least] of [
    [asked[1]!, 8],
    [again, 9],
  ] as const) {
    const [answer] = await answered;
    if (answer instanceof Error) throw answer;
    expect(Object.fromEntries(answer!.buckets.get(0)!)).toEqual(await world.truth(least));
  }
});
