import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../etl/live/effects.ts";
import type { Broadcast, Broadcasted, Entry } from "../../src/backends/broadcast.ts";
import type { RedisBroadcast, RedisBroadcastOptions } from "../../src/backends/broadcast.redis.ts";
import { listen, type Listening, update } from "./conformance.ts";
import { node, testRedis, type TestRedis } from "./redis-server.ts";

const key = "outages";
const gap: Broadcasted = { kind: "gap", stream: null, lost: {} };

let redis: TestRedis;
let open: RedisBroadcast[] = [];
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
  await redis.remove();
});
const joined = async (settings: Partial<RedisBroadcastOptions> = {}): Promise<RedisBroadcast> => {
  const broadcast = await node(redis, key, settings);
  open.push(broadcast);
  return broadcast;
};
const messages = (heard: readonly Entry[]) => heard.map(({ message }) => message);
const expectHeard = (listener: Listening, expected: readonly Broadcasted[]) =>
  expect.poll(() => messages(listener.heard), { interval: 10, timeout: 30_000 }).toEqual(expected);
const through = async (broadcast: Broadcast, id: string) =>
  (await broadcast.from(id, 1_000))?.map((entry) => entry.message.through) ?? null;

describe("a Redis that keeps nothing", () => {
  beforeEach(async () => void (redis = await testRedis()));

  test("is killed and comes back empty: a gap, and it goes on", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    await writer.publish(update(1));
    await listener.heardAll(1);
    await redis.kill();
    await expect(writer.publish(update(2))).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await expect(reader.from(listener.heard[0]!.id, 10)).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
    await redis.start();
    await expectHeard(listener, [update(1), gap]);
    await writer.publish(update(3));
    await expectHeard(listener, [update(1), gap, update(3)]);
    const ids = listener.heard.map(({ id }) => id);
    expect(ids.toSorted()).toEqual(ids);
    expect(await through(reader, ids[0]!)).toBeNull();
    expect(await through(reader, ids[2]!)).toEqual(["03"]);
  });

  test("loses what nobody had read yet: a gap", async () => {
    const { wait, away, release } = heldBackoff();
    const [writer, reader] = [await joined(), await joined({ random: () => 0, wait })];
    const listener = listen(reader);
    await writer.publish(update(1));
    await listener.heardAll(1);
    await redis.kill();
    await away;
    await redis.start();
    await writer.publish(update(2));
    await redis.kill();
    await redis.start();
    await writer.publish(update(3));
    release();
    await expectHeard(listener, [update(1), gap, update(3)]);
    expect(await through(reader, listener.heard[0]!.id)).toBeNull();
  });

  test("comes back with its clock set back: no id is below one that was told", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    const [[newest]] = (await redis.command("XREVRANGE", key, "+", "-", "COUNT", "1")) as [[string]];
    const tomorrow = `${Date.now() + 86_400_000}-7`;
    await redis.command("XADD", key, tomorrow, "after", newest, "json", JSON.stringify(update(1)));
    await listener.heardAll(1);
    await redis.kill();
    await redis.start();
    await expectHeard(listener, [update(1), gap]);
    await publishedAtLast(writer, update(2));
    await expectHeard(listener, [update(1), gap, update(2)]);
    const [first, lost, second] = listener.heard.map(({ id }) => id) as [string, string, string];
    expect(lost).toBe(first);
    expect(second > first).toBe(true);
  });

  test("is emptied under way: a gap", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    await writer.publish(update(1));
    await listener.heardAll(1);
    await redis.command("FLUSHALL");
    await writer.publish(update(2));
    await listener.heardAll(3);
    expect(messages(listener.heard)).toEqual([update(1), gap, update(2)]);
  });

  test("is away when a gateway starts: that opens, and its listeners are told a gap first", async () => {
    const writer = await joined();
    await redis.kill();
    const warnings: string[] = [];
    const reader = await joined({ warn: (_, message) => void warnings.push(message) });
    expect(warnings).toEqual(["The broadcast is away; live updates follow when it is back"]);
    const listener = listen(reader);
    await redis.start();
    await expectHeard(listener, [gap]);
    await publishedAtLast(writer, update(1));
    await expectHeard(listener, [gap, update(1)]);
  });

  test("cuts connections: nobody notices, and what was under way is sent again", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    for (let i = 1; i <= 5; i++) {
      await writer.publish(update(i));
      await redis.command("CLIENT", "KILL", "TYPE", "normal");
    }
    await listener.heardAll(5);
    // what was under way may have been there already
    const heard = new Set(messages(listener.heard).map((message) => JSON.stringify(message)));
    expect([...heard]).toEqual([1, 2, 3, 4, 5].map((i) => JSON.stringify(update(i))));
  });

  test("stands still: publishing rejects, and what was accepted is told once it goes on", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    await writer.publish(update(1));
    redis.signal("SIGSTOP");
    await expect(writer.publish(update(2))).rejects.toThrow("No answer within");
    redis.signal("SIGCONT");
    await publishedAtLast(writer, update(3));
    // what was rejected may have been published
    await expect
      .poll(() => messages(listener.heard), { interval: 10, timeout: 30_000 })
      .toContainEqual(update(3));
    const heard = messages(listener.heard);
    expect(heard.filter((message) => message.kind === "gap")).toEqual([]);
    expect(heard.filter((message) => message.kind === "live" && message.through !== "02")).toEqual([
      update(1),
      update(3),
    ]);
  });

  test("says nothing of its password when it is away", async () => {
    const writer = await joined();
    await redis.kill();
    const behindPassword = await node({ url: redis.url.replace("//", "//user:s3cret@") }, key, {
      warn: (details) => expect(JSON.stringify(details)).not.toContain("s3cret"),
    });
    open.push(behindPassword);
    const failure = await behindPassword.publish(update(1)).catch((error: unknown) => error);
    expect(String(failure)).toContain(redis.url);
    expect(String(failure) + JSON.stringify(failure)).not.toContain("s3cret");
    await expect(writer.publish(update(1))).rejects.toThrow("ECONNREFUSED");
  });
});

