import { describe, expect, it } from "vitest";
import { announcer } from "../../etl/live/announce.ts";
import { advance } from "../../etl/live/checkpoint.ts";
import { waitFor } from "../../etl/live/effects.ts";
import type { Broadcast, Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryControl, quietEffects } from "./memory-stores.ts";
import { parcels, seeded } from "./parcels.ts";

const effects = quietEffects(seeded(1), new AbortController().signal);
const update = (number: number, shard = "1"): LiveUpdate => ({
  kind: "live",
  source: "Parcel",
  stream: "parcels",
  shard,
  after: number > 1 ? `0${number - 1}` : null,
  through: `0${number}`,
  arrival: 0,
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
    down = true;
    await announced.publish(update(2));
    await announced.publish(update(3));
    await announced.publish(update(1, "2"));
    down = false;
    // whichever shard is first tells of all
    await announced.publish(update(1, "3"));
    await announced.publish(update(4));
    const gap = { kind: "gap", stream: "parcels", lost: { "1": "03", "2": "01" } };
    expect(heard).toEqual([update(1), update(1, "3"), gap, update(4)]);
  });

  it("is not taken for one that was told, however soon the wait for it is cut short", async () => {
    const heard: Broadcasted[] = [];
    let down = false;
    const publish = async (message: Broadcasted): Promise<void> => {
      if (down) throw new Error("down");
      heard.push(message);
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
    expect(heard).toEqual([update(1), update(3), { kind: "gap", stream: "parcels", lost: { "1": "02" } }]);
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
