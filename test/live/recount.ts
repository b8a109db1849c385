/** What the stores of the live path hold of parcels, beside what plain counting says of the parcels that were put. */
import { parquetReadObjects } from "hyparquet";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { unpackBuckets } from "../../src/model/layout.ts";
import type { Event } from "../../src/model/values.ts";
import { memoryControl, memoryDeadLetters, memoryInsights, memoryLake } from "./memory-stores.ts";

export function memoryStores() {
  return {
    insights: memoryInsights(),
    control: memoryControl(),
    lake: memoryLake(),
    deadLetters: memoryDeadLetters(),
  };
}

export type MemoryStores = ReturnType<typeof memoryStores>;

type Totals = ReadonlyMap<string, readonly [parcels: number, cost: number]>;

/** Depot, day and hour -> number and cost, as the live items of DepotParcels have it. */
export function storedTotals({ insights }: MemoryStores): Totals {
  return totalsOf(insights.items.values());
}

export function totalsOf(items: Iterable<Pick<LiveItem, "pk" | "sk" | "packed">>): Totals {
  const totals = new Map<string, readonly [number, number]>();
  for (const { pk, sk, packed } of items) {
    if (!pk.startsWith("DepotParcels#") || !pk.includes("#depot#")) continue;
    const day = pk.slice(pk.lastIndexOf("#") + 1);
    for (const [hour, [parcels, cost]] of unpackBuckets(packed))
      totals.set(`${sk} ${day} ${hour}`, [parcels!, cost!]);
  }
  return totals;
}

export function countedTotals(events: readonly Event[]): Totals {
  const totals = new Map<string, [number, number]>();
  for (const { depot, scanned, cost } of events) {
    const at = new Date(Number(scanned)).toISOString();
    const key = `${JSON.stringify([depot])} ${at.slice(0, 10)} ${Number(at.slice(11, 13))}`;
    const [parcels, sum] = totals.get(key) ?? [0, 0];
    totals.set(key, [parcels + 1, sum + Number(cost)]);
  }
  return totals;
}

/** The costs of all archived parcels, which number them. */
export async function archivedCosts({ lake }: { readonly lake: Lake }): Promise<number[]> {
  const costs: number[] = [];
  for await (const { key } of lake.list("archive/")) {
    const rows = await parquetReadObjects({ file: new Uint8Array(await lake.read(key)).buffer });
    costs.push(...rows.map((row) => Number(row["Cost Total $"])));
  }
  return costs.sort((a, b) => a - b);
}

/** The bytes of all dead letters. */
export function deadTexts({ deadLetters }: MemoryStores): string[] {
  return [...deadLetters.letters.values()].map(({ bytes }) => Buffer.from(bytes).toString()).sort();
}
