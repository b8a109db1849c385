import { expect, it } from "vitest";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import { broadcastConformance, listen, update } from "./conformance.ts";

broadcastConformance("in memory", async () => {
  const broadcast = memoryBroadcast({ retainMs: 60_000, retainMax: 1_000, clock: Date.now, epoch: "e" });
  return { join: async () => broadcast, close: async () => {} };
});

it("retains the newest live updates, by number and by age, and knows what it has dropped last", async () => {
  let now = 0;
  const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 2, clock: () => now, epoch: "e" });
  const { heard } = listen(broadcast);
  const through = async (i: number) =>
    (await broadcast.from(heard[i]!.id, 10))?.map(({ message }) => message.through) ?? null;
  for (let i = 1; i <= 4; i++) await broadcast.publish(update(i));
  expect(await through(0)).toBeNull();
  // the last one dropped: all that is behind it is there
  expect(await through(1)).toEqual(["03", "04"]);
  expect(await through(2)).toEqual(["03", "04"]);
  expect(await through(3)).toEqual(["04"]);
  now = 11;
  expect(await through(2)).toBeNull();
  expect(await through(3)).toEqual([]);
  await broadcast.publish(update(5));
  expect(await through(3)).toEqual(["05"]);
});

it("says when a listener failed", async () => {
  const broadcast = memoryBroadcast({ retainMs: 10, retainMax: 2, clock: () => 0, epoch: "e" });
  broadcast.subscribe(() => {
    throw new Error("broken");
  });
  await expect(broadcast.publish(update(1))).rejects.toThrow("Listeners of the broadcast failed");
});
