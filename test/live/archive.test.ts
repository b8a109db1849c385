/** The archive under re-cuts, crashes, lost answers and zombies; its files are read by plain DuckDB. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Archive, lakeArchive } from "../../etl/live/archive.ts";
import { encodeEvents } from "../../etl/live/parquet.ts";
import type { Barrier, DecodedEvent } from "../../etl/live/wire.ts";
import type { ArchiveRecord } from "../../src/model/control.ts";
import { memoryControl, memoryLake, newLife, quietEffects } from "./memory-stores.ts";
import { dayStart, parcels, randomParcel, seeded } from "./parcels.ts";

const runs = 120;
let duck: DuckDBConnection;
let folder: string;
let written = 0;

beforeAll(async () => {
  duck = await (await DuckDBInstance.create()).connect();
  folder = await mkdtemp(join(tmpdir(), "sluice-archive-"));
});
afterAll(async () => {
  duck.closeSync();
  await rm(folder, { recursive: true });
});

async function rowsOf(files: readonly Uint8Array[], select: string): Promise<unknown[][]> {
  if (files.length === 0) return [];
  // DuckDB caches what it has read of a path
  const paths = files.map(() => join(folder, `${written++}.parquet`));
  await Promise.all(files.map((bytes, i) => writeFile(paths[i]!, bytes)));
  const list = paths.map((path) => `'${path}'`).join(", ");
  return (await duck.runAndReadAll(select.replace("FILES", `read_parquet([${list}])`))).getRowsJson();
}

describe("a Parquet file", () => {
  const events = [
    { scanned: dayStart + 1, cost: -5, weight: 0.1, depot: 'K"öln 🚚', damaged: false, due: null },
    { scanned: dayStart, cost: Number.MAX_SAFE_INTEGER, weight: -0, depot: null, damaged: null, due: 0 },
    { scanned: -1, cost: null, weight: 1e300, depot: "", damaged: true, due: dayStart + 999 },
  ];

  it("has the lake table's columns and types", async () => {
    const described = await rowsOf([encodeEvents(parcels, events)], "DESCRIBE SELECT * FROM FILES");
    expect(described.map(([name, type]) => [name, type])).toEqual([
      ["Scan Time", "TIMESTAMP"],
      ["Cost Total $", "BIGINT"],
      ["weight", "DOUBLE"],
      ["depot", "VARCHAR"],
      ["is?damaged", "BOOLEAN"],
      ["due", "TIMESTAMP"],
    ]);
  });

  it("has the same values, to the millisecond", async () => {
    const rows = await rowsOf(
      [encodeEvents(parcels, events)],
      `SELECT strftime("Scan Time", '%Y-%m-%dT%H:%M:%S.%gZ'), "Cost Total $"::VARCHAR, weight, depot, "is?damaged",
         strftime(due, '%Y-%m-%dT%H:%M:%S.%gZ') FROM FILES`,
    );
    expect(rows).toEqual([
      ["2024-02-28T00:00:00.001Z", "-5", 0.1, 'K"öln 🚚', false, null],
      ["2024-02-28T00:00:00.000Z", "9007199254740991", -0, null, null, "1970-01-01T00:00:00.000Z"],
      ["1969-12-31T23:59:59.999Z", null, 1e300, "", true, "2024-02-28T00:00:00.999Z"],
    ]);
  });
});

/** Records in order: an event each, its cost its number; every seventh is a barrier. */
function randomRecords(random: () => number): (DecodedEvent | Barrier)[] {
  return Array.from({ length: 60 }, (_, i) => {
    const sequence = String(i + 1).padStart(4, "0");
    if (i % 7 === 6) return { id: `b${i}`, sequence, arrival: i };
    return { sequence, index: 0, arrival: 0, event: randomParcel(random, i) };
  });
}

/** Windows cut anywhere, from `from` on; resolves when all are added. */
async function addAll(
  archive: Archive,
  records: readonly (DecodedEvent | Barrier)[],
  from: number,
  random: () => number,
  added: (at: number) => void = () => {},
): Promise<void> {
  for (let at = from; at < records.length; ) {
    const window = records.slice(at, at + 1 + Math.floor(random() * 20));
    await archive.add("shard-1", {
      events: window.filter((record) => "event" in record),
      through: window.at(-1)!.sequence,
      barrier: window.filter((record) => "id" in record).at(-1) ?? null,
    });
    at += window.length;
    added(at);
  }
}

