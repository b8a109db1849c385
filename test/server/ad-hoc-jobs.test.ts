/** What clients see of ad-hoc jobs, and how they say how long they wait for them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { AdHocJob } from "../../src/model/ad-hoc-job.ts";
import { AdHocPendingError, type ErrorCode, SluiceError } from "../../src/model/errors.ts";
import { connect, type Fixture, post, startFixture, subscribe } from "./gateway-fixture.ts";

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.gateway.close());

const submittedAt = Date.UTC(2024, 0, 3, 2);
const queued: AdHocJob = {
  id: "j1",
  state: "QUEUED",
  progress: null,
  bytesScanned: null,
  submittedAt,
  error: null,
};
const running: AdHocJob = { ...queued, state: "RUNNING", progress: 0.25, bytesScanned: 4_000_000_000 };
const succeeded: AdHocJob = { ...running, state: "SUCCEEDED", progress: 1 };
const fields = "{ id state progress bytesScanned submittedAt error }";
const shown = (job: AdHocJob) => ({ ...job, submittedAt: "2024-01-03T02:00:00.000Z" });

beforeEach(() => {
  fixture.shop.jobs.clear();
  fixture.shop.failures.clear();
  fixture.askings.length = 0;
});

describe("a field that is AD_HOC_PENDING", () => {
  test("is null with the id of its job, beside its siblings", async () => {
    fixture.shop.failures.set("p90", new AdHocPendingError("j1"));
    const { status, answer } = await post(fixture.gateway, { query: "{ shopActivity { sales p90 } }" });
    expect(status).toBe(200);
    expect(answer.data).toEqual({ shopActivity: { sales: 4, p90: null } });
    expect(answer.errors).toMatchObject([
      { path: ["shopActivity", "p90"], message: expect.stringContaining("adHocJobUpdated") as string },
    ]);
    expect(answer.errors![0]!.extensions).toEqual({ code: "AD_HOC_PENDING", jobId: "j1" });
  });

  test("is so over WebSocket too", async () => {
    fixture.shop.failures.set("p90", new AdHocPendingError("j1"));
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", "{ shopActivity { sales p90 } }"));
    expect(await socket.next()).toMatchObject({
      type: "next",
      payload: {
        data: { shopActivity: { sales: 4, p90: null } },
        errors: [{ extensions: { code: "AD_HOC_PENDING", jobId: "j1" } }],
      },
    });
    socket.close();
  });
});

test("a budget that is used up says by how much", async () => {
  fixture.shop.failures.set("p90", new SluiceError("AD_HOC_BUDGET_EXCEEDED", "7 of 5 GB. Ask for less."));
  const { answer } = await post(fixture.gateway, { query: "{ shopActivity { sales p90 } }" });
  expect(answer.data).toEqual({ shopActivity: { sales: 4, p90: null } });
  expect(answer.errors).toMatchObject([
    { message: "7 of 5 GB. Ask for less.", extensions: { code: "AD_HOC_BUDGET_EXCEEDED" } },
  ]);
});

describe("adHocJob", () => {
  const ask = async (id: string) =>
    (
      await post(fixture.gateway, {
        query: `query ($id: ID!) { adHocJob(id: $id) ${fields} }`,
        variables: { id },
      })
    ).answer;

  test("is the job as it is now", async () => {
    fixture.shop.jobs.set("j1", [queued, running]);
    expect(await ask("j1")).toEqual({ data: { adHocJob: shown(running) } });
  });

  test("is null where there is none", async () => {
    expect(await ask("j2")).toEqual({ data: { adHocJob: null } });
  });

  test.each([
    ["AD_HOC_FAILED", "FAILED", "Athena could not compute this field."],
    ["AD_HOC_TIMEOUT", "FAILED", "Athena took too long for this field. Ask for a shorter range."],
    ["AD_HOC_THROTTLED", "FAILED", "Athena is busy. Ask again in a few seconds."],
    ["AD_HOC_CANCELLED", "CANCELLED", "Athena's computation of this field was cancelled. Ask again."],
    ["BACKEND_UNAVAILABLE", "FAILED", "A store is not reachable. Ask again in a few seconds."],
    ["INTERNAL", "FAILED", "Athena could not compute this field."],
  ] satisfies [ErrorCode, AdHocJob["state"], string][])(
    "says of %s what its field does",
    async (error, state, says) => {
      fixture.shop.jobs.set("j1", [{ ...running, state, error }]);
      expect((await ask("j1")).data).toMatchObject({ adHocJob: { state, error: says } });
      if (error === "INTERNAL") return;
      fixture.shop.failures.set("p90", new SluiceError(error, "SELECT secret"));
      const { answer } = await post(fixture.gateway, { query: "{ shopActivity { p90 } }" });
      expect(answer.errors).toMatchObject([{ message: says }]);
    },
  );
});

describe("cancelAdHocJob", () => {
  const cancel = `mutation { cancelAdHocJob(id: "j1") { id state error } }`;
  const cancelled = {
    id: "j1",
    state: "CANCELLED",
    error: "Athena's computation of this field was cancelled. Ask again.",
  };

  test("over HTTP", async () => {
    fixture.shop.jobs.set("j1", [running]);
    const { status, answer } = await post(fixture.gateway, { query: cancel });
    expect(status).toBe(200);
    expect(answer).toEqual({ data: { cancelAdHocJob: cancelled } });
  });

  test("over WebSocket, once", async () => {
    fixture.shop.jobs.set("j1", [running]);
    const socket = await connect(fixture.gateway);
    socket.say(subscribe("1", cancel));
    expect(await socket.next()).toEqual({
      type: "next",
      id: "1",
      payload: { data: { cancelAdHocJob: cancelled } },
    });
    expect(await socket.next()).toEqual({ type: "complete", id: "1" });
    expect(fixture.shop.jobs.get("j1")).toHaveLength(2);
    socket.close();
  });

  test("is null where there is none", async () => {
    expect((await post(fixture.gateway, { query: cancel })).answer).toEqual({
      data: { cancelAdHocJob: null },
    });
  });

  test("is refused over GET: 405, and nothing is cancelled", async () => {
    fixture.shop.jobs.set("j1", [running]);
    const response = await fetch(`${fixture.gateway.url}/graphql?query=${encodeURIComponent(cancel)}`, {
      headers: { "apollo-require-preflight": "1" },
    });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: "BAD_USER_INPUT" } }] });
    expect(fixture.shop.jobs.get("j1")).toEqual([running]);
  });
});

describe("adHocJobUpdated", () => {
  const follow = (id: string) => subscribe("1", `subscription { adHocJobUpdated(id: "${id}") ${fields} }`);

  test("delivers each state and ends after the last", async () => {
    fixture.shop.jobs.set("j1", [queued, running, succeeded]);
    const socket = await connect(fixture.gateway);
    socket.say(follow("j1"));
    for (const state of [queued, running, succeeded])
      expect(await socket.next()).toEqual({
        type: "next",
        id: "1",
        payload: { data: { adHocJobUpdated: shown(state) } },
      });
    expect(await socket.next()).toEqual({ type: "complete", id: "1" });
    socket.close();
  });

  test("is one null where there is none", async () => {
    const socket = await connect(fixture.gateway);
    socket.say(follow("j2"));
    expect(await socket.next()).toMatchObject({ type: "next", payload: { data: { adHocJobUpdated: null } } });
    expect(await socket.next()).toEqual({ type: "complete", id: "1" });
    socket.close();
  });
});

const ask = "{ shopActivity { sales } }";
const waits = () => fixture.askings.map(({ waitMs }) => waitMs);
const bad = ["-1", "1.5", "1e3", "20s", "", " ", "0x10", "5, 6", "9".repeat(16)];
const rule = /^"sluice-ad-hoc-wait" is a whole number of milliseconds\. Got ".*"\. Use for example 500/;

describe("the header sluice-ad-hoc-wait", () => {
  test("reaches the session over HTTP", async () => {
    await post(fixture.gateway, { query: ask }, { "sluice-ad-hoc-wait": "0" });
    await post(fixture.gateway, { query: ask }, { "sluice-ad-hoc-wait": "1500" });
    await post(fixture.gateway, { query: ask });
    expect(waits()).toEqual([0, 1_500, undefined]);
  });

  test.each(bad)("is a 400 for %j", async (value) => {
    const { status, answer } = await post(fixture.gateway, { query: ask }, { "sluice-ad-hoc-wait": value });
    expect(status).toBe(400);
    expect(answer.data).toBeUndefined();
    expect(answer.errors).toMatchObject([
      { message: expect.stringMatching(rule) as string, extensions: { code: "BAD_USER_INPUT" } },
    ]);
    expect(waits()).toEqual([]);
  });

  test("of the upgrade reaches the sessions of queries and of each event of a subscription", async () => {
    const socket = await connect(fixture.gateway, { headers: { "sluice-ad-hoc-wait": "250" } });
    socket.say(subscribe("1", ask));
    await socket.next();
    await socket.next();
    socket.say(subscribe("2", "subscription { shopActivityUpdated { sales } }"));
    await socket.next();
    expect(waits()).toEqual([250, 250, 250]);
    socket.close();
  });

  test.each(bad)("of the upgrade is a 400 for %j", async (value) => {
    const socket = new WebSocket(fixture.gateway.wsUrl, "graphql-transport-ws", {
      headers: { "sluice-ad-hoc-wait": value },
    });
    socket.on("error", () => {});
    const { status, body } = await new Promise<{ status: number | undefined; body: string }>((resolve) =>
      socket.once("unexpected-response", (_, response) => {
        let text = "";
        response.on("data", (data: Buffer) => (text += data.toString()));
        response.once("end", () => resolve({ status: response.statusCode, body: text }));
      }),
    );
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({
      errors: [{ message: expect.stringMatching(rule) as string, extensions: { code: "BAD_USER_INPUT" } }],
    });
  });
});

describe("the connection param sluice-ad-hoc-wait", () => {
  const open = async (payload: object, headers = {}) => {
    const socket = await connect(fixture.gateway, { init: false, headers });
    socket.say({ type: "connection_init", payload });
    expect(await socket.next()).toEqual({ type: "connection_ack" });
    return socket;
  };

  test.each([250, "250"])("stands in for the header that browsers cannot set: %j", async (value) => {
    const socket = await open({ "sluice-ad-hoc-wait": value }, { "sluice-ad-hoc-wait": "9000" });
    socket.say(subscribe("1", ask));
    await socket.next();
    expect(waits()).toEqual([250]);
    socket.close();
  });

  test.each([...bad, -1, 0.5, true, [], {}])("is an error of each operation for %j", async (value) => {
    const socket = await open({ "sluice-ad-hoc-wait": value });
    for (const id of ["1", "2"]) {
      socket.say(subscribe(id, ask));
      expect(await socket.next()).toMatchObject({
        type: "error",
        id,
        payload: [
          {
            message: expect.stringContaining("is a whole number of milliseconds") as string,
            extensions: { code: "BAD_USER_INPUT" },
          },
        ],
      });
    }
    expect(waits()).toEqual([]);
    socket.close();
  });
});
