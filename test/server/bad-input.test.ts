import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Answer,
  connect,
  type Fixture,
  post,
  type Socket,
  startFixture,
  subscribe,
} from "./gateway-fixture.ts";

let fixture: Fixture;
let socket: Socket;

beforeAll(async () => {
  fixture = await startFixture();
  socket = await connect(fixture.gateway);
});
afterAll(() => fixture.gateway.close());

/** Each is refused before anything is executed, over every transport, with BAD_USER_INPUT and these words. */
const refused: Record<string, { query: string; variables?: object; says: RegExp }> = {
  "a syntax error": { query: "{ shopActivity { ", says: /Syntax Error: Expected Name, found <EOF>/ },
  "an unknown field": {
    query: "{ shopActivity { sale } }",
    says: /Cannot query field "sale" on type "ShopActivity"\. Did you mean "sales"/,
  },
  "a bad date": {
    query: '{ shopActivity(range: { from: "yesterday" }) { sales } }',
    says: /DateTime cannot represent an invalid date-time-string yesterday/,
  },
  "a day that does not exist": {
    query: '{ shopActivity(range: { from: "2024-02-30T00:00:00Z" }) { sales } }',
    says: /invalid date-time-string 2024-02-30/,
  },
  "a bad date in a variable": {
    query: "query ($from: DateTime) { shopActivity(range: { from: $from }) { sales } }",
    variables: { from: "2024-13-01" },
    says: /Variable "\$from" got invalid value "2024-13-01"/,
  },
  "an unknown enum value": {
    query: "{ shopActivity { series(grain: FORTNIGHT) { sales } } }",
    says: /Value "FORTNIGHT" does not exist in "Grain" enum/,
  },
  "an unknown enum value in a variable": {
    query: "query ($grain: Grain!) { shopActivity { series(grain: $grain) { sales } } }",
    variables: { grain: "DAYS" },
    says: /Variable "\$grain" got invalid value "DAYS".*Did you mean the enum value "DAY"/,
  },
  "a bad duration": {
    query: '{ shopActivity(range: { last: "P1M" }) { sales } }',
    says: /A duration is ISO 8601 .* Got "P1M"\. Use for example "PT1H"/,
  },
  "a duration that is a number": {
    query: "{ shopActivity(range: { last: 5 }) { sales } }",
    says: /Duration/,
  },
  "an unknown operator": {
    query: '{ shopActivity(where: { shop: { like: "B%" } }) { sales } }',
    says: /Field "like" is not defined by type "StringFilter"/,
  },
  "an operator that the type lacks": {
    query: "{ shopActivity(where: { gift: { in: [true] } }) { sales } }",
    says: /Field "in" is not defined by type "BooleanFilter"/,
  },
  "a number beyond 2^53": {
    query: "{ shopActivity(where: { amount: { gte: 9007199254740993 } }) { sales } }",
    says: /SafeInt cannot represent unsafe integer value/,
  },
  "a missing variable": {
    query: "query ($grain: Grain!) { shopActivity { series(grain: $grain) { sales } } }",
    says: /Variable "\$grain" of required type "Grain!" was not provided/,
  },
  "an operation that is not there": { query: "fragment F on ShopActivity { sales }", says: /F/ },
  "more tokens than any sensible query": {
    query: `{ ${"a ".repeat(25_000)} }`,
    says: /Document contains more that 20000 tokens/,
  },
};

describe.each(Object.entries(refused))("%s", (name, { query, variables, says }) => {
  test("is refused over HTTP", async () => {
    const { status, answer } = await post(fixture.gateway, { query, variables });
    expect(status).toBe(400);
    expect(answer.data).toBeUndefined();
    expectRefusal(answer.errors, says);
  });

  test("is an error message over WebSocket, and the socket lives", async () => {
    socket.say(subscribe(name, query, variables));
    const message = await socket.next();
    expect(message).toMatchObject({ type: "error", id: name });
    expectRefusal(message.payload as Answer["errors"], says);
    await expectAlive();
  });
});

/** Each is answered with null and an error beside its siblings. */
const answered: Record<string, { field: string; says: RegExp }> = {
  "a reversed range": {
    field: 'shopActivity(range: { from: "2024-01-02T00:00:00Z", to: "2024-01-01T00:00:00Z" })',
    says: /from lies before to\. Got from 2024-01-02T00:00:00\.000Z, to 2024-01-01T00:00:00\.000Z\. Swap them\./,
  },
  "an empty range": {
    field: 'shopActivity(range: { from: "2024-01-01T00:00:00Z", to: "2024-01-01T00:00:00Z" })',
    says: /first instant that no longer counts/,
  },
  "last together with from": {
    field: 'shopActivity(range: { from: "2024-01-01T00:00:00Z", last: "PT1H" })',
    says: /either from and to, or last/,
  },
  "a last of nothing": { field: 'shopActivity(range: { last: "PT0S" })', says: /longer than nothing/ },
  "a comparison with null": {
    field: "shopActivity(where: { shop: { eq: null } })",
    says: /Use shop: \{ isNull: true \}/,
  },
  "a column that is null": {
    field: "shopActivity(where: { shop: null })",
    says: /Leave shop out, or use shop: \{ isNull: true \}/,
  },
};

describe.each(Object.entries(answered))("%s", (name, { field, says }) => {
  const query = `{ bad: ${field} { sales } good: shopActivity { sales } }`;

  test("is an error of its field over HTTP", async () => {
    const { status, answer } = await post(fixture.gateway, { query });
    expect(status).toBe(200);
    expectFieldError(answer, says);
  });

  test("is an error of its field over WebSocket", async () => {
    socket.say(subscribe(name, query));
    const message = await socket.next();
    expect(message).toMatchObject({ type: "next", id: name });
    expectFieldError(message.payload as Answer, says);
    expect(await socket.next()).toEqual({ type: "complete", id: name });
  });
});

test("the arguments of a page have bounds", async () => {
  const { answer } = await post(fixture.gateway, {
    query: '{ product(name: "ShopActivity") { editions(first: 0) { id } } }',
  });
  expect(answer.errors?.[0]).toMatchObject({ extensions: { code: "BAD_USER_INPUT" } });
});

test("a required argument whose variable is null is the client's error", async () => {
  const { answer } = await post(fixture.gateway, {
    query: 'query ($name: String = "ShopActivity") { product(name: $name) { name } }',
    variables: { name: null },
  });
  expect(answer.errors?.[0]).toMatchObject({
    message: expect.stringContaining("must not be null") as string,
    extensions: { code: "BAD_USER_INPUT" },
  });
});

function expectRefusal(errors: Answer["errors"], says: RegExp): void {
  expect(errors?.length).toBeGreaterThan(0);
  for (const error of errors!) expect(error.extensions).toEqual({ code: "BAD_USER_INPUT" });
  expect(errors!.map((error) => error.message).join("\n")).toMatch(says);
}

function expectFieldError({ data, errors }: Answer, says: RegExp): void {
  expect(data).toEqual({ bad: null, good: { sales: 4 } });
  expect(errors).toHaveLength(1);
  expect(errors![0]).toMatchObject({ path: ["bad"], extensions: { code: "BAD_USER_INPUT" } });
  expect(errors![0]!.message).toMatch(says);
}

async function expectAlive(): Promise<void> {
  socket.say(subscribe("alive", "{ shopActivity { sales } }"));
  expect(await socket.next()).toMatchObject({
    type: "next",
    payload: { data: { shopActivity: { sales: 4 } } },
  });
  expect(await socket.next()).toEqual({ type: "complete", id: "alive" });
}
