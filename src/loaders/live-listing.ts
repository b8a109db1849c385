/** All live items of a rollup and period, by one Query each and request: their keys are not known beforehand. */
import type { InsightStore, LiveItem } from "../backends/insight-store.ts";
import type { ReadBudget } from "./read-budget.ts";

/** Null where they are more than what the request may still read. */
export type LiveListing = (partition: string) => Promise<readonly LiveItem[] | null>;

export function liveListing(store: InsightStore, reads: ReadBudget): LiveListing {
  const known = new Map<string, Promise<readonly LiveItem[] | null>>();
  return (partition) => {
    const items = known.get(partition) ?? collect(store.listLive(partition), reads);
    known.set(partition, items);
    return items;
  };
}

async function collect(items: AsyncIterable<LiveItem>, reads: ReadBudget): Promise<LiveItem[] | null> {
  const all: LiveItem[] = [];
  for await (const item of items) if (!reads.covers(all.push(item))) return null;
  return all;
}
