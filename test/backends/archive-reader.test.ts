/** Archive files read back: what the micro-batches have written, and files of earlier declarations. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { encodeEvents } from "../../etl/live/parquet.ts";
import type { ArchiveReader } from "../../src/backends/archive-reader.ts";
import { duckdbArchiveReader } from "../../src/backends/archive-reader.duckdb.ts";
import type { Event } from "../../src/model/values.ts";
import { memoryLake } from "../live/memory-stores.ts";
import { dayStart, parcels, randomParcel, seeded } from "../live/parcels.ts";

let folder: string;
let reader: ArchiveReader & { close(): Promise<void> };
const lake = memoryLake();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-reader-"));
  reader = duckdbArchiveReader({ lake, tempFolder: folder });
});
afterAll(() => rm(folder, { recursive: true }));

async function read(...keys: string[]): Promise<Event[]> {
  const events: Event[] = [];
  const files = keys.map((key) => ({ key, size: 1, etag: "" }));
  for await (const batch of reader.read(parcels, files)) events.push(...batch);
  return events;
}

async function writeSql(key: string, select: string): Promise<void> {
  const duck = await (await DuckDBInstance.create()).connect();
  const file = join(folder, "written.parquet");
  await duck.run(`COPY (${select}) TO '${file}' (FORMAT parquet)`);
  duck.closeSync();
  lake.objects.set(key, await readFile(file));
  await rm(file);
}

it("reads every value as it was written", async () => {
  const events = [
    { scanned: dayStart + 1, cost: -5, weight: 0.1, depot: 'K"öln 🚚', damaged: false, due: null },
    { scanned: dayStart, cost: Number.MAX_SAFE_INTEGER, weight: -0, depot: null, damaged: null, due: 0 },
    { scanned: -1, cost: null, weight: 1e300, depot: "", damaged: true, due: dayStart + 999 },
    {
      scanned: Date.parse("0001-01-01T00:00:00Z"),
      cost: 0,
      weight: 5e-324,
      depot: "\uFEFFmark\n\0",
      damaged: true,
      due: -62_135_596_800_000,
    },
    {
      scanned: Date.parse("9999-12-31T23:59:59.999Z"),
      cost: 1,
      weight: -1.5,
      depot: "null",
      damaged: false,
      due: 1,
    },
  ];
  lake.objects.set("a", encodeEvents(parcels, events));
  const found = await read("a");
  expect(found).toEqual(events);
  expect(Object.is(found[1]!["weight"], -0)).toBe(true);
});

it("reads many files together, and leaves nothing in the temporary folder but its own", async () => {
  const random = seeded(3);
  const files = Array.from({ length: 9 }, () => Array.from({ length: 300 }, () => randomParcel(random)));
  files.forEach((events, i) => lake.objects.set(`many-${i}`, encodeEvents(parcels, events)));
  const found = await read(...files.map((_, i) => `many-${i}`));
  const sorted = (events: readonly Event[]): string[] => events.map((event) => JSON.stringify(event)).sort();
  expect(sorted(found)).toEqual(sorted(files.flat()));
  const [own] = await readdir(folder);
  expect(await readdir(join(folder, own!))).toEqual([]);
});

it("reads files of earlier declarations: without a column, with one that is gone, or of a narrower type", async () => {
  await writeSql(
    "old",
    `SELECT TIMESTAMP '2024-02-28 00:00:00.001' AS "scan time", CAST(7 AS INTEGER) AS "Cost Total $", CAST(3 AS BIGINT) AS weight, 'A' AS depot, 'x' AS gone`,
  );
  lake.objects.set(
    "new",
    encodeEvents(parcels, [{ scanned: dayStart, cost: 1, weight: 0.5, depot: "B", damaged: true, due: 5 }]),
  );
  const old = { scanned: dayStart + 1, cost: 7, weight: 3, depot: "A", damaged: null, due: null };
  expect(await read("old")).toEqual([old]);
  expect(await read("old", "new")).toEqual([
    old,
    { scanned: dayStart, cost: 1, weight: 0.5, depot: "B", damaged: true, due: 5 },
  ]);
});

it("says which file it could not read", async () => {
  lake.objects.set("broken", Buffer.from("PAR1 this is none"));
  await expect(read("broken")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: expect.stringContaining(
      'archive of source "Parcel" cannot be read (1 files from broken on)',
    ) as string,
  });
});
