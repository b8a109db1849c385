/** Who still wants an execution, and what becomes of it when nobody does. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import type { AdHocJob, BudgetDocument, ExecutionDocument } from "../../src/model/ad-hoc-job.ts";
import { AdHocPendingError } from "../../src/model/errors.ts";
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
  scope = tenant(`t${tenants++}.`);
});

const patient = { waitMs: 600_000 };
const newProcess = (limits = {}) => world.process({ limits, executions: gate.executions });

/** Asks and may leave. */
function leaver(jobs: AdHocJobs, least = 1, waitMs = patient.waitMs) {
  const leaving = new AbortController();
  const answer = jobs
    .answer(scope, [world.ask(least)], { waitMs, signal: leaving.signal })
    .then(([first]) => first);
  return { answer, leave: () => leaving.abort() };
}

const documents = () => world.documents<ExecutionDocument>("execution", scope);
const states = async () => (await documents()).map(({ state }) => state);
const running = () => expect.poll(states, patience).toEqual(["RUNNING"]);
const interested = (count: number) =>
  expect
    .poll(async () => (await documents()).map(({ interest }) => Object.keys(interest).length), patience)
    .toEqual([count]);

async function jobIdOf(jobs: AdHocJobs, least = 1): Promise<string> {
  const [pending] = await jobs.answer(scope, [world.ask(least)], { waitMs: 0 });
  if (pending instanceof AdHocPendingError) return pending.jobId;
  throw new Error("It is not pending.", { cause: pending });
}

async function expectTrue(jobs: AdHocJobs, least = 1): Promise<void> {
  const [answer] = await jobs.answer(scope, [world.ask(least)], patient);
  if (answer instanceof Error) throw answer;
  expect(Object.fromEntries(answer!.buckets.get(0)!)).toEqual(await world.truth(least));
}

