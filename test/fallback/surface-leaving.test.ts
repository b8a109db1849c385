/** What becomes of an Athena execution when its clients leave, do not wait, come back or cancel it: over real sockets. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Gateway } from "../../src/server/gateway.ts";
import { type Answer, connect, post, type Socket, subscribe } from "../server/gateway-fixture.ts";
import { days, firstDay, startWorld, type World } from "./surface-world.ts";

let world: World;
let first: Gateway;
let second: Gateway;

beforeAll(async () => {
  world = await startWorld();
  [first, second] = world.gateways;
});
afterAll(() => world?.close());
beforeEach(() => world.forget());

const patience = { interval: 20, timeout: 50_000 };
let asked = 0;

/** About the parcels before a day, in words that nobody has used yet, beside what is stored. All days take seconds. */
function question(day: number = days): string {
  const to = new Date(Date.parse(`${firstDay}T00:00:00Z`) + day * 86_400_000).toISOString();
  return `{ stored: parcelTraffic { parcels }
    asked: parcelTraffic(where: { weight: { gte: ${-++asked} } }, range: { from: "${firstDay}T00:00:00Z", to: "${to}" }) { countedGrams } }`;
}

const parcels = days * 100_000;
const answered = (grams: number) => ({ stored: { parcels }, asked: { countedGrams: grams } });
const withoutGrams = { stored: { parcels }, asked: { countedGrams: null } };
const states = async () => (await world.executions()).map(({ Status }) => Status?.State);

async function expectRunning(): Promise<void> {
  await expect.poll(states, patience).toEqual(["RUNNING"]);
}

/** A request that can be given up. */
function ask(gateway: Gateway, query: string): { answer: Promise<Response>; leave: () => void } {
  const leaving = new AbortController();
  const answer = fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
    signal: leaving.signal,
  });
  answer.catch(() => {});
  return { answer, leave: () => leaving.abort() };
}

describe("when the last one who asked has left, the execution is stopped", () => {
  test("a request is given up", async () => {
    const { answer, leave } = ask(first, question());
    await expectRunning();
    leave();
    await expect(answer).rejects.toThrow("aborted");
    await expect.poll(states, patience).toEqual(["CANCELLED"]);
  });

  test.each(["completed", "closed"])("a query over WebSocket is %s", async (how) => {
    const socket = await connect(first);
    socket.say(subscribe("1", question()));
    await expectRunning();
    if (how === "completed") socket.say({ type: "complete", id: "1" });
    else socket.close();
    await expect.poll(states, patience).toEqual(["CANCELLED"]);
    socket.close();
  });

  test("it goes on for one who has asked another gateway, and is the only one", async () => {
    const query = question();
    const leaving = ask(first, query);
    await expectRunning();
    const staying = post(second, { query });
    await expect.poll(world.waiting, patience).toBe(2);
    leaving.leave();
    expect((await staying).answer.data).toEqual(answered(await world.gramsUntil(days)));
    expect(await states()).toEqual(["SUCCEEDED"]);
  });

  test("asked again it runs again, and is right", async () => {
    const query = question();
    const { leave } = ask(first, query);
    await expectRunning();
    leave();
    await expect.poll(states, patience).toEqual(["CANCELLED"]);
    const { answer } = await post(second, { query });
    expect(answer.data).toEqual(answered(await world.gramsUntil(days)));
    expect(await states()).toEqual(["CANCELLED", "SUCCEEDED"]);
  });
});

