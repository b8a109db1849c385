/** Whoever asks the same at the same time, in whatever process, waits for one execution; distinct ones take turns. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AdHocAnswer } from "../../src/loaders/ad-hoc/answers.ts";
import { FairQueue } from "../../src/loaders/ad-hoc/queue.ts";
import type { ExecutionDocument, SlotsDocument } from "../../src/model/ad-hoc-job.ts";
import { analystScope } from "../../src/model/scope.ts";
import { dimensionValuesStatement } from "../../src/sql/dimension-values.ts";
import { orderActivity } from "../batch/orders.ts";
import { all, day, days, Gate, patience, tenant, World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

const patient = { waitMs: 600_000 };

/** The aggregates of a question over its whole range. */
const numbers = (answer: AdHocAnswer | Error | undefined) => {
  if (answer === undefined || answer instanceof Error) throw answer ?? new Error("No answer.");
  return Object.fromEntries(answer.buckets.get(0) ?? []);
};

test("a thousand who ask the same of two processes have one execution", async () => {
  const processes = [world.process(), world.process()];
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => processes[i % 2]!.answer(analystScope, [world.ask(10)], patient)),
  );
  const truth = await world.truth(10);
  expect(truth["count(*)"]).toBeGreaterThan(0);
  for (const [answer] of answers) expect(numbers(answer)).toEqual(truth);
  expect(await world.states()).toEqual(["SUCCEEDED"]);
});

test("what one request asks is one statement, without what is known or being asked already", async () => {
  await world.refresh();
  const before = (await world.executions()).length;
  const [one, other] = [world.process(), world.process()];
  const leasts = [11, 12, 13, 14];
  await one.answer(analystScope, [world.ask(11)], patient);
  const both = await Promise.all([
    one.answer(
      analystScope,
      leasts.map((least) => world.ask(least)),
      patient,
    ),
    other.answer(
      analystScope,
      leasts.toReversed().map((least) => world.ask(least)),
      patient,
    ),
  ]);
  const truths = await Promise.all(leasts.map((least) => world.truth(least)));
  expect(both[0].map(numbers)).toEqual(truths);
  expect(both[1].map(numbers)).toEqual(truths.toReversed());
  const asked = (await world.executions()).slice(before);
  // each of 12, 13 and 14 stands in one statement, and no process made two
  expect(asked.length).toBeLessThanOrEqual(3);
  const literals = asked.flatMap(({ ExecutionParameters = [] }) =>
    ExecutionParameters.filter((parameter) => /^\d+$/.test(parameter)),
  );
  expect(literals.sort()).toEqual(["11", "12", "13", "14"]);
});

test("the values of a dimension are asked once, by whomever", async () => {
  const before = (await world.executions()).length;
  const column = orderActivity.dimensions.find(({ property }) => property === "country")!;
  const coverage = { from: all.from, until: all.to };
  const { source } = orderActivity;
  const { sql, parameters } = dimensionValuesStatement(source, column, coverage, null, 100);
  const { partitions } = world.ask(0);
  const asked = { source, sql, parameters, range: all, properties: ["country"], partitions };
  const rows = await Promise.all(
    [world.process(), world.process()].map((jobs) => jobs.rows(analystScope, asked, patient)),
  );
  const result = await world.cloud.duck.runAndReadAll(
    `SELECT DISTINCT "Country ""$""" FROM read_parquet('${world.orders}/*/*.parquet') WHERE "Country ""$""" IS NOT NULL ORDER BY 1`,
  );
  for (const each of rows) expect(each).toEqual(result.getRows());
  expect(await world.executions()).toHaveLength(before + 1);
});