test("when the last one leaves, Athena is told to stop", async () => {
  const release = await world.occupy();
  const jobs = world.process();
  const [one, other] = [leaver(jobs), leaver(jobs)];
  await running();
  one.leave();
  expect(await one.answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
  expect(await states()).toEqual(["RUNNING"]);
  other.leave();
  expect(await other.answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
  await expect.poll(world.states.bind(world), patience).toEqual(["CANCELLED"]);
  expect(await states()).toEqual(["CANCELLED"]);
  await release();
});

test("what is left while it waits for a slot never starts", async () => {
  const jobs = world.process({ limits: { concurrency: 1 }, executions: gate.executions });
  const first = leaver(jobs, 1);
  await running();
  const second = leaver(jobs, 2);
  await expect.poll(async () => (await states()).sort(), patience).toEqual(["QUEUED", "RUNNING"]);
  second.leave();
  await expect.poll(async () => (await states()).sort(), patience).toEqual(["CANCELLED", "RUNNING"]);
  gate.open();
  await first.answer;
  await expectTrue(jobs, 3);
  expect(gate.started).toHaveLength(2);
});

test("it goes on while another process waits, whoever drives it, and stops when that leaves too", async () => {
  const [owner, other] = [leaver(newProcess()), leaver(newProcess())];
  await running();
  await interested(2);
  owner.leave();
  await interested(1);
  expect(await states()).toEqual(["RUNNING"]);
  expect(gate.stopped).toEqual([]);
  other.leave();
  await expect.poll(states, patience).toEqual(["CANCELLED"]);
  await expect.poll(() => gate.stopped.length, patience).toBeGreaterThan(0);
});

test("a pending lease holds it until it runs out", async () => {
  const jobs = newProcess();
  const asker = leaver(jobs, 1, 1_000);
  await running();
  world.now += 1_000;
  const pending = await asker.answer;
  expect(pending).toMatchObject({ code: "AD_HOC_PENDING" });
  const { jobId } = pending as AdHocPendingError;
  await interested(0);
  world.now += 4 * 60_000;
  expect(await jobs.job(scope, jobId)).toMatchObject({ id: jobId, state: "RUNNING" });
  expect(gate.stopped).toEqual([]);
  world.now += 61_000;
  await expect.poll(states, patience).toEqual(["CANCELLED"]);
  await expect.poll(() => gate.stopped.length, patience).toBeGreaterThan(0);
});

test("a request that asks again after it has waited does not wait once more", async () => {
  const jobs = newProcess();
  const wait = { waitMs: 1_000, request: {} };
  const first = jobs.answer(scope, [world.ask(1)], wait);
  await running();
  world.now += 1_000;
  expect(await first).toMatchObject([{ code: "AD_HOC_PENDING" }]);
  // time stands still from here on
  expect(await jobs.answer(scope, [world.ask(2)], wait)).toMatchObject([{ code: "AD_HOC_PENDING" }]);
  const other = jobs.answer(scope, [world.ask(1)], { ...wait, request: {} });
  gate.open();
  expect((await other)[0]).not.toBeInstanceOf(Error);
});

test("who does not wait at all is told the job, and asks again for the answer", async () => {
  const jobs = newProcess();
  const jobId = await jobIdOf(jobs);
  expect(await jobIdOf(newProcess())).toBe(jobId);
  gate.open();
  await expect.poll(async () => (await jobs.job(scope, jobId))?.state, patience).toBe("SUCCEEDED");
  const [answer] = await jobs.answer(scope, [world.ask(1)], { waitMs: 0 });
  expect(answer).not.toBeInstanceOf(Error);
  await expectTrue(world.process());
  expect(gate.started).toHaveLength(1);
});

test("asked again after it was cancelled it runs again", async () => {
  const jobs = newProcess();
  const jobId = await jobIdOf(jobs);
  const waiting = [leaver(jobs), leaver(newProcess())];
  await running();
  await interested(2);
  expect(await newProcess().cancel(scope, jobId)).toMatchObject({
    state: "CANCELLED",
    error: "AD_HOC_CANCELLED",
  });
  for (const { answer } of waiting) expect(await answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
  gate.open();
  await expectTrue(jobs);
  expect(await world.executions()).toHaveLength(2);
  expect(await jobs.cancel(scope, jobId)).toMatchObject({ state: "CANCELLED" });
});

test("a job that has succeeded is not cancelled any more", async () => {
  const jobs = newProcess();
  const jobId = await jobIdOf(jobs);
  gate.open();
  await expectTrue(jobs);
  expect(await jobs.cancel(scope, jobId)).toMatchObject({
    state: "SUCCEEDED",
    progress: 1,
    error: null,
  });
  await expectTrue(world.process());
});

test("who follows a job wants it, sees how it ends, and may stop following while nothing happens", async () => {
  const [jobs, other] = [newProcess({ pendingMs: 5_000 }), newProcess()];
  const jobId = await jobIdOf(jobs);
  const followed: AdHocJob[] = [];
  const following = (async () => {
    for await (const job of other.watch(scope, jobId)) followed.push(job);
  })();
  const asleep = jobs.watch(scope, jobId);
  await asleep.next();
  await running();
  await interested(2);
  const sleeping = (async () => {
    while (!(await asleep.next()).done);
  })();
  await asleep.return!();
  await sleeping;
  await interested(1);
  world.now += 6_000; // nobody was told that it is pending any more
  await interested(1);
  gate.open();
  await following;
  expect(followed.at(-1)).toMatchObject({ id: jobId, state: "SUCCEEDED", progress: 1 });
  expect(followed.map(({ state }) => state)).toContain("RUNNING");
  const [execution] = await world.executions();
  expect(followed.at(-1)!.bytesScanned).toBe(execution!.Statistics!.DataScannedInBytes);
  const shares = followed.filter(({ state }) => state === "RUNNING").map(({ progress }) => progress ?? 0);
  expect(Math.max(...shares)).toBeLessThan(1);
});

test("a process that closes stops what nobody else wants, and leaves the rest to others", async () => {
  const [closing, staying] = [newProcess(), newProcess()];
  const alone = leaver(closing, 1);
  const wanted = leaver(closing, 2);
  const other = leaver(staying, 2);
  await expect.poll(states, patience).toEqual(["RUNNING", "RUNNING"]);
  const waits = async () =>
    (await documents()).reduce((sum, { interest }) => sum + Object.keys(interest).length, 0);
  await expect.poll(waits, patience).toBe(3);
  await closing.close();
  expect((await states()).sort()).toEqual(["CANCELLED", "RUNNING"]);
  expect(await alone.answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
  gate.open();
  const answer = await other.answer;
  if (answer instanceof Error) throw answer;
  expect(Object.fromEntries(answer!.buckets.get(0)!)).toEqual(await world.truth(2));
  expect(gate.started).toHaveLength(2);
  expect(await wanted.answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
});

test("what was stopped is charged with what it has scanned, and nothing stays set aside", async () => {
  const jobs = newProcess();
  const asker = leaver(jobs);
  await running();
  asker.leave();
  await asker.answer;
  const budgets = () => world.documents<BudgetDocument>("budget", scope);
  const [execution] = await world.executions();
  await expect
    .poll(budgets, patience)
    .toEqual([{ spent: execution!.Statistics!.DataScannedInBytes, reserved: {} }]);
});