describe("a field that is AD_HOC_PENDING", () => {
  test("has a job that every gateway knows, from RUNNING to SUCCEEDED; then it is there", async () => {
    const query = question();
    const id = await pending(first, query);
    const socket = await connect(second);
    socket.say(subscribe("1", `subscription { adHocJobUpdated(id: "${id}") ${fields} }`));
    const jobs = await untilComplete(socket);
    expectIncreasing(jobs);
    expect(jobs.map(({ state }) => state)).toContain("RUNNING");
    expect(jobs.at(-1)).toMatchObject({ id, state: "SUCCEEDED", error: null });
    expect(jobs.at(-1)!.bytesScanned).toBeGreaterThan(0);
    expect(await jobOf(second, id)).toEqual(jobs.at(-1));

    for (const gateway of world.gateways) {
      const { answer } = await post(gateway, { query }, { "sluice-ad-hoc-wait": "0" });
      expect(answer.data).toEqual(answered(await world.gramsUntil(days)));
    }
    expect(await states()).toEqual(["SUCCEEDED"]);
    socket.close();
  });

  test("goes on when its socket closes", async () => {
    const socket = await connect(first, { headers: { "sluice-ad-hoc-wait": "0" } });
    const query = question(5);
    socket.say(subscribe("1", query));
    const { payload } = await socket.next();
    expect((payload as Answer).data).toEqual({ ...withoutGrams });
    const id = jobIdOf(payload as Answer);
    socket.close();
    await socket.closed;
    await expect.poll(async () => (await jobOf(second, id))?.state, patience).toBe("SUCCEEDED");
    expect((await post(second, { query })).answer.data).toEqual(answered(await world.gramsUntil(5)));
    expect(await states()).toEqual(["SUCCEEDED"]);
  });

  test("is so by the gateway's own setting; a header makes no wait longer", async () => {
    const hasty = await world.open({ SLUICE_AD_HOC_WAIT_MS: "0" });
    const id = await pending(hasty, question(5), { "sluice-ad-hoc-wait": "60000" });
    await expect.poll(async () => (await jobOf(first, id))?.state, patience).toBe("SUCCEEDED");
  });
});

describe("cancelAdHocJob", () => {
  test("stops it for whoever waits, at any gateway; asked again it runs again", async () => {
    const query = question();
    const waiting = [post(first, { query })];
    await expectRunning();
    waiting.push(post(second, { query }));
    await expect.poll(world.waiting, patience).toBe(2);
    const id = await pending(first, query);
    const cancel = `mutation { cancelAdHocJob(id: "${id}") { id state } }`;
    expect((await post(second, { query: cancel })).answer).toEqual({
      data: { cancelAdHocJob: { id, state: "CANCELLED" } },
    });
    for (const { answer } of await Promise.all(waiting)) {
      expect(answer.data).toEqual(withoutGrams);
      expect(answer.errors).toMatchObject([{ extensions: { code: "AD_HOC_CANCELLED" } }]);
    }
    await expect.poll(states, patience).toEqual(["CANCELLED"]);
    expect(await jobOf(first, id)).toMatchObject({
      state: "CANCELLED",
      error: "Athena's computation of this field was cancelled. Ask again.",
    });
    const again = await post(first, { query });
    expect(again.answer.data).toEqual(answered(await world.gramsUntil(days)));
    expect(await states()).toEqual(["CANCELLED", "SUCCEEDED"]);
  });

  test("leaves one that is over as it is", async () => {
    const query = question(1);
    const id = await pending(first, query);
    await expect.poll(async () => (await jobOf(first, id))?.state, patience).toBe("SUCCEEDED");
    const { answer } = await post(first, { query: `mutation { cancelAdHocJob(id: "${id}") { state } }` });
    expect(answer.data).toEqual({ cancelAdHocJob: { state: "SUCCEEDED" } });
    expect((await post(first, { query })).answer.data).toEqual(answered(await world.gramsUntil(1)));
    expect(await states()).toEqual(["SUCCEEDED"]);
  });
});

test("there is no job of an id that nobody was given", async () => {
  const { answer } = await post(first, {
    query: `mutation { cancelAdHocJob(id: "none") { id } }`,
  });
  expect(answer).toEqual({ data: { cancelAdHocJob: null } });
  expect(await jobOf(first, "none")).toBeNull();
  const socket = await connect(first);
  socket.say(subscribe("1", `subscription { adHocJobUpdated(id: "none") ${fields} }`));
  expect(await untilComplete(socket)).toEqual([null]);
  socket.close();
});

