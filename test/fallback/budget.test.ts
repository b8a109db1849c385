/** What a tenant may scan a day: an estimate is set aside before the start, the truth is charged after the end. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import type { BudgetDocument } from "../../src/model/ad-hoc-job.ts";
import { estimateBytes } from "../../src/sql/estimate.ts";
import { orderActivity } from "../batch/orders.ts";
import { all, day, days, tenant, World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

const patient = { waitMs: 3_600_000 };
const { source } = orderActivity;

const estimate = async (range = all) =>
  estimateBytes(source, ["quantity"], Object.values(await world.ask(0).partitions(range)));

const budgetOf = async (name: string): Promise<BudgetDocument | undefined> => {
  const item = [...(await world.cloud.items("sluice-jobs"))].find(([key]) =>
    key.startsWith(`budget#${name} `),
  );
  return item && (JSON.parse(item[1]["d"]!) as BudgetDocument);
};

const ask = async (jobs: AdHocJobs, name: string, least: number, range = all) =>
  (await jobs.answer(tenant(name), [world.ask(least, range)], patient))[0];

test("the estimate is near the truth, and less for less columns and for fewer partitions", async () => {
  const jobs = world.process();
  const answer = await ask(jobs, "near", 1);
  if (answer instanceof Error) throw answer;
  expect(await estimate()).toBeGreaterThan(answer!.bytesScanned / 3);
  expect(await estimate()).toBeLessThan(answer!.bytesScanned * 3);
  const partitions = Object.values(await world.ask(0).partitions(all));
  expect(partitions).toHaveLength(days.length);
  const whole = estimateBytes(
    source,
    source.columns.map(({ property }) => property),
    partitions,
  );
  expect(whole).toBe(partitions.reduce((sum, { bytes }) => sum + bytes!, 0));
  expect(await estimate()).toBeLessThan(whole);
  expect(await estimate(day(days[0]))).toBeLessThan(await estimate());
  // pages of older refreshes say nothing of bytes: rows and the widths of columns do
  expect(estimateBytes(source, ["quantity"], [{ rows: 100 }])).toBe(1_600);
});

test("what is charged is what Athena says, once", async () => {
  const jobs = world.process();
  const answers = [
    await ask(jobs, "charged", 1),
    await ask(jobs, "charged", 2),
    await ask(world.process(), "charged", 1),
  ];
  const [one, two] = answers.map((answer) => {
    if (answer instanceof Error) throw answer;
    return answer!.bytesScanned;
  });
  expect(one).toBeGreaterThan(0);
  await expect.poll(() => budgetOf("charged")).toEqual({ spent: one! + two!, reserved: {} });
});

test("what would exceed the budget is refused before it starts, by what is asked, what is left and when there is more", async () => {
  const needed = await estimate();
  const jobs = world.process({ limits: { bytesPerDay: needed + 10 } });
  expect(await ask(jobs, "poor", 1)).not.toBeInstanceOf(Error);
  await expect.poll(async () => (await budgetOf("poor"))?.reserved).toEqual({});
  const before = (await world.executions()).length;
  const refused = await ask(jobs, "poor", 2);
  expect(refused).toMatchObject({ code: "AD_HOC_BUDGET_EXCEEDED" });
  expect((refused as Error).message).toMatch(/about [\d.]+ kB.* are left of today.*midnight UTC/);
  expect(await world.executions()).toHaveLength(before);
  // what is known costs nothing, and another tenant has a budget of its own
  expect(await ask(jobs, "poor", 1)).not.toBeInstanceOf(Error);
  expect(await ask(jobs, "rich", 2)).not.toBeInstanceOf(Error);
  world.now += 86_400_000;
  expect(await ask(jobs, "poor", 2)).not.toBeInstanceOf(Error);
});

test("what is set aside for others counts", async () => {
  const needed = await estimate();
  const jobs = world.process({ limits: { bytesPerDay: needed * 1.5 } });
  const both = await Promise.all([ask(jobs, "two", 1), ask(jobs, "two", 2)]);
  expect(both.filter((answer) => answer instanceof Error)).toMatchObject([
    { code: "AD_HOC_BUDGET_EXCEEDED" },
  ]);
});

test("what a request asks that is over the budget fails alone, also where another one asks the rest", async () => {
  const small = await estimate(day(days[0]));
  expect(await estimate()).toBeGreaterThan(small);
  const jobs = world.process({ limits: { bytesPerDay: small } });
  const asks = [world.ask(1), world.ask(2, day(days[0])), world.ask(3)];
  const [both, joined] = await Promise.all([
    jobs.answer(tenant("sibling"), asks, patient),
    ask(jobs, "sibling", 2, day(days[0])),
  ]);
  for (const refused of [both[0], both[2]]) expect(refused).toMatchObject({ code: "AD_HOC_BUDGET_EXCEEDED" });
  const truth = await world.truth(2, day(days[0]));
  for (const answer of [both[1], joined]) {
    if (answer instanceof Error) throw answer;
    expect(Object.fromEntries(answer!.buckets.get(0)!)).toEqual(truth);
  }
});

test("questions that the budget is enough for one by one, but not together, are not refused together", async () => {
  const first = await estimate(day(days[0]));
  const second = await estimate(day(days[1]));
  const jobs = world.process({ limits: { bytesPerDay: Math.max(first, second) } });
  const asks = [world.ask(1, day(days[0])), world.ask(1, day(days[1]))];
  const answers = await jobs.answer(tenant("together"), asks, patient);
  expect(answers.filter((answer) => !(answer instanceof Error)).length).toBeGreaterThan(0);
});