describe("the archive under faults", () => {
  it(`holds every event once after ${runs} random histories`, async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const random = seeded(seed);
      const [control, lake] = [memoryControl(), memoryLake()];
      const records = randomRecords(random);
      let archived = 0;
      const live = async (): Promise<boolean> => {
        const life = newLife(random, { crash: 0.05, fail: 0.05 });
        const [source, stream] = [parcels, parcels.stream!];
        const stores = { control: life.faulty(control), lake: life.faulty(lake) };
        try {
          const archive = lakeArchive({ source, stream, ...stores, effects: life.effects });
          await archive.recover("shard-1");
          // a checkpoint lies anywhere before what has been archived
          const from = Math.floor(random() * (archived + 1));
          await addAll(archive, records, from, random, (at) => (archived = Math.max(archived, at)));
          return true;
        } catch (error) {
          if (!life.effects.signal.aborted) throw error;
          return false;
        }
      };
      const untilThrough = async (): Promise<void> => {
        while (!(await live()));
      };
      // two consumers at once: one of them is a zombie
      await Promise.all([untilThrough(), untilThrough()]);
      await expectOnce(records, lake.objects, seed);
      const [record] = await control.list<ArchiveRecord>("archive#parcels");
      expect(record?.value, `seed ${seed}`).toMatchObject({
        through: records.at(-1)!.sequence,
        barrier: records
          .filter((each) => "id" in each)
          .map(({ sequence, arrival }) => ({ sequence, arrival }))
          .at(-1),
        copying: [],
      });
    }
  });

  async function expectOnce(
    records: readonly (DecodedEvent | Barrier)[],
    objects: ReadonlyMap<string, Uint8Array>,
    seed: number,
  ): Promise<void> {
    const costs = records.flatMap((record) => ("event" in record ? [Number(record.event["cost"])] : []));
    const archived = [...objects].filter(([key]) => key.startsWith("archive/"));
    const rows = await rowsOf(
      archived.map(([, bytes]) => bytes),
      `SELECT "Cost Total $"::INT FROM FILES ORDER BY 1`,
    );
    expect(
      rows.map(([cost]) => Number(cost)),
      `seed ${seed}`,
    ).toEqual(costs);
  }

  it("puts each event into the file of its lake partition", async () => {
    const random = seeded(5);
    const lake = memoryLake();
    const effects = quietEffects(random, new AbortController().signal);
    const [source, stream] = [parcels, parcels.stream!];
    const archive = lakeArchive({ source, stream, control: memoryControl(), lake, effects });
    await addAll(archive, randomRecords(random), 0, random);
    const months = new Set<string>();
    for (const [key, bytes] of lake.objects) {
      const [, month] = /^archive\/depot\.parcels\/month=(\d{4}-\d\d)\/shard-1-\d+\.parquet$/.exec(key)!;
      months.add(month!);
      expect(await rowsOf([bytes], `SELECT DISTINCT strftime("Scan Time", '%Y-%m') FROM FILES`)).toEqual([
        [month],
      ]);
    }
    expect([...months].sort()).toEqual(["2024-02", "2024-03"]);
  });

  it("moves through and the barrier on for a window without events", async () => {
    const control = memoryControl();
    const [source, stream, lake] = [parcels, parcels.stream!, memoryLake()];
    const effects = quietEffects(seeded(1), new AbortController().signal);
    const archive = lakeArchive({ source, stream, control, lake, effects });
    await archive.add("s", { events: [], through: "5", barrier: { id: "b", sequence: "4", arrival: 7 } });
    expect((await control.list<ArchiveRecord>("archive#parcels"))[0]?.value).toEqual({
      through: "5",
      files: 0,
      barrier: { sequence: "4", arrival: 7 },
      copying: [],
    });
    expect(lake.objects.size).toBe(0);
  });
});
