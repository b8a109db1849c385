import { describe, expect, it } from "vitest";
import type { Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";

const update = (arrival: number, stream = "s"): LiveUpdate => ({
  kind: "live",
  source: "S",
  stream,
  shard: "1",
  arrival,
  newest: null,
  items: [],
  events: [],
});

describe("the broadcast in memory", () => {
  it("tells every listener everything from its subscription on, in order, until it leaves", async () => {
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 10, clock: () => 0 });
    const heard: [string, Broadcasted, number][] = [];
    await broadcast.publish(update(1));
    const leave = broadcast.subscribe((message, offset) => heard.push(["a", message, offset]));
    await broadcast.publish(update(2));
    broadcast.subscribe((message, offset) => heard.push(["b", message, offset]));
    leave();
    await broadcast.publish({ kind: "published", product: "P", version: 3 });
    expect(heard).toEqual([
      ["a", update(2), 2],
      ["b", { kind: "published", product: "P", version: 3 }, 3],
    ]);
  });

  it("goes on when a listener throws, and says so", async () => {
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 10, clock: () => 0 });
    const heard: number[] = [];
    broadcast.subscribe(() => {
      throw new Error("broken");
    });
    broadcast.subscribe((_, offset) => heard.push(offset));
    await expect(broadcast.publish(update(1))).rejects.toThrow("Listeners of the broadcast failed");
    expect(heard).toEqual([1]);
  });

  it("retains the newest live updates per stream, by number and by age", async () => {
    let now = 0;
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 2, clock: () => now });
    await broadcast.publish(update(1));
    await broadcast.publish(update(2));
    await broadcast.publish(update(9, "other"));
    expect(broadcast.retained("s")).toEqual({ updates: [update(1), update(2)], complete: true });
    await broadcast.publish(update(3));
    expect(broadcast.retained("s")).toEqual({ updates: [update(2), update(3)], complete: false });
    now = 11;
    expect(broadcast.retained("s")).toEqual({ updates: [], complete: false });
    expect(broadcast.retained("unknown")).toEqual({ updates: [], complete: true });
  });
});
