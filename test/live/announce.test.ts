import { describe, expect, it } from "vitest";
import { announcer } from "../../etl/live/announce.ts";
import { advance } from "../../etl/live/checkpoint.ts";
import { waitFor } from "../../etl/live/effects.ts";
import type { Broadcast, Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryControl, quietEffects } from "./memory-stores.ts";
import { parcels, seeded } from "./parcels.ts";

const effects = quietEffects(seeded(1), new AbortController().signal);
const update = (arrival: number): LiveUpdate => ({
  kind: "live",
  source: "Parcel",
  stream: "parcels",
  shard: "1",
  arrival,
  newest: null,
  items: [],
  events: [],
});

describe("a broadcast that is down", () => {
  it("does not hold ingestion up, and a gap marker follows when it is back", async () => {
    const heard: Broadcasted[] = [];
    let down = false;
    const publish = async (message: Broadcasted): Promise<void> => {
      if (down) throw new Error("down");
      heard.push(message);
    };
    const announced = announcer({
      broadcast: { publish } as unknown as Broadcast,
      effects: { ...effects, wait: waitFor },
    });
    await announced.publish(update(1));
    await announced.publish(update(2));
    down = true;
    await announced.publish(update(3));
    down = false;
    await announced.publish(update(4));
    await announced.publish(update(5));
    // the first of a process, too: the one before it may have died with a gap
    expect(heard).toEqual([{ ...update(1), gap: true }, update(2), { ...update(4), gap: true }, update(5)]);
  });

  it("has its gap told by the shard that it is in", async () => {
    const heard: LiveUpdate[] = [];
    let down = false;
    const publish = async (message: Broadcasted): Promise<void> => {
      if (down) throw new Error("down");
      heard.push(message as LiveUpdate);
    };
    const announced = announcer({
      broadcast: { publish } as unknown as Broadcast,
      effects: { ...effects, wait: waitFor },
    });
    const other = { ...update(1), shard: "2" };
    await announced.publish(update(1));
    await announced.publish(other);
    down = true;
    await announced.publish(update(2));
    down = false;
    await announced.publish(other);
    await announced.publish(update(3));
    expect(heard.map(({ shard, gap }) => [shard, gap])).toEqual([
      ["1", true],
      ["2", true],
      ["2", undefined],
      ["1", true],
    ]);
  });

  it("has its gap told of a shard that has ended, of which nothing follows", async () => {
    const heard: LiveUpdate[] = [];
    let down = false;
    const publish = async (message: Broadcasted): Promise<void> => {
      if (down) throw new Error("down");
      heard.push(message as LiveUpdate);
    };
    const announced = announcer({
      broadcast: { publish } as unknown as Broadcast,
      effects: { ...effects, wait: waitFor },
    });
    const [whole, child] = ["2", "3"].map((shard) => ({ ...update(1), shard })) as [LiveUpdate, LiveUpdate];
    await announced.publish(whole);
    await announced.end(whole);
    await announced.publish(update(1));
    down = true;
    await announced.publish(update(2));
    await announced.end(update(2));
    down = false;
    await announced.publish(child);
    await announced.publish(child);
    expect(heard.map(({ shard, gap }) => [shard, gap])).toEqual([
      ["2", true],
      ["1", true],
      ["3", true],
      ["1", true],
      ["3", undefined],
    ]);
    // the process before may have died with a gap of the shard to be told
    const next = announcer({ broadcast: { publish } as unknown as Broadcast, effects });
    await next.end(update(2));
    expect(heard.at(-1)).toEqual({ ...update(2), gap: true });
  });

  it("is not taken for one that was told, however soon the wait for it is cut short", async () => {
    const heard: LiveUpdate[] = [];
    let down = false;
    const publish = async (message: Broadcasted): Promise<void> => {
      if (down) throw new Error("down");
      heard.push(message as LiveUpdate);
    };
    const wait = (_: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    const announced = announcer({
      broadcast: { publish } as unknown as Broadcast,
      effects: { ...effects, wait },
    });
    await announced.publish(update(1));
    down = true;
    await announced.publish(update(2));
    down = false;
    await announced.publish(update(3));
    expect(heard.map(({ arrival, gap }) => [arrival, gap])).toEqual([
      [1, true],
      [3, true],
    ]);
  });

  it("is given up after a while when it does not answer", async () => {
    const publish = (): Promise<void> => new Promise(() => {});
    const announced = announcer({ broadcast: { publish } as unknown as Broadcast, effects });
    await expect(announced.publish(update(1))).resolves.toBeUndefined();
  });
});

describe("a checkpoint", () => {
  it("is not moved back by a consumer that lags behind", async () => {
    const options = { stream: parcels.stream!, products: [], control: memoryControl(), effects };
    const at = (sequence: string) => ({ sequence, arrival: 0, newest: null });
    const early = await advance(options, "1", null, at("05"));
    const late = await advance(options, "1", early, at("09"));
    expect(await advance(options, "1", early, at("07"))).toEqual(late);
    expect(await advance(options, "1", null, at("11"))).toMatchObject({ value: at("11") });
  });
});
