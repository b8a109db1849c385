/** A process dies at any step of an execution: whoever waits elsewhere gets the answer, of one execution at Athena. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type {
  BudgetDocument,
  ExecutionDocument,
  QuestionDocument,
  SlotsDocument,
} from "../../src/model/ad-hoc-job.ts";
import type { Scope } from "../../src/model/scope.ts";
import type { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import { type Call, type Death, Gate, patience, tenant, World } from "./world.ts";

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
  scope = tenant(`t${tenants++}.`);
});

const patient = { waitMs: 3_600_000 };

const writes =
  (kind: string, is: (document: ExecutionDocument) => boolean = () => true) =>
  ({ name, args }: Call): boolean =>
    name === "put" && (args[0] as { pk: string }).pk.startsWith(kind) && is(args[1] as ExecutionDocument);

/** Where a process can die, and what there is then to tell that it has come so far. */
const deaths: readonly [string, Death][] = [
  ["before its execution is written down", { when: "before", step: writes("execution#") }],
  ["when its execution is written down", { when: "after", step: writes("execution#") }],
  ["with a slot", { when: "after", step: writes("slots") }],
  ["with its estimate set aside", { when: "after", step: writes("budget#") }],
  [
    "before it starts",
    {
      when: "after",
      step: writes("execution#", ({ startedAt, queryId }) => startedAt !== null && queryId === null),
    },
  ],
  [
    "when it has started, before Athena's id is written down",
    { when: "after", step: ({ name }) => name === "start" },
  ],
  [
    "when Athena's id is written down",
    { when: "after", step: writes("execution#", ({ queryId }) => queryId !== null) },
  ],
  ["while it runs", { when: "before", step: ({ name }) => name === "look" }],
  [
    "before it is written down how it ended",
    { when: "before", step: writes("execution#", ({ state }) => state === "SUCCEEDED") },
  ],
];

async function expectTrue(jobs: AdHocJobs, least: number): Promise<void> {
  const [answer] = await jobs.answer(scope, [world.ask(least)], patient);
  if (answer instanceof Error) throw answer;
  expect(Object.fromEntries(answer!.buckets.get(0)!)).toEqual(await world.truth(least));
}

/** Asks a process that dies of it. */
async function askAndDie(death: Death, least = 1): Promise<void> {
  await new Promise<void>((died) => {
    const jobs = world.process({ dies: { ...death, died } });
    void jobs.answer(scope, [world.ask(least)], patient);
  });
}

const slots = async () => {
  const items = await world.cloud.items("sluice-jobs");
  const item = items.get("slots holders");
  return item === undefined ? {} : (JSON.parse(item["d"]!) as SlotsDocument).holders;
};

test.each(deaths)("a process that dies %s: another one finishes", async (_when, dies) => {
  await askAndDie(dies);
  const waiting = expectTrue(world.process(), 1);
  // it is found before its owner is given up
  await expect.poll(() => world.documents<QuestionDocument>("question", scope), patience).toHaveLength(1);
  world.now += 60_000;
  await waiting;
  expect(await world.states()).toEqual(["SUCCEEDED"]);
  await expect.poll(slots, patience).toEqual({});
  const [execution] = await world.executions();
  expect(await world.documents<BudgetDocument>("budget", scope)).toEqual([
    { spent: execution!.Statistics!.DataScannedInBytes, reserved: {} },
  ]);
});

test("a job whose process has died goes on when it is asked for", async () => {
  const gate = new Gate();
  const jobs = world.process({ executions: gate.executions });
  const dies = { when: "before", step: ({ name }: Call) => name === "look" } as const;
  const dying = world.process({ dies });
  const [pending] = await dying.answer(scope, [world.ask(1)], { waitMs: 0 });
  const { jobId } = pending as unknown as { jobId: string };
  await expect.poll(world.states.bind(world), patience).toEqual(["SUCCEEDED"]);
  world.now += 60_000;
  gate.open();
  await expect.poll(async () => (await jobs.job(scope, jobId))?.state, patience).toBe("SUCCEEDED");
  await expectTrue(jobs, 1);
  expect(await world.executions()).toHaveLength(1);
});

test("a job that nobody drives and nobody wants is CANCELLED when it is asked for", async () => {
  await askAndDie({ when: "before", step: ({ name }) => name === "look" });
  const [{ interest }] = (await world.documents<ExecutionDocument>("execution", scope)) as [
    ExecutionDocument,
  ];
  expect(Object.keys(interest)).toHaveLength(1);
  world.now += 60_000;
  // of this test's tenant: the others' are there too
  const own = `execution#${scope.tenant}#`;
  const key = [...(await world.cloud.items("sluice-jobs")).keys()].find((each) => each.startsWith(own))!;
  const id = key.slice(own.length).split(" ")[0]!;
  expect(await world.process().job(scope, id)).toMatchObject({ state: "CANCELLED" });
});

test("a slot of a process that has died is given away when its execution has been stopped and charged", async () => {
  const release = await world.occupy();
  const limits = { concurrency: 1 };
  const dies = { when: "after", step: ({ name }: Call) => name === "start" } as const;
  const dying = world.process({ limits, dies });
  void dying.answer(scope, [world.ask(1)], patient);
  await expect.poll(world.states.bind(world), patience).toEqual(["QUEUED"]);
  const next = expectTrue(world.process({ limits }), 2);
  await expect.poll(() => world.documents("execution", scope), patience).toHaveLength(2);
  world.now += 61_000;
  await expect.poll(async () => (await world.states())[0], patience).toBe("CANCELLED");
  await release();
  await next;
  expect(await world.states()).toEqual(["CANCELLED", "SUCCEEDED"]);
  await expect.poll(slots, patience).toEqual({});
  const [budget] = await world.documents<BudgetDocument>("budget", scope);
  expect(budget!.reserved).toEqual({});
});
