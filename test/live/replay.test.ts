/** A replay into an embedded Kinesis: every row once, whatever happens to it, and micro-batches that count it. */
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ReplayOptions, type ReplayProgress, type ReplayRow, runReplay } from "../../etl/live/replay.ts";
import { waitFor } from "../../etl/live/effects.ts";
import type { EventStream, PutEntry } from "../../src/backends/event-stream.ts";
import { type Clock, clockKey, type LiveStart, liveStartKey } from "../../src/model/control.ts";
import { livePartition, unpackBuckets } from "../../src/model/layout.ts";
import { dayMs, hourMs, periodOf } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { type EmbeddedCloud, openCloud } from "./embedded-cloud.ts";
import { caughtUp, silent, startConsumer, until } from "./live-run.ts";
import { dayStart, history, parcels, pastParcels, seeded } from "./parcels.ts";

const stream = history.stream!;
const rowCount = 1_300; // of two days: two full batches and a part of one

/** Parcels in order of time over three days, many at the same instant, none in the first hour. */
const rows: readonly ReplayRow[] = (() => {
  const random = seeded(21);
  let scanned = dayStart + hourMs;
  return Array.from({ length: rowCount }, (_, i) => {
    scanned += Math.floor(random() * 5) * 60_000;
    const depot = ["A", "B", "C", ""][Math.floor(random() * 4)]!;
    return { row: i + 1, event: { scanned, cost: Math.floor(random() * 100), depot } };
  });
})();
const lastTime = Number(rows.at(-1)!.event["scanned"]);

let cloud: EmbeddedCloud;
let events: EventStream;

beforeEach(async () => {
  cloud = await openCloud();
  events = await cloud.newStream("history", 3);
});
afterEach(() => cloud.close());

function replay(overrides: Partial<ReplayOptions> = {}): Promise<void> {
  return runReplay({
    source: history,
    products: [pastParcels],
    stream: events,
    control: cloud.control,
    rows: async function* (after) {
      yield* rows.slice(after);
    },
    start: dayStart,
    speed: "max",
    maxPauseMs: 250,
    clock: Date.now,
    random: Math.random,
    wait: (ms, signal) => waitFor(Math.min(ms, 5), signal),
    signal: new AbortController().signal,
    log: silent,
    ...overrides,
  });
}

interface Put {
  readonly row: number;
  readonly arrival: number;
  readonly event: Record<string, unknown>;
}

const linesOf = (data: Uint8Array): object[] =>
  Buffer.from(data)
    .toString()
    .split("\n")
    .map((line) => JSON.parse(line) as object);

/** All rows in the stream, per shard in order. */
async function rowsInStream(): Promise<Put[][]> {
  const shards = await events.shards();
  return Promise.all(
    shards.map(async ({ id }) => {
      const found = await events.fetch(await events.iterator(id, null), 10_000);
      if (found === "expired") throw new Error("expired");
      return found.records
        .flatMap(({ data }) => linesOf(data))
        .filter((line) => "sluice" in line && line.sluice === "replay") as never[];
    }),
  );
}

async function expectEveryRowOnce(): Promise<void> {
  const found = (await rowsInStream()).flat();
  expect(found.map(({ row }) => row).sort((a, b) => a - b)).toEqual(rows.map(({ row }) => row));
}

const clockAt = async (): Promise<number> => (await cloud.control.get<Clock>(clockKey(stream)))!.value.at;

