/** Subscriptions that mean the same are one execution; those that do not are not. Over real sockets. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { batch } from "../subscriptions/fake-broadcast.ts";
import {
  connect,
  type Fixture,
  listening,
  type Message,
  type Socket,
  startFixture,
  subscribe,
} from "./gateway-fixture.ts";
import { sold } from "./shop-session.ts";

let fixture: Fixture;
let sockets: Socket[] = [];
let sequence = 0;

beforeAll(async () => (fixture = await startFixture()));
afterAll(() => fixture.gateway.close());
afterEach(async () => {
  for (const socket of sockets) socket.close();
  sockets = [];
  await listening(fixture, 0);
});

const feedQuery = "subscription ($after: Cursor) { saleFeed(after: $after) { cursor events { id cost } } }";

interface FeedMessage extends Message {
  readonly payload: {
    readonly data: {
      readonly saleFeed: { readonly cursor: string; readonly events: readonly { id: string }[] };
    };
  };
}

async function open(id: string, query: string, variables?: object): Promise<Socket> {
  const socket = await connect(fixture.gateway);
  socket.say(subscribe(id, query, variables));
  sockets.push(socket);
  return socket;
}

/** Puts sales into the feed, each in a record of its own. */
async function publish(count: number): Promise<void> {
  const sales = Array.from({ length: count }, (_, i) => sold("Bern", 1, sequence + i));
  await fixture.broadcast.publish(batch("s-0", sequence + 1, sales));
  sequence += count;
}

const eventsIn = (message: Message): string[] =>
  (message as FeedMessage).payload.data.saleFeed.events.map(({ id }) => id);

/** How many sessions were opened by `during`: one per execution, one per state of an insight. */
async function sessionsDuring(during: () => Promise<void>): Promise<number> {
  const before = fixture.askings.length;
  await during();
  return fixture.askings.length - before;
}

test("a hundred who follow one feed cost one execution, and get the same payload under their own ids", async () => {
  const sessions = await sessionsDuring(async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => open(`op "${i}"`, feedQuery)));
    await listening(fixture, 1);
    // the sockets' subscribes have all been read when one that came last is answered
    await Promise.all(all.map(async (socket) => (socket.say({ type: "ping" }), socket.next())));
    await publish(2);
    await publish(150);
    const messages = await Promise.all(
      all.map(async (socket) => [await socket.next(), await socket.next(), await socket.next()]),
    );
    const [first] = messages;
    expect(first!.flatMap(eventsIn)).toHaveLength(152);
    for (const [i, received] of messages.entries()) {
      expect(received.map(({ id }) => id)).toEqual(Array.from({ length: 3 }, () => `op "${i}"`));
      expect(received.map(({ payload }) => payload)).toEqual(first!.map(({ payload }) => payload));
    }
  });
  expect(sessions).toBe(1);
});

test("spelling does not matter: the order of variables, defaults, what is not used", async () => {
  const query = `subscription ($shop: String = "Bern", $none: Boolean) {
    saleFeed(where: { shop: { eq: $shop }, at: { isNull: $none } }) { events { id } }
  }`;
  const sessions = await sessionsDuring(async () => {
    const all = [
      await open("1", query, { shop: "Bern", none: false }),
      await open("1", query, { none: false }),
      await open("1", query, { none: false, shop: "Bern", unknown: 1 }),
      await open("1", query.replaceAll(/\s+/g, " "), { none: false }),
    ];
    await listening(fixture, 1);
    await Promise.all(all.map(async (socket) => (socket.say({ type: "ping" }), socket.next())));
    await publish(1);
    for (const socket of all) expect(eventsIn(await socket.next())).toHaveLength(1);
  });
  expect(sessions).toBe(1);
});

test("another filter, selection or patience is another execution", async () => {
  const sessions = await sessionsDuring(async () => {
    const feeds = [
      feedQuery,
      feedQuery.replace("cost", "shop"),
      'subscription { saleFeed(where: { shop: { eq: "Bern" } }) { cursor events { id cost } } }',
    ];
    const opened = await Promise.all(feeds.map((query) => open("1", query)));
    const patient = await connect(fixture.gateway, { headers: { "sluice-ad-hoc-wait": "5" } });
    sockets.push(patient);
    patient.say(subscribe("1", feedQuery));
    const all = [...opened, patient];
    await Promise.all(all.map(async (socket) => (socket.say({ type: "ping" }), socket.next())));
    await publish(1);
    for (const socket of all) expect(eventsIn(await socket.next())).toHaveLength(1);
  });
  expect(sessions).toBe(4);
});

test("who resumes is caught up by itself, and then follows with the others", async () => {
  const first = await open("1", feedQuery);
  await listening(fixture, 1);
  await publish(1);
  const { cursor } = ((await first.next()) as FeedMessage).payload.data.saleFeed;
  await publish(120);
  await publish(3);
  const missed = [await first.next(), await first.next(), await first.next()].flatMap(eventsIn);
  expect(missed).toHaveLength(123);
  let resumed: Socket[] = [];
  const sessions = await sessionsDuring(async () => {
    resumed = await Promise.all(Array.from({ length: 5 }, () => open("9", feedQuery, { after: cursor })));
    for (const socket of resumed)
      expect([await socket.next(), await socket.next(), await socket.next()].flatMap(eventsIn)).toEqual(
        missed,
      );
  });
  expect(sessions).toBe(5);
  // one hub listens for all of them
  await listening(fixture, 1);
  await publish(2);
  await publish(1);
  const expected = [await first.next(), await first.next()].map(({ payload }) => payload);
  for (const socket of resumed)
    expect([await socket.next(), await socket.next()].map(({ payload }) => payload)).toEqual(expected);
});

