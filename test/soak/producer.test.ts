/** The soak's producer knows what the stream holds, also when puts are not answered. */
import { expect, it } from "vitest";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import { until } from "../live/live-run.ts";
import { produceAt } from "./producer.ts";

it("counts what a put has stored that was not answered, and nothing of one that has stored nothing", async () => {
  const records: StreamRecord[] = [];
  let puts = 0;
  const stream: EventStream = {
    shards: async () => [{ id: "s", parents: [], closed: false }],
    iterator: async () => "from the oldest record",
    fetch: async () => ({ records, next: "the end", millisBehindLatest: 0 }),
    put: async (entries) => {
      // answered, stored without an answer, stored in part, not stored
      const kind = puts++ % 4;
      const stored = entries.slice(0, [entries.length, entries.length, 1, 0][kind]);
      for (const { data } of stored) records.push({ sequence: String(records.length), arrival: 0, data });
      if (kind > 0) throw new Error("no answer");
      return stored.map(() => ({ shard: "s", sequence: "" }));
    },
  };
  const production = produceAt(stream, 100_000);
  await until(() => puts >= 8);
  const { applied, dead, tallies } = await production.stop();
  expect(applied + dead).toBe(records.length * 100);
  const energies = records.flatMap(({ data }) =>
    Buffer.from(data)
      .toString()
      .split("\n")
      .flatMap((line) => /^\{"at":.*"energy":(-?\d+),.*\}$/.exec(line)?.slice(1).map(Number) ?? []),
  );
  const totals = [...tallies].filter(([id]) => id.startsWith("total")).map(([, tally]) => tally);
  expect(totals.reduce((sum, [count]) => sum + count, 0)).toBe(applied);
  expect(energies.length).toBeGreaterThanOrEqual(applied);
  expect(Math.min(...totals.map(([, , least]) => least))).toBeGreaterThanOrEqual(
    energies.reduce((a, b) => Math.min(a, b)),
  );
});
