/** What every broadcast promises, whichever technology carries it. */
import { afterEach, describe, expect, it } from "vitest";
import type { Broadcast, Broadcasted, Entry, LiveUpdate } from "../../src/backends/broadcast.ts";

export const update = (number: number, shard = "s-0", stream = "sales"): LiveUpdate => ({
  kind: "live",
  source: "Sale",
  stream,
  shard,
  after: number > 1 ? `0${number - 1}` : null,
  through: `0${number}`,
  arrival: number,
  newest: null,
  items: [{ product: "P", rollup: "r", key: { pk: "p", sk: '["ü"]' }, version: number, packed: "[[0],[1]]" }],
  events: [{ sequence: `0${number}`, index: 0, event: { shop: "Zürich 🚚", amount: null, at: number } }],
});

export const published: Broadcasted = { kind: "published", product: "P", version: 3 };

/** One place to meet: brokers of one broadcast, as the processes of a deployment have them. */
export interface Meeting {
  join(): Promise<Broadcast>;
  close(): Promise<void>;
}

export function broadcastConformance(name: string, meet: () => Promise<Meeting>): void {
  describe(`a broadcast ${name}`, () => {
    let meeting: Meeting | undefined;
    afterEach(async () => {
      await meeting?.close();
      meeting = undefined;
    });
    const open = async (count: number): Promise<Broadcast[]> => {
      meeting = await meet();
      return Promise.all(Array.from({ length: count }, () => meeting!.join()));
    };

    it("tells every listener everything from its subscription on, in order, until it leaves", async () => {
      const [writer, reader] = (await open(2)) as [Broadcast, Broadcast];
      const early = listen(reader);
      await writer.publish(update(1));
      await early.heardAll(1);
      const late = listen(reader);
      await writer.publish(update(2));
      await writer.publish(published);
      await Promise.all([early.heardAll(3), late.heardAll(2)]);
      early.leave();
      await writer.publish(update(3));
      await late.heardAll(3);
      expect(early.heard.map(({ message }) => message)).toEqual([update(1), update(2), published]);
      expect(late.heard.map(({ message }) => message)).toEqual([update(2), published, update(3)]);
    });

    it("has one order: ids rise, and are the same for everybody", async () => {
      const [a, b] = (await open(2)) as [Broadcast, Broadcast];
      const [heardA, heardB] = [listen(a), listen(b)];
      await Promise.all(
        Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).publish(update(i + 1, `s-${i % 3}`))),
      );
      await Promise.all([heardA.heardAll(40), heardB.heardAll(40)]);
      const ids = heardA.heard.map(({ id }) => id);
      expect(heardB.heard).toEqual(heardA.heard);
      expect([...ids].sort()).toEqual(ids);
      expect(new Set(ids).size).toBe(40);
    });

    it("reads what is behind an entry, in pieces, that entry first", async () => {
      const [writer, reader] = (await open(2)) as [Broadcast, Broadcast];
      const listener = listen(writer);
      for (let i = 1; i <= 7; i++) await writer.publish(i === 4 ? published : update(i));
      await listener.heardAll(7);
      const second = listener.heard[1]!.id;
      const whole = (await reader.from(second, 100))!;
      expect(whole.map(({ message }) => message.through)).toEqual(["02", "03", "05", "06", "07"]);
      expect(whole.map(({ id }) => id)).toEqual(
        listener.heard.filter(({ message }, i) => i > 0 && message.kind === "live").map(({ id }) => id),
      );
      const pieces: string[] = [];
      for (let at = second; ; ) {
        const piece = (await reader.from(at, 2))!.filter(({ id }) => id !== at);
        if (piece.length === 0) break;
        pieces.push(...piece.map(({ message }) => message.through));
        at = piece.at(-1)!.id;
      }
      expect(pieces).toEqual(["03", "05", "06", "07"]);
    });

    it("does not know an entry of another broadcast", async () => {
      const [broadcast] = (await open(1)) as [Broadcast];
      await broadcast.publish(update(1));
      expect(await broadcast.from("nothing", 10)).toBeNull();
      expect(await broadcast.from("", 10)).toBeNull();
    });

    it("goes on when a listener throws", async () => {
      const [broadcast] = (await open(1)) as [Broadcast];
      const broken = broadcast.subscribe(() => {
        throw new Error("broken");
      });
      const listener = listen(broadcast);
      await broadcast.publish(update(1)).catch(() => {});
      await broadcast.publish(update(2)).catch(() => {});
      await listener.heardAll(2);
      expect(listener.heard.map(({ message }) => message)).toEqual([update(1), update(2)]);
      broken();
    });
  });
}

export interface Listening {
  readonly heard: Entry[];
  heardAll(count: number): Promise<void>;
  leave(): void;
}

export function listen(broadcast: Broadcast): Listening {
  const heard: Entry[] = [];
  const leave = broadcast.subscribe((entry) => void heard.push(entry));
  return {
    heard,
    leave,
    heardAll: (count) =>
      expect.poll(() => heard.length, { interval: 5, timeout: 20_000 }).toBeGreaterThanOrEqual(count),
  };
}
