import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { RedisBroadcast, RedisBroadcastOptions } from "../../src/backends/broadcast.redis.ts";
import { listen, published, update } from "./conformance.ts";
import { node, testRedis, type TestRedis } from "./redis-server.ts";

let redis: TestRedis;
beforeAll(async () => void (redis = await testRedis()));
afterAll(() => redis.remove());

let key: string;
let keys = 0;
let open: RedisBroadcast[] = [];
beforeEach(() => void (key = `retained:${++keys}`));
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});
const joined = async (settings: Partial<RedisBroadcastOptions> = {}): Promise<RedisBroadcast> => {
  const broadcast = await node(redis, key, settings);
  open.push(broadcast);
  return broadcast;
};
const through = async (broadcast: Broadcast, id: string) =>
  (await broadcast.from(id, 1_000))?.map(({ message }) => message.through) ?? null;
/** Redis counts time in milliseconds. */
const laterOn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("what Redis retains", () => {
  test("is what is young, and the end of what is not", async () => {
    const broadcast = await joined({ retainMs: 0 });
    const listener = listen(broadcast);
    for (let i = 1; i <= 3; i++) {
      await broadcast.publish(update(i));
      await listener.heardAll(i);
      await laterOn();
    }
    const [first, second, third] = listener.heard.map(({ id }) => id) as [string, string, string];
    expect(await through(broadcast, first)).toBeNull();
    // the last one that has gone: all that is behind it is there
    expect(await through(broadcast, second)).toEqual(["03"]);
    expect(await through(broadcast, third)).toEqual(["03"]);
    expect(await redis.command("XLEN", key)).toBe(1);
  });

  test("is so many entries at most", async () => {
    const broadcast = await joined({ retainMax: 2 });
    const listener = listen(broadcast);
    for (let i = 1; i <= 4; i++) {
      await broadcast.publish(update(i));
      await listener.heardAll(i);
    }
    const ids = listener.heard.map(({ id }) => id);
    expect(await Promise.all(ids.map((id) => through(broadcast, id)))).toEqual([
      null,
      ["03", "04"],
      ["03", "04"],
      ["04"],
    ]);
  });

  test("is found behind any number of messages that are no live updates", async () => {
    const broadcast = await joined();
    const listener = listen(broadcast);
    await broadcast.publish(update(1));
    await Promise.all(Array.from({ length: 250 }, () => broadcast.publish(published)));
    await broadcast.publish(update(2));
    await listener.heardAll(252);
    const [first] = listener.heard;
    expect(await through(broadcast, first!.id)).toEqual(["01", "02"]);
    expect((await broadcast.from(first!.id, 2))!.map(({ message }) => message)).toEqual([
      update(1),
      update(2),
    ]);
  });

  test("takes less room than the messages when they are large", async () => {
    const broadcast = await joined();
    const { events, ...rest } = update(1);
    const large = {
      ...rest,
      events: Array.from({ length: 5_000 }, (_, index) => ({ ...events[0]!, index })),
    };
    const listener = listen(broadcast);
    await broadcast.publish(large);
    await listener.heardAll(1);
    expect(listener.heard[0]!.message).toEqual(large);
    const bytes = (await redis.command("MEMORY", "USAGE", key)) as number;
    expect(bytes).toBeLessThan(JSON.stringify(large).length / 4);
  });
});

test("what was published before it opened is not told", async () => {
  const writer = await joined();
  await writer.publish(update(1));
  const reader = await joined();
  const listener = listen(reader);
  await writer.publish(update(2));
  await listener.heardAll(1);
  expect(listener.heard.map(({ message }) => message)).toEqual([update(2)]);
});

describe("a message of another version", () => {
  test.each([
    ["of a kind that is not known", ["json", `{"kind":"rumour"}`]],
    ["that lacks something", ["json", `{"kind":"live","stream":"sales"}`]],
    ["that is no JSON", ["json", "{"]],
    ["that is not deflated", ["deflated", "?"]],
  ])("%s is told as a gap, and nobody resumes over it", async (_, fields) => {
    const warnings: string[] = [];
    const broadcast = await joined({ warn: (_details, message) => void warnings.push(message) });
    const listener = listen(broadcast);
    await broadcast.publish(update(1));
    const [[newest]] = (await redis.command("XREVRANGE", key, "+", "-", "COUNT", "1")) as [[string]];
    await redis.command("XADD", key, "*", "after", newest, ...fields);
    await broadcast.publish(update(2));
    await listener.heardAll(3);
    expect(listener.heard.map(({ message }) => message)).toEqual([
      update(1),
      { kind: "gap", stream: null, lost: {} },
      update(2),
    ]);
    expect(warnings).toEqual(["A message of the broadcast cannot be read: a gap"]);
    expect(await through(broadcast, listener.heard[0]!.id)).toBeNull();
    expect(await through(broadcast, listener.heard[2]!.id)).toEqual(["02"]);
  });
});