test.each(["completed", "closed"])(
  "a job that is followed is let go when the subscription is %s",
  async (how) => {
    const brief = await world.open({ SLUICE_AD_HOC_LEASE: "PT0S", SLUICE_AD_HOC_WAIT_MS: "60000" });
    const query = question();
    const { leave } = ask(brief, query);
    await expectRunning();
    const id = await pending(brief, query);
    const socket = await connect(brief);
    socket.say(subscribe("1", `subscription { adHocJobUpdated(id: "${id}") ${fields} }`));
    await socket.next();
    leave();
    if (how === "completed") socket.say({ type: "complete", id: "1" });
    else socket.close();
    await expect.poll(states, patience).toEqual(["CANCELLED"]);
    socket.close();
  },
);

test("a budget that does not reach is AD_HOC_BUDGET_EXCEEDED before anything runs", async () => {
  const poor = await world.open({ SLUICE_AD_HOC_BUDGET: "1B" });
  const { answer } = await post(poor, { query: question(1) });
  expect(answer.data).toEqual(withoutGrams);
  expect(answer.errors).toMatchObject([
    { path: ["asked", "countedGrams"], extensions: { code: "AD_HOC_BUDGET_EXCEEDED" } },
  ]);
  expect(await states()).toEqual([]);
});

test("an execution beyond SLUICE_AD_HOC_TIMEOUT is stopped: AD_HOC_TIMEOUT", async () => {
  const strict = await world.open({ SLUICE_AD_HOC_TIMEOUT: "PT1S", SLUICE_AD_HOC_WAIT_MS: "60000" });
  const { answer } = await post(strict, { query: question() });
  expect(answer.data).toEqual(withoutGrams);
  expect(answer.errors).toMatchObject([
    {
      message: "Athena took too long for this field. Ask for a shorter range.",
      extensions: { code: "AD_HOC_TIMEOUT" },
    },
  ]);
  await expect.poll(states, patience).toEqual(["CANCELLED"]);
});

const fields = "{ id state progress bytesScanned submittedAt error }";

interface Job {
  readonly id: string;
  readonly state: "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
  readonly progress: number | null;
  readonly bytesScanned: number | null;
  readonly submittedAt: string;
  readonly error: string | null;
}

async function jobOf(gateway: Gateway, id: string): Promise<Job | null> {
  const { answer } = await post(gateway, { query: `{ adHocJob(id: "${id}") ${fields} }` });
  expect(answer.errors).toBeUndefined();
  return (answer.data as { adHocJob: Job | null }).adHocJob;
}

/** Asks without waiting. Resolves to the id of the job. */
async function pending(
  gateway: Gateway,
  query: string,
  headers: Record<string, string> = { "sluice-ad-hoc-wait": "0" },
): Promise<string> {
  const { status, answer } = await post(gateway, { query }, headers);
  expect(status).toBe(200);
  expect(answer.data).toEqual(withoutGrams);
  return jobIdOf(answer);
}

function jobIdOf({ errors }: Answer): string {
  expect(errors).toMatchObject([
    {
      path: ["asked", "countedGrams"],
      extensions: { code: "AD_HOC_PENDING", jobId: expect.any(String) as string },
    },
  ]);
  return errors![0]!.extensions.jobId!;
}

async function untilComplete(socket: Socket): Promise<Job[]> {
  const jobs: Job[] = [];
  for (;;) {
    const { type, payload } = await socket.next();
    if (type === "complete") return jobs;
    expect(type).toBe("next");
    jobs.push((payload as { data: { adHocJobUpdated: Job } }).data.adHocJobUpdated);
  }
}

const order = ["QUEUED", "RUNNING", "SUCCEEDED"];

function expectIncreasing(jobs: readonly Job[]): void {
  const reached = jobs.map(({ state }) => order.indexOf(state));
  expect(reached).toEqual([...reached].sort((a, b) => a - b));
  const progress = jobs.flatMap((job) => job.progress ?? []);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(new Set(jobs.map((job) => JSON.stringify(job))).size).toBe(jobs.length);
}