describe("a Redis that keeps what was appended", () => {
  beforeEach(async () => void (redis = await testRedis({ keeps: true })));

  test("is killed and comes back: nothing was missed, nobody is told", async () => {
    const [writer, reader] = [await joined(), await joined()];
    const listener = listen(reader);
    await writer.publish(update(1));
    await writer.publish(update(2));
    await listener.heardAll(2);
    await redis.kill();
    await expect(writer.publish(update(3))).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await redis.start();
    await publishedAtLast(writer, update(4));
    await expectHeard(listener, [update(1), update(2), update(4)]);
    expect(await through(reader, listener.heard[0]!.id)).toEqual(["01", "02", "04"]);
  });
});

test("a Redis drops what a reader was away for: a gap, and the rest", async () => {
  redis = await testRedis({ keeps: true });
  const { wait, away, release } = heldBackoff();
  const [writer, reader] = [await joined({ retainMax: 2 }), await joined({ random: () => 0, wait })];
  const listener = listen(reader);
  await writer.publish(update(1));
  await listener.heardAll(1);
  await redis.kill();
  await away;
  await redis.start();
  for (let i = 2; i <= 5; i++) await writer.publish(update(i));
  release();
  await listener.heardAll(4);
  expect(messages(listener.heard)).toEqual([update(1), gap, update(4), update(5)]);
});

test("a publication that Redis refuses rejects, and the next one goes through", async () => {
  redis = await testRedis();
  const writer = await joined();
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  await expect(writer.publish(update(1))).rejects.toThrow("refuses: OOM");
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  const listener = listen(writer);
  await writer.publish(update(2));
  await expectHeard(listener, [update(2)]);
});

/** A reader that has lost Redis does not try again before it is released. */
function heldBackoff(): Pick<RedisBroadcastOptions, "wait"> & { away: Promise<void>; release: () => void } {
  let [leave, release] = [(): void => {}, (): void => {}];
  const away = new Promise<void>((resolve) => (leave = resolve));
  const held = new Promise<void>((resolve) => (release = resolve));
  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    // a deadline
    if (ms > 100) return waitFor(ms, signal);
    leave();
    await held;
  };
  return { wait, away, release: () => release() };
}

/** As a micro-batch does, whose first attempt finds its old connection cut. */
async function publishedAtLast(writer: Broadcast, message: Broadcasted): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      await writer.publish(message);
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
}