test("distinct ones of two processes never exceed the concurrency, as Athena sees it", async () => {
  await world.refresh();
  const limits = { concurrency: 2 };
  const processes = [world.process({ limits }), world.process({ limits })];
  const leasts = Array.from({ length: 20 }, (_, i) => 40 + i);
  const answers = await Promise.all(
    leasts.map((least, i) => processes[i % 2]!.answer(analystScope, [world.ask(least)], patient)),
  );
  for (const [i, [answer]] of answers.entries())
    expect(answer instanceof Error ? answer : (answer!.buckets.get(0)?.get("count(*)") ?? 0)).toEqual(
      (await world.truth(leasts[i]!))["count(*)"],
    );
  const executions = await world.executions();
  expect(executions).toHaveLength(20);
  const edges = executions.flatMap(({ Status }) => [
    { at: Status!.SubmissionDateTime!.getTime(), step: 1 },
    { at: Status!.CompletionDateTime!.getTime(), step: -1 },
  ]);
  edges.sort((a, b) => a.at - b.at || a.step - b.step);
  let running = 0;
  expect(Math.max(...edges.map(({ step }) => (running += step)))).toBeLessThanOrEqual(2);
});

test("a tenant who asks little is not behind all that another asks", async () => {
  await world.refresh();
  const gate = new Gate();
  const jobs = world.process({ limits: { concurrency: 1 }, executions: gate.executions });
  const [busy, modest] = [tenant("busy"), tenant("modest")];
  const waiting = [jobs.answer(busy, [world.ask(100)], patient)];
  await expect.poll(() => gate.started.length, patience).toBe(1);
  for (const least of [101, 102, 103, 104, 105]) waiting.push(jobs.answer(busy, [world.ask(least)], patient));
  const queued = async () => {
    const documents = [busy, modest].map((scope) => world.documents<ExecutionDocument>("execution", scope));
    return (await Promise.all(documents)).flat().filter(({ state }) => state === "QUEUED").length;
  };
  await expect.poll(queued, patience).toBe(5);
  for (const least of [201, 202]) waiting.push(jobs.answer(modest, [world.ask(least)], patient));
  await expect.poll(queued, patience).toBe(7);
  gate.open();
  await Promise.all(waiting);
  const order = gate.started.map((parameters) => Number(/\b(?:10\d|20\d|100)\b/.exec(parameters)![0]));
  expect(order.slice(-2).every((least) => least < 200)).toBe(true);
  expect(order).toHaveLength(8);
});

test("a process with little to do is not behind all that another one has to", async () => {
  await world.refresh();
  const gate = new Gate();
  const open = () => world.process({ limits: { concurrency: 1 }, executions: gate.executions });
  const [busy, idle] = [open(), open()];
  const waiting = [busy.answer(analystScope, [world.ask(110)], patient)];
  await expect.poll(() => gate.started.length, patience).toBe(1);
  for (const least of [111, 112, 113, 114, 115])
    waiting.push(busy.answer(analystScope, [world.ask(least)], patient));
  const inLine = async () => {
    const slots = (await world.cloud.items("sluice-jobs")).get("slots holders")!;
    return Object.keys((JSON.parse(slots["d"]!) as SlotsDocument).waiting).length;
  };
  await expect.poll(inLine, patience).toBe(1);
  waiting.push(idle.answer(analystScope, [world.ask(210)], patient));
  await expect.poll(inLine, patience).toBe(2);
  world.now += 1_000;
  gate.open();
  await Promise.all(waiting);
  const order = gate.started.map((parameters) => Number(/\b(?:11\d|210)\b/.exec(parameters)![0]));
  expect(order).toHaveLength(7);
  expect(order.indexOf(210)).toBeLessThanOrEqual(2);
});

test("tenants take turns, each one's entries come in their order", () => {
  const queue = new FairQueue<string>();
  for (const entry of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.join(entry[0]!, entry);
  const order: string[] = [];
  for (let i = 0; i < 3; i++) order.push(queue.next()!);
  queue.join("d", "d1");
  queue.join("a", "a4");
  for (let next = queue.next(); next !== null; next = queue.next()) order.push(next);
  expect(order).toEqual(["a1", "b1", "c1", "a2", "c2", "d1", "a3", "a4"]);
});

test("a question over one day reads that day", async () => {
  await world.refresh();
  const [answer] = await world.process().answer(analystScope, [world.ask(5, day(days[1]))], patient);
  expect(numbers(answer)).toEqual(await world.truth(5, day(days[1])));
});
