/**
 * What a product costs after five years of hourly refreshes. Nothing of it depends on how often was refreshed, only on
 * what there is: so the refresh runs over five years of daily partitions, and then hour after hour until the retention
 * is full. Held to bounds: the pointer, every document, and what one more hour reads and writes.
 */
import { expect, test } from "vitest";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { hourMs } from "../../src/model/time.ts";
import { seeded } from "../live/parcels.ts";
import { Life, type World } from "./memory-world.ts";
import { SalesWorld } from "./sales-world.ts";
import { manyActivity } from "./sales.ts";

const kilobyte = 1_024;
/** DynamoDB's limit of an item. */
const largestItem = 400 * kilobyte;

interface Traffic {
  gets: number;
  puts: number;
  lists: number;
  /** Documents in the answers of lists. */
  listed: number;
}

/** The days up to and with the last one, `years` years of them, each with one sale. */
function yearsOfDays(years: number): Record<string, [number, string, number, number][]> {
  const from = Date.UTC(2024 - years, 0, 1);
  const count = (Date.UTC(2024, 0, 1) - from) / (24 * hourMs);
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const at = from + i * 24 * hourMs;
      return [new Date(at).toISOString().slice(0, 10), [[at, "a", 1, 1]]];
    }),
  );
}

interface Hour extends Traffic {
  /** The sizes of the documents that there are after it. */
  readonly sizes: Readonly<Record<"manifest" | "page" | "editions" | "gold" | "builds", number[]>>;
}

/** Behind `years` years: hourly refreshes of one changed day. */
async function hourly(years: number, hours: number): Promise<Hour[]> {
  const sales = new SalesWorld(manyActivity, { refresh, rollback, release }, seeded(1));
  const lake = yearsOfDays(years);
  sales.turnTo({ lake });
  await sales.refresh();
  const measured: Hour[] = [];
  for (let hour = 0; hour < hours; hour++) {
    sales.world.now += hourMs;
    const at = Date.UTC(2024, 0, 1) + hour * hourMs;
    sales.turnTo({ lake: { ...lake, [new Date(at).toISOString().slice(0, 10)]: [[at, "a", hour + 1, 1]] } });
    const traffic = { gets: 0, puts: 0, lists: 0, listed: 0 };
    const deps = sales.deps(new Life(seeded(hour)));
    const retention = { editions: 4, ms: 8 * hourMs };
    await refresh(manyActivity, { ...deps, retention, control: counting(deps.control, traffic) });
    measured.push({ ...traffic, sizes: sizesIn(sales.world) });
  }
  return measured;
}

function sizesIn({ control }: World): Hour["sizes"] {
  const of = (kind: string) =>
    [...control].flatMap(([id, { json }]) => (id.startsWith(`${kind}#`) ? [Buffer.byteLength(json)] : []));
  return {
    manifest: of("manifest"),
    page: of("page"),
    editions: of("editions"),
    gold: of("gold"),
    builds: of("builds"),
  };
}

function counting(control: ControlStore, traffic: Traffic): ControlStore {
  return {
    get: (key) => (traffic.gets++, control.get(key)),
    put: (key, value, expected) => (traffic.puts++, control.put(key, value, expected)),
    remove: (keys) => control.remove(keys),
    list: async <T>(pk: string, options?: Parameters<ControlStore["list"]>[1]) => {
      const found = await control.list<T>(pk, options);
      traffic.lists++;
      // the catalogue's partitions are as many as the lake's, which every refresh lists
      if (!pk.startsWith("lake#")) traffic.listed += found.length;
      return found;
    },
  };
}

test("after five years of hourly refreshes the pointer is small, every document bounded, and an hour costs what it did", async () => {
  const young = (await hourly(1, 12))[11]!;
  const hours = await hourly(5, 36);
  const [old, older] = [hours[11]!, hours[35]!];

  expect(Math.max(...older.sizes.manifest)).toBeLessThan(16 * kilobyte);
  for (const kind of ["page", "editions", "gold", "builds"] as const)
    expect(Math.max(...older.sizes[kind])).toBeLessThan(largestItem / 4);

  // a year more is one more page of the lake and one more document of the gold table to read
  expect(old.puts).toBe(young.puts);
  expect(old.gets).toBeLessThanOrEqual(young.gets + 4);
  expect(old.listed).toBeLessThanOrEqual(young.listed + 4);
  expect(young.gets).toBeLessThan(200);

  // what eight hours of retention keep is there: another day adds nothing
  expect(older.puts).toBe(old.puts);
  expect(older.gets).toBe(old.gets);
  expect(older.sizes.editions.length).toBe(old.sizes.editions.length);
  expect(older.sizes.builds.length).toBe(old.sizes.builds.length);
  expect(older.sizes.page.length).toBe(old.sizes.page.length);
});
