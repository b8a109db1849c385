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
    const heard: [string, Broadcasted][] = [];
    await broadcast.publish(update(1));
    const leave = broadcast.subscribe((message) => void heard.push(["a", message]));
    await broadcast.publish(update(2));
    broadcast.subscribe((message) => void heard.push(["b", message]));
    leave();
    await broadcast.publish({ kind: "published", product: "P", version: 3 });
    expect(heard).toEqual([
      ["a", update(2)],
      ["b", { kind: "published", product: "P", version: 3 }],
    ]);
  });

  it("goes on when a listener throws, and says so", async () => {
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 10, clock: () => 0 });
    const heard: Broadcasted[] = [];
    broadcast.subscribe(() => {
      throw new Error("broken");
    });
    broadcast.subscribe((message) => void heard.push(message));
    await expect(broadcast.publish(update(1))).rejects.toThrow("Listeners of the broadcast failed");
    expect(heard).toEqual([update(1)]);
  });

  it("retains the newest live updates per stream, by number and by age", async () => {
    let now = 0;
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 2, clock: () => now });
    await broadcast.publish(update(1));
    await broadcast.publish(update(2));
    await broadcast.publish(update(9, "other"));
    expect(broadcast.retained("s")).toEqual({ first: 0, updates: [update(1), update(2)], dropped: {} });
    await broadcast.publish(update(3));
    expect(broadcast.retained("s")).toEqual({ first: 1, updates: [update(2), update(3)], dropped: {} });
    now = 11;
    expect(broadcast.retained("s")).toEqual({ first: 3, updates: [], dropped: {} });
    await broadcast.publish(update(4));
    expect(broadcast.retained("s")).toEqual({ first: 3, updates: [update(4)], dropped: {} });
    expect(broadcast.retained("unknown")).toEqual({ first: 0, updates: [], dropped: {} });
  });

  it("remembers where each shard stood in what it dropped", async () => {
    const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 0, clock: () => 0 });
    const dropped = async (shard: string, sequences: readonly string[], gap: { gap?: true } = {}) => {
      const events = sequences.map((sequence) => ({ sequence, index: 0, event: { at: 0 } }));
      await broadcast.publish({ ...update(1), ...gap, shard, events });
      return broadcast.retained("s").dropped;
    };
    expect(await dropped("1", ["01", "02"])).toEqual({ "1": ["02", 0] });
    expect(await dropped("2", [], { gap: true })).toEqual({ "1": ["02", 0] });
    expect(await dropped("2", ["01"])).toEqual({ "1": ["02", 0], "2": ["01", 0] });
    // told again
    expect(await dropped("1", ["01"])).toEqual({ "1": ["02", 0], "2": ["01", 0] });
    expect(await dropped("1", [])).toEqual({ "1": ["02", 0], "2": ["01", 0] });
    // who has stood at 02 has missed something
    expect(await dropped("1", [], { gap: true })).toEqual({
      "1": ["02", Number.MAX_SAFE_INTEGER],
      "2": ["01", 0],
    });
  });
});
