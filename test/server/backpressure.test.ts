/** Clients that do not read: what waits for them is bounded, and the others do not notice. Over real sockets. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { batch } from "../subscriptions/fake-broadcast.ts";
import {
  connect,
  type Fixture,
  listening,
  type Message,
  startFixture,
  subscribe,
} from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;
beforeAll(async () => (fixture = await startFixture()));
afterAll(() => fixture.gateway.close());

/** A socket whose reading can be stopped: then the kernel's buffers fill, and after them the server's. */
async function open(
  query: string,
  variables: object = {},
): Promise<{ socket: WebSocket; received: Message[] }> {
  const socket = new WebSocket(fixture.gateway.wsUrl, "graphql-transport-ws");
  const received: Message[] = [];
  socket.on("message", (data: Buffer) => void received.push(JSON.parse(data.toString()) as Message));
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init" }));
  await expect.poll(() => received.length, { interval: 5, timeout: 10_000 }).toBe(1);
  received.length = 0;
  socket.send(JSON.stringify(subscribe("1", query, variables)));
  return { socket, received };
}

interface FeedPayload {
  readonly data: {
    readonly saleFeed: { readonly cursor: string; readonly events: readonly { id: string }[] };
  };
}

const idsIn = (messages: readonly Message[]): string[] =>
  messages.flatMap(({ type, payload }) =>
    type === "next" ? (payload as FeedPayload).data.saleFeed.events.map(({ id }) => id) : [],
  );

let sequence = 0;

/** A page of about 200 KB. */
async function publish(): Promise<void> {
  await fixture.broadcast.publish(batch("s-0", ++sequence, [sold("x".repeat(200_000), 1, 1)]));
  await new Promise((resolve) => setImmediate(resolve));
}

const feed = "subscription ($after: Cursor) { saleFeed(after: $after) { cursor events { id shop } } }";

test("a feed that is not read ends with a reason and the cursor to go on with; who reads misses nothing", async () => {
  const slow = await open(feed);
  await listening(fixture, 1);
  const quick = await connect(fixture.gateway);
  quick.say(subscribe("1", feed));
  quick.say({ type: "ping" });
  await quick.next();
  const pages = 150; // 30 MB: more than what kernel and server keep together
  slow.socket.pause();
  const seen: Message[] = [];
  for (let i = 0; i < pages; i++) {
    await publish();
    seen.push(await quick.next());
  }
  const all = idsIn(seen);
  expect(all).toHaveLength(pages);
  slow.socket.resume();
  await expect.poll(() => slow.received.at(-1)?.type, { interval: 20, timeout: 30_000 }).toBe("error");
  const [{ extensions }] = slow.received.at(-1)!.payload as [
    { extensions: { code: string; cursor: string } },
  ];
  expect(extensions.code).toBe("SLOW_CONSUMER");
  const sent = idsIn(slow.received);
  expect(sent.length).toBeLessThan(pages);
  expect(sent).toEqual(all.slice(0, sent.length));
  // the socket itself goes on
  slow.socket.send(JSON.stringify(subscribe("2", feed, { after: extensions.cursor })));
  await expect
    .poll(() => idsIn(slow.received).length, { interval: 20, timeout: 30_000 })
    .toBeGreaterThanOrEqual(pages);
  expect(idsIn(slow.received)).toEqual(all);
  slow.socket.close();
  quick.close();
  await listening(fixture, 0);
});

test("who resumes is sent what it missed as fast as it reads, however much that is", async () => {
  const own = await open(feed);
  await listening(fixture, 1);
  await publish();
  await expect.poll(() => own.received.length, { interval: 5, timeout: 10_000 }).toBe(1);
  const { cursor } = (own.received[0]!.payload as FeedPayload).data.saleFeed;
  own.socket.close();
  await listening(fixture, 0);
  const first = sequence + 1;
  const pages = 250; // 50 MB
  for (let i = 0; i < pages; i++) await publish();
  // a broadcast over a network answers later
  const broadcast = { ...fixture.broadcast };
  let asked = 0;
  Object.assign(fixture.broadcast, {
    from: async (id: string, limit: number) => {
      asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return broadcast.from(id, limit);
    },
  });
  const slow = await open(feed, { after: cursor });
  slow.socket.pause();
  await expect.poll(() => asked, { interval: 5, timeout: 10_000 }).toBe(1);
  // it would have read everything by now
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(asked).toBe(1);
  slow.socket.resume();
  await expect.poll(() => idsIn(slow.received).length, { interval: 20, timeout: 30_000 }).toBe(pages);
  expect(idsIn(slow.received)).toEqual(Array.from({ length: pages }, (_, i) => `s-0:${first + i}:0`));
  slow.socket.close();
  Object.assign(fixture.broadcast, broadcast);
  await listening(fixture, 0);
});

test("an insight that is not read keeps only its newest state, and ends at it", async () => {
  // an alias makes each message large
  const long = `sales_${"y".repeat(50_000)}`;
  const slow = await open(`subscription { shopActivityUpdated { ${long}: sales } }`);
  await expect.poll(() => slow.received.length, { interval: 5, timeout: 10_000 }).toBe(1);
  slow.socket.pause();
  const updates = 800; // 40 MB
  for (let i = 0; i < updates; i++) {
    fixture.shop.sales.push(sold("Bern", 1, 1));
    await fixture.broadcast.publish(batch("s-0", ++sequence, []));
    await new Promise((resolve) => setImmediate(resolve));
  }
  slow.socket.resume();
  const newest = fixture.shop.sales.length;
  const salesIn = ({ payload }: Message) =>
    (payload as { data: { shopActivityUpdated: Record<string, number> } }).data.shopActivityUpdated[long]!;
  await expect.poll(() => salesIn(slow.received.at(-1)!), { interval: 20, timeout: 30_000 }).toBe(newest);
  const states = slow.received.filter(({ type }) => type === "next").map(salesIn);
  expect(states).toEqual([...states].sort((a, b) => a - b));
  expect(new Set(states).size).toBe(states.length);
  expect(states.length).toBeLessThan(updates);
  slow.socket.close();
  await listening(fixture, 0);
});

test("a client that asks on and on and reads nothing is not listened to; when it reads, it gets every answer", async () => {
  const { socket, received } = await open("{ __typename }");
  await expect.poll(() => received.length, { interval: 5, timeout: 10_000 }).toBe(2);
  socket.pause();
  // 600 answers of about 50 KB: more than what kernel and gateway keep together
  const questions = 600;
  for (let i = 0; i < questions; i++)
    socket.send(JSON.stringify(subscribe(`q${i}`, `{ ${"x".repeat(50_000)} }`)));
  let before = -1;
  await expect
    .poll(
      () => {
        const isStill = socket.bufferedAmount === before;
        before = socket.bufferedAmount;
        return isStill;
      },
      { interval: 500, timeout: 30_000 },
    )
    .toBe(true);
  expect(socket.bufferedAmount).toBeGreaterThan(0);
  socket.resume();
  await expect.poll(() => received.length, { interval: 20, timeout: 30_000 }).toBe(2 + questions);
  expect(received.slice(2).map(({ id, type }) => `${type} ${id}`)).toEqual(
    Array.from({ length: questions }, (_, i) => `error q${i}`),
  );
  socket.close();
});
