/** All live items of a rollup and period, by one Query each and request: their keys are not known beforehand. */
import type { InsightStore, LiveItem } from "../backends/insight-store.ts";

export type LiveListing = (partition: string) => Promise<readonly LiveItem[]>;

export function liveListing(store: InsightStore): LiveListing {
  const known = new Map<string, Promise<readonly LiveItem[]>>();
  return (partition) => {
    const items = known.get(partition) ?? collect(store.listLive(partition));
    known.set(partition, items);
    return items;
  };
}

async function collect(items: AsyncIterable<LiveItem>): Promise<readonly LiveItem[]> {
  const all: LiveItem[] = [];
  for await (const item of items) all.push(item);
  return all;
}
