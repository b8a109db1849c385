/** Whatever Athena does, whoever waits is told so by its own code, in every process. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { StopQueryExecutionCommand, AthenaClient } from "@aws-sdk/client-athena";
import type { ExecutionStatus, Executions } from "../../src/backends/warehouse.ts";
import type { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import type { BudgetDocument, ExecutionDocument } from "../../src/model/ad-hoc-job.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { analystScope } from "../../src/model/scope.ts";
import { Gate, patience, World } from "./world.ts";

let world: World;
/** Every test asks something that no other one has asked. */
let least = 0;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());
beforeEach(() => {
  least++;
});

const patient = { waitMs: 3_600_000 };

const ask = async (jobs: AdHocJobs) => (await jobs.answer(analystScope, [world.ask(least)], patient))[0];

/** What is refused so often before it is let through. */
function refusing(
  times: number,
  error: () => Error,
): { executions: (real: Executions) => Executions; count: () => number } {
  let refused = 0;
  return {
    count: () => refused,
    executions: (real) => ({
      ...real,
      start: async (statement, token) => {
        if (refused === times) return real.start(statement, token);
        refused++;
        throw error();
      },
    }),
  };
}

const ends =
  (status: Partial<ExecutionStatus>) =>
  (real: Executions): Executions => ({
    ...real,
    look: async (queryId) => {
      const seen = await real.look(queryId);
      return seen?.state === "SUCCEEDED" ? { ...seen, ...status } : seen;
    },
  });

const throttled = () => new SluiceError("AD_HOC_THROTTLED", "Busy.");

test("a start that is throttled for a while is tried again", async () => {
  const { executions, count } = refusing(3, throttled);
  const answer = await ask(world.process({ executions }));
  expect(answer).not.toBeInstanceOf(Error);
  expect(count()).toBe(3);
});

test("a start that is throttled for long is AD_HOC_THROTTLED, and asked again it may run", async () => {
  const { executions, count } = refusing(Infinity, throttled);
  expect(await ask(world.process({ executions }))).toMatchObject({ code: "AD_HOC_THROTTLED" });
  expect(count()).toBeLessThan(20);
  expect(await ask(world.process())).not.toBeInstanceOf(Error);
});

test("a start whose answer is lost is repeated, and is one execution", async () => {
  const before = (await world.executions()).length;
  let lost = 0;
  const executions = (real: Executions): Executions => ({
    ...real,
    start: async (statement, token) => {
      const queryId = await real.start(statement, token);
      if (++lost < 3) throw new SluiceError("BACKEND_UNAVAILABLE", "No answer.");
      return queryId;
    },
  });
  expect(await ask(world.process({ executions }))).not.toBeInstanceOf(Error);
  expect(await world.executions()).toHaveLength(before + 1);
});

test("a statement that fails is AD_HOC_FAILED for all who waited, with Athena's reason as the cause, and runs again", async () => {
  const reason = `SECRET: "${least}"`;
  const gate = new Gate();
  const executions = (real: Executions) => ends({ state: "FAILED", reason })(gate.executions(real));
  const [one, other] = [world.process({ executions }), world.process({ executions })];
  const waiting = [ask(one), ask(one), ask(other)];
  const waits = async () =>
    (await world.documents<ExecutionDocument>("execution"))
      .filter(({ state }) => state === "RUNNING")
      .map(({ interest }) => Object.keys(interest).length);
  await expect.poll(waits, patience).toEqual([2]);
  gate.open();
  for (const each of await Promise.all(waiting)) {
    expect(each).toMatchObject({ code: "AD_HOC_FAILED" });
    expect((each as Error).message).not.toContain("SECRET");
    expect(String((each as Error).cause)).toContain(reason);
  }
  expect(await ask(world.process())).not.toBeInstanceOf(Error);
});

test("a statement that Athena refuses is AD_HOC_FAILED", async () => {
  const { executions } = refusing(1, () => new SluiceError("AD_HOC_FAILED", "No."));
  expect(await ask(world.process({ executions }))).toMatchObject({ code: "AD_HOC_FAILED" });
});

test("one that somebody else stops at Athena is AD_HOC_CANCELLED", async () => {
  const release = await world.occupy();
  const answer = ask(world.process());
  await expect.poll(async () => (await world.states()).at(-1), patience).toBe("QUEUED");
  const [execution] = (await world.executions()).slice(-1);
  const athena = new AthenaClient({
    endpoint: world.cloud.endpoints.athena,
    region: "eu-central-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  await athena.send(new StopQueryExecutionCommand({ QueryExecutionId: execution!.QueryExecutionId! }));
  expect(await answer).toMatchObject({ code: "AD_HOC_CANCELLED" });
  await release();
});

test("one that takes too long is AD_HOC_TIMEOUT and stopped", async () => {
  const release = await world.occupy();
  const answer = ask(world.process({ limits: { maxRunMs: 20_000 } }));
  await expect.poll(async () => (await world.states()).at(-1), patience).toBe("QUEUED");
  world.now += 20_001;
  expect(await answer).toMatchObject({ code: "AD_HOC_TIMEOUT" });
  await expect.poll(async () => (await world.states()).at(-1), patience).toBe("CANCELLED");
  await release();
});

test("a store that does not answer is BACKEND_UNAVAILABLE, and no other question suffers", async () => {
  const jobs = world.process();
  const broken = {
    ...world.ask(least),
    partitions: () => Promise.reject(new SluiceError("BACKEND_UNAVAILABLE", "Gone.")),
  };
  const [failed, answered] = await jobs.answer(analystScope, [broken, world.ask(least)], patient);
  expect(failed).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(answered).not.toBeInstanceOf(Error);
});

test("Athena that cannot be reached is BACKEND_UNAVAILABLE", async () => {
  const executions = (real: Executions): Executions => ({
    ...real,
    look: () => Promise.reject(new SluiceError("BACKEND_UNAVAILABLE", "No answer.")),
  });
  expect(await ask(world.process({ executions }))).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test("a question that fits into no statement is refused, and spoils no other one", async () => {
  const values = Array.from({ length: 400 }, (_, i) => `${i}${"x".repeat(1_000)}`);
  const large = world.ask(least);
  const question = { ...large.question, where: [{ op: "in" as const, column: "country", values }] };
  const [refused, answered] = await world
    .process()
    .answer(analystScope, [{ ...large, question }, world.ask(least)], patient);
  expect(refused).toMatchObject({ code: "BAD_USER_INPUT" });
  expect(answered).not.toBeInstanceOf(Error);
});

test("questions that fit into one statement are one, more are several", async () => {
  const before = (await world.executions()).length;
  const asks = Array.from({ length: 12 }, (_, i) => {
    const values = Array.from({ length: 50 }, (_each, k) => `${least} ${i} ${k}${"y".repeat(900)}`);
    const each = world.ask(least);
    return {
      ...each,
      question: { ...each.question, where: [{ op: "in" as const, column: "country", values }] },
    };
  });
  for (const answer of await world.process().answer(analystScope, asks, patient))
    expect(answer).toMatchObject({ buckets: new Map() });
  const made = (await world.executions()).length - before;
  expect(made).toBeGreaterThan(1);
  expect(made).toBeLessThan(asks.length);
});

test("of what failed nothing stays set aside", async () => {
  const left = async () =>
    (await world.documents<BudgetDocument>("budget")).flatMap(({ reserved }) => Object.keys(reserved));
  await expect.poll(left, patience).toEqual([]);
});