describe("a replay", () => {
  it("puts every row once and as it is", async () => {
    const progress: ReplayProgress[] = [];
    await replay({ progress: (each) => progress.push(each) });
    await expectEveryRowOnce();
    for (const { row, event } of (await rowsInStream()).flat()) {
      const { scanned, cost, depot } = rows[row - 1]!.event;
      expect(event).toEqual({
        "Scan Time": new Date(Number(scanned)).toISOString(),
        "Cost Total $": cost,
        depot,
      });
    }
    expect(progress.at(-1)).toEqual({ rows: rowCount, time: lastTime, done: true });
  });

  it("packs many rows into few records, and keeps those of one key in order also when shards are throttled", async () => {
    const random = seeded(23);
    let records = 0;
    // as the adapter: what is refused goes again behind the rest
    const throttled: EventStream = {
      ...events,
      put: async (entries) => {
        records += entries.length;
        const later = entries.filter(() => random() < 0.3);
        const now = entries.filter((entry) => !later.includes(entry));
        return [...(await events.put(now)), ...(later.length > 0 ? await events.put(later) : [])];
      },
    };
    const wide = rows.map(({ row, event }) => ({
      row,
      event: { ...event, depot: `${String(event["depot"])}${"x".repeat(2_000)}` },
    }));
    await replay({
      stream: throttled,
      rows: async function* (after) {
        yield* wide.slice(after);
      },
    });
    expect(records).toBeLessThan(rowCount / 10);
    await expectEveryRowOnce();
    for (const shard of await rowsInStream())
      for (const depot of new Set(shard.map(({ event }) => event["depot"]))) {
        const own = shard.filter(({ event }) => event["depot"] === depot).map(({ row }) => row);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
  });

  it("puts no row behind a record that says that later ones arrive only", async () => {
    await replay();
    for (const shard of await rowsInStream()) {
      const arrivals = shard.map(({ arrival }) => arrival);
      expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
      for (const { row, arrival } of shard) {
        const scanned = Number(rows[row - 1]!.event["scanned"]);
        expect(scanned).toBeGreaterThanOrEqual(arrival - hourMs);
        // beyond it the row would be refused
        expect(scanned).toBeLessThanOrEqual(arrival + dayMs);
      }
    }
  });

  it("ends with its clock at the end of the last event's coarsest live bucket, plus the lateness, and stays there", async () => {
    await replay();
    const end = Math.floor(lastTime / dayMs) * dayMs + dayMs + hourMs;
    expect(await clockAt()).toBe(end);
    await replay();
    expect(await clockAt()).toBe(end);
    await expectEveryRowOnce();
  });

  it("starts its clock at the first instant that is replayed", async () => {
    const stopped = new AbortController();
    stopped.abort();
    await replay({ signal: stopped.signal });
    expect(await clockAt()).toBe(dayStart + hourMs);
  });

  it("never lets a record follow that is stamped earlier than the clock", async () => {
    let checked = 0;
    const watched: EventStream = {
      ...events,
      put: async (entries) => {
        const at = await clockAt();
        for (const line of entries.flatMap(({ data }) => linesOf(data))) {
          checked++;
          expect((line as { arrival: number }).arrival).toBeGreaterThanOrEqual(at);
        }
        return events.put(entries);
      },
    };
    await replay({ stream: watched });
    const lastBarriers = (await events.shards()).length;
    expect(checked).toBe(rowCount + lastBarriers);
  });

  it("goes on after being stopped anywhere, and puts no row twice", async () => {
    for (let stops = 0; stops < 4; stops++) {
      const stopping = new AbortController();
      let seen = 0;
      await replay({
        signal: stopping.signal,
        rows: async function* (after) {
          for (const row of rows.slice(after)) {
            if (++seen > 800) stopping.abort();
            yield row;
          }
        },
      });
    }
    const halfway = (await rowsInStream()).flat().length;
    expect(halfway).toBeGreaterThan(0);
    await replay();
    await expectEveryRowOnce();
  });

  it("puts no row twice when puts go unanswered, wholly stored, in part or not at all", async () => {
    const random = seeded(22);
    let lost = 0;
    const unanswered = async (entries: readonly PutEntry[]): Promise<never> => {
      lost++;
      const stored = entries.filter(() => random() < 0.5);
      if (lost % 3 === 0) await events.put(entries);
      else if (lost % 3 === 1) await events.put(stored);
      throw new Error("no answer");
    };
    const put = (entries: readonly PutEntry[]) =>
      random() < 0.7 ? unanswered(entries) : events.put(entries);
    await replay({ stream: { ...events, put } });
    expect(lost).toBeGreaterThan(2);
    await expectEveryRowOnce();
  });

  it("puts no row twice when it dies between a put and its clock", async () => {
    const dying = new AbortController();
    const put: EventStream["put"] = async (entries) => {
      await events.put(entries);
      dying.abort();
      throw new Error("died");
    };
    await expect(replay({ stream: { ...events, put }, signal: dying.signal })).rejects.toThrow("died");
    await replay();
    await expectEveryRowOnce();
  });

  it("refuses rows out of order, a stream that is no replay, and a second replay of the same stream", async () => {
    const backwards = async function* (): AsyncIterable<ReplayRow> {
      yield* [rows[900]!, rows[3]!];
    };
    await expect(replay({ rows: backwards })).rejects.toThrow("rows come in order of time. Row 4");
    await expect(replay({ source: parcels })).rejects.toThrow('"parcels", which is not');
    const put: EventStream["put"] = async (entries) => {
      const clock = (await cloud.control.get<Clock>(clockKey(stream)))!;
      await cloud.control.put(clockKey(stream), { ...clock.value, at: clock.value.at + 1 }, clock.revision);
      return events.put(entries);
    };
    await expect(replay({ stream: { ...events, put } })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("pauses between events for their distance at its speed, at most so long", async () => {
    const pauses: number[] = [];
    const times = [0, 60_000, 60_000, 120_000, dayMs].map((at) => dayStart + at);
    await replay({
      speed: 600,
      clock: () => 0,
      wait: async (ms) => void pauses.push(ms),
      rows: async function* () {
        for (const [i, scanned] of times.entries())
          yield { row: i + 1, event: { scanned, cost: 1, depot: "A" } };
      },
    });
    expect(pauses).toEqual([100, 100, 250]);
  });
});

describe("micro-batches of a replay", () => {
  it("count the same whatever is restarted, and are live from where the replay began", async () => {
    const stopping = new AbortController();
    const first = startConsumer(cloud, events, [pastParcels], { window });
    // so fast that some thirty rows are put together
    const broken = replay({ signal: stopping.signal, rows: slowly(700, stopping), speed: 200_000 });
    await until(() => first.updates.length > 3);
    await first.stop();
    await broken;
    const second = startConsumer(cloud, events, [pastParcels], { window });
    await replay();
    await caughtUp(cloud, events, pastParcels, await clockAt());
    await second.stop();
    await expectTotals();
    const start = await cloud.control.get<LiveStart>(liveStartKey(pastParcels));
    expect(start!.value.from).toBe(dayStart);
  });

  const window = { ageMs: 50, records: 30, bytes: 1_000_000 };

  function slowly(stopAt: number, stopping: AbortController): ReplayOptions["rows"] {
    return async function* (after) {
      for (const row of rows.slice(after)) {
        if (row.row === stopAt) stopping.abort();
        yield row;
        if (row.row % 100 === 0) await wait(1);
      }
    };
  }

  async function expectTotals(): Promise<void> {
    const expected = new Map<string, [number, number]>();
    const add = (id: string, event: Event): void => {
      const [count, cost] = expected.get(id) ?? [0, 0];
      expected.set(id, [count + 1, cost + Number(event["cost"])]);
    };
    for (const { event } of rows) {
      const at = Number(event["scanned"]);
      add(`total ${Math.floor(at / hourMs)}`, event);
      add(`${String(event["depot"])} ${Math.floor(at / dayMs)}`, event);
    }
    expect(await stored()).toEqual(expected);
  }

  async function stored(): Promise<Map<string, [number, number]>> {
    const found = new Map<string, [number, number]>();
    for (const rollup of pastParcels.rollups)
      for (const period of new Set(
        rows.map(({ event }) => periodOf(Number(event["scanned"]), rollup.finest)),
      ))
        for await (const { sk, packed } of cloud.insights.listLive(
          livePartition(pastParcels, rollup, period),
        )) {
          const [key] = JSON.parse(sk) as [string | undefined];
          const [from, width] = key === undefined ? [period, hourMs] : [`${period}-01`, dayMs];
          for (const [bucket, [count, cost]] of unpackBuckets(packed))
            found.set(`${key ?? "total"} ${Math.floor(Date.parse(`${from}T00:00:00Z`) / width) + bucket}`, [
              count!,
              cost!,
            ]);
        }
    return found;
  }
});
