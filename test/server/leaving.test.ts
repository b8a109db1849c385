/** Clients that leave: what their sessions wait for is aborted, and nothing of those that stay. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { batch } from "../subscriptions/fake-broadcast.ts";
import {
  connect,
  type Fixture,
  listening,
  post,
  type Socket,
  startFixture,
  subscribe,
} from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;
let open: () => void;

beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.gateway.close());

/** Values take until they are told to come. */
function close(): void {
  fixture.shop.open = new Promise((resolve) => (open = resolve));
}

const feed = "subscription { saleFeed { cursor events { id } } }";
const ask = "{ shopActivity { sales } }";
const patience = { interval: 5, timeout: 10_000 };
const isAsked = () => expect.poll(() => fixture.askings.length, patience).toBe(1);
const aborted = () => fixture.askings.map(({ signal }) => signal.aborted);

test("a request that is given up is aborted", async () => {
  close();
  const leaving = new AbortController();
  const answer = fetch(`${fixture.gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: ask }),
    signal: leaving.signal,
  });
  await expect.poll(aborted, patience).toEqual([false]);
  leaving.abort();
  await expect(answer).rejects.toThrow("aborted");
  await expect.poll(aborted, patience).toEqual([true]);
  open();
});

test("a request that is answered is not, nor is one that is refused", async () => {
  expect((await post(fixture.gateway, { query: ask })).status).toBe(200);
  expect((await post(fixture.gateway, { query: "{ nothing }" })).status).toBe(400);
  await settled();
  expect(aborted()).toEqual([false, false]);
});

test("a query is aborted when it is completed, the one beside it when the socket closes", async () => {
  close();
  const socket = await connect(fixture.gateway);
  socket.say(subscribe("1", ask));
  socket.say(subscribe("2", ask));
  await expect.poll(aborted, patience).toEqual([false, false]);
  socket.say({ type: "complete", id: "1" });
  await expect.poll(aborted, patience).toEqual([true, false]);
  socket.close();
  await expect.poll(aborted, patience).toEqual([true, true]);
  open();
});

test("nothing is said of a query that was completed", async () => {
  close();
  const socket = await connect(fixture.gateway);
  socket.say(subscribe("1", ask));
  socket.say({ type: "complete", id: "1" });
  await expect.poll(aborted, patience).toEqual([true]);
  open();
  await settled();
  socket.say(subscribe("2", ask));
  expect(await socket.next()).toMatchObject({ type: "next", id: "2" });
  socket.close();
});

test("a query that is answered is not aborted, even when the socket closes later", async () => {
  const socket = await connect(fixture.gateway);
  socket.say(subscribe("1", ask));
  expect(await socket.next()).toMatchObject({ type: "next" });
  expect(await socket.next()).toMatchObject({ type: "complete" });
  socket.say({ type: "complete", id: "1" });
  socket.close();
  await socket.closed;
  await settled();
  expect(aborted()).toEqual([false]);
});

test.each(["complete", "close"])("a subscription is aborted by its end: %s", async (end) => {
  const socket = await connect(fixture.gateway);
  socket.say(subscribe("1", "subscription { shopActivityUpdated { sales } }"));
  await socket.next();
  close();
  fixture.shop.sales.push(sold("Bern", 1, 1));
  await fixture.broadcast.publish(batch("s-0", 1, []));
  // the operation's own, the snapshot's, and that of the state under way
  await expect.poll(aborted, patience).toEqual([false, false, false]);
  if (end === "complete") socket.say({ type: "complete", id: "1" });
  else socket.close();
  await expect.poll(aborted, patience).toEqual([true, true, true]);
  open();
  socket.close();
});

/** Long enough for what is under way on loopback. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

test.each([
  [
    "a feed that is followed",
    async (socket: Socket) => {
      socket.say(subscribe("1", feed));
      await listening(fixture, 1);
    },
  ],
  ["a feed that was just asked for", async (socket: Socket) => socket.say(subscribe("1", feed))],
  [
    "a query that is not answered yet",
    async (socket: Socket) => {
      close();
      socket.say(subscribe("1", ask));
      await isAsked();
    },
  ],
] as [string, (socket: Socket) => Promise<void>][])(
  "the id of %s is free when it is completed",
  async (_, begin) => {
    const socket = await connect(fixture.gateway);
    await begin(socket);
    // the gateway reads both at once
    socket.say({ type: "complete", id: "1" });
    socket.say(subscribe("1", feed));
    socket.say({ type: "ping" });
    expect(await socket.next()).toEqual({ type: "pong" });
    await listening(fixture, 1);
    open?.();
    await settled();
    await fixture.broadcast.publish(batch("s-0", 1, [sold("Bern", 1, 1)]));
    expect(await socket.next()).toMatchObject({ id: "1", type: "next", payload: { data: { saleFeed: {} } } });
    socket.say({ type: "complete", id: "1" });
    await listening(fixture, 0);
    socket.say({ type: "ping" });
    expect(await socket.next()).toEqual({ type: "pong" });
    socket.close();
  },
);