describe("what was read before it follows with the others, in a shard that they have not been told of,", () => {
  /** Has read two events of the shard, and follows as the others do. */
  async function resumed(shard: string): Promise<Socket> {
    const first = await open("1", feedQuery);
    await listening(fixture, 1);
    await publish(1);
    const { cursor } = ((await first.next()) as FeedMessage).payload.data.saleFeed;
    await fixture.broadcast.publish(batch(shard, 1, [sold("Bern", 1, 1), sold("Bern", 1, 2)]));
    expect(eventsIn(await first.next())).toHaveLength(2);
    first.close();
    await listening(fixture, 0);
    const again = await open("2", feedQuery, { after: cursor });
    expect(eventsIn(await again.next())).toEqual([`${shard}:1:0`, `${shard}:2:0`]);
    await listening(fixture, 1);
    return again;
  }

  test("is not sent again when it is told again", async () => {
    const again = await resumed("told-again");
    await fixture.broadcast.publish(
      batch("told-again", 1, [sold("Bern", 1, 1), sold("Bern", 1, 2), sold("Bern", 1, 3)]),
    );
    expect(eventsIn(await again.next())).toEqual(["told-again:3:0"]);
  });

  test("is what the next update has to follow", async () => {
    const again = await resumed("broken");
    await fixture.broadcast.publish(batch("broken", 4, [sold("Bern", 1, 4)]));
    expect(await again.next()).toMatchObject({
      type: "error",
      payload: [{ extensions: { code: "CURSOR_EXPIRED" } }],
    });
  });
});

test("a literal cursor is a cursor too", async () => {
  const first = await open("1", feedQuery);
  await listening(fixture, 1);
  await publish(1);
  const { cursor } = ((await first.next()) as FeedMessage).payload.data.saleFeed;
  await publish(2);
  const again = await open(
    "1",
    `subscription { saleFeed(after: "${cursor}") { cursor events { id cost } } }`,
  );
  expect(eventsIn(await again.next())).toEqual(eventsIn(await first.next()));
});

test.each([
  [
    "the default of its variable",
    (cursor: string) => [
      `subscription ($after: Cursor = "${cursor}") { saleFeed(after: $after) { cursor events { id cost } } }`,
    ],
  ],
  [
    "two selections of the field",
    (cursor: string) => [
      `subscription ($after: Cursor) {
        saleFeed(after: $after) { cursor }
        saleFeed(after: $after) { events { id cost } }
      }`,
      { after: cursor },
    ],
  ],
  [
    "a selection and a fragment",
    (cursor: string) => [
      `subscription ($after: Cursor) { saleFeed(after: $after) { cursor } ...More }
      fragment More on Subscription { saleFeed(after: $after) { events { id cost } } }`,
      { after: cursor },
    ],
  ],
  [
    "a fragment",
    (cursor: string) => [
      `subscription { ...All } fragment All on Subscription {
        saleFeed(after: "${cursor}") { cursor events { id cost } }
      }`,
    ],
  ],
] as [string, (cursor: string) => [string, object?]][])(
  "a cursor that is given by %s is one, and the selection stays",
  async (_, asked) => {
    const first = await open("1", feedQuery);
    await listening(fixture, 1);
    await publish(1);
    const { cursor } = ((await first.next()) as FeedMessage).payload.data.saleFeed;
    await publish(2);
    const again = await open("1", ...asked(cursor));
    const sent = async (socket: Socket) => ((await socket.next()) as FeedMessage).payload.data.saleFeed;
    expect(await sent(again)).toEqual(await sent(first));
    await publish(1);
    expect(await sent(again)).toEqual(await sent(first));
  },
);

test("who joins an insight later is sent its newest state first, without another execution", async () => {
  const query = "subscription { shopActivityUpdated { sales } }";
  const early = await open("1", query);
  const snapshot = await early.next();
  const sessions = await sessionsDuring(async () => {
    const late = await Promise.all(Array.from({ length: 20 }, () => open("2", query)));
    for (const socket of late) expect((await socket.next()).payload).toEqual(snapshot.payload);
  });
  expect(sessions).toBe(0);
});

test("the last to leave ends the execution, nobody else does", async () => {
  const [a, b] = [await open("1", feedQuery), await open("1", feedQuery)];
  await listening(fixture, 1);
  await Promise.all([a, b].map(async (socket) => (socket.say({ type: "ping" }), socket.next())));
  a.say({ type: "complete", id: "1" });
  a.say({ type: "ping" });
  await a.next();
  await publish(1);
  expect(eventsIn(await b.next())).toHaveLength(1);
  b.say({ type: "complete", id: "1" });
  await listening(fixture, 0);
});

test("what ends the execution ends it for all, and the next one begins anew", async () => {
  const all = await Promise.all([open("1", feedQuery), open("2", feedQuery)]);
  await listening(fixture, 1);
  await Promise.all(all.map(async (socket) => (socket.say({ type: "ping" }), socket.next())));
  await publish(1);
  for (const socket of all) await socket.next();
  sequence += 5; // updates that nobody is told of
  await publish(1);
  for (const socket of all)
    expect(await socket.next()).toMatchObject({
      type: "error",
      payload: [{ extensions: { code: "CURSOR_EXPIRED" } }],
    });
  const again = await open("1", feedQuery);
  await listening(fixture, 1);
  again.say({ type: "ping" });
  await again.next();
  await publish(1);
  expect(eventsIn(await again.next())).toHaveLength(1);
});
