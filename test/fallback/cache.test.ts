/** An answer stays while the partitions that it was read from do, for its tenant, in every process. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buckets } from "../../cloud/resources.ts";
import type { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import type { QuestionDocument } from "../../src/model/ad-hoc-job.ts";
import { analystScope } from "../../src/model/scope.ts";
import { nextOrderActivity } from "../batch/next-orders.ts";
import { orderActivity } from "../batch/orders.ts";
import { all, day, days, tenant, World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

const patient = { waitMs: 600_000 };

async function expectTrue(
  jobs: AdHocJobs,
  least: number,
  range = all,
  product = orderActivity,
): Promise<void> {
  const [answer] = await jobs.answer(analystScope, [world.ask(least, range, product)], patient);
  if (answer instanceof Error) throw answer;
  expect(Object.fromEntries(answer!.buckets.get(0) ?? [])).toEqual(await world.truth(least, range));
}

test("another process, or the same after a restart, has the answer without asking Athena", async () => {
  await expectTrue(world.process(), 1);
  expect(await world.executions()).toHaveLength(1);
  const restarted = world.process();
  await expectTrue(restarted, 1);
  await expectTrue(restarted, 1);
  expect(await world.executions()).toHaveLength(1);
});

test("the order of fields makes no difference, another filter, range or aggregate does", async () => {
  const jobs = world.process();
  const ask = world.ask(1);
  const reversed = { ...ask, aggregates: ask.aggregates.toReversed() };
  await jobs.answer(analystScope, [reversed], patient);
  expect(await world.executions()).toHaveLength(1);
  await jobs.answer(analystScope, [{ ...ask, aggregates: ask.aggregates.slice(1) }], patient);
  await expectTrue(jobs, 2);
  await expectTrue(jobs, 1, day(days[0]));
  expect(await world.executions()).toHaveLength(4);
});

test("a refresh of a partition that was read is a miss, of another one a hit", async () => {
  const jobs = world.process();
  const [first, , last] = days;
  await expectTrue(jobs, 3, day(first));
  await expectTrue(jobs, 3, day(last));
  await world.write(last, 50, 9);
  await world.refresh();
  await expectTrue(jobs, 3, day(first));
  expect(await world.executions()).toHaveLength(0);
  await expectTrue(jobs, 3, day(last));
  await expectTrue(world.process(), 3, day(last));
  expect(await world.executions()).toHaveLength(1);
});

test("products of one source have one answer", async () => {
  await world.refresh(nextOrderActivity);
  await expectTrue(world.process(), 6, all, nextOrderActivity);
  expect(await world.executions()).toHaveLength(1);
  await expectTrue(world.process(), 6, all, nextOrderActivity);
  expect(await world.executions()).toHaveLength(1);
});

test("what Athena no longer has is computed again", async () => {
  await expectTrue(world.process(), 7);
  const executions = await world.executions();
  const result = executions.at(-1)!.ResultConfiguration!.OutputLocation!;
  await rm(path.join(world.cloud.lakeFolder, "../..", "s3", result.slice("s3://".length)));
  expect(result).toContain(buckets.results);
  await expectTrue(world.process(), 7);
  expect(await world.executions()).toHaveLength(executions.length + 1);
  const claims = await world.documents<QuestionDocument>("question");
  expect(claims.filter(({ attempt }) => attempt === 2)).toHaveLength(1);
});

test("an answer is its tenant's: another one's execution is another, and its job is not there", async () => {
  const before = (await world.executions()).length;
  const jobs = world.process();
  // as parts of a key they could be taken for each other's
  const [mine, theirs] = [tenant("a#b"), tenant("a")];
  await Promise.all([mine, theirs].map((scope) => jobs.answer(scope, [world.ask(8)], patient)));
  expect(await world.executions()).toHaveLength(before + 2);
  const [pending] = await jobs.answer(mine, [world.ask(9)], { waitMs: 0 });
  const { jobId } = pending as unknown as { jobId: string };
  expect(await jobs.job(mine, jobId)).toMatchObject({ id: jobId });
  for (const process of [jobs, world.process()]) {
    expect(await process.job(theirs, jobId)).toBeNull();
    expect(await process.cancel(theirs, jobId)).toBeNull();
    const updates = [];
    for await (const update of process.watch(theirs, jobId)) updates.push(update);
    expect(updates).toEqual([]);
    expect(await process.job(mine, "no such job")).toBeNull();
    expect(await process.job(mine, "../x#y")).toBeNull();
  }
  expect(await jobs.job(mine, jobId)).not.toMatchObject({ state: "CANCELLED" });
});

test("what does not fit into memory is read again, not computed", async () => {
  const jobs = world.process({ limits: { cachedCells: 1 } });
  for (const least of [1, 2]) await expectTrue(jobs, least);
  const before = (await world.executions()).length;
  for (const least of [1, 2]) await expectTrue(jobs, least);
  expect(await world.executions()).toHaveLength(before);
});
