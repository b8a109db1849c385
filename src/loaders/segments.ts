/**
 * Reads of segments and live items, batched per request. Segments are immutable, so what was read once (also that
 * there is none) is kept in memory, unpacked; live items are always read.
 */
import DataLoader from "dataloader";
import { LRUCache } from "lru-cache";
import type { InsightStore } from "../backends/insight-store.ts";
import { type ItemKey, itemId, type PackedColumns, unpackColumns } from "../model/layout.ts";
import type { Gate } from "./gate.ts";

export interface Wanted {
  readonly key: ItemKey;
  readonly live: boolean;
}

/** The buckets of an item, or null when it does not exist. */
export type SegmentLoader = DataLoader<Wanted, PackedColumns | null, string>;

/** Unpacked segments across requests, bounded by roughly the memory they take. */
export class SegmentCache {
  readonly #known: LRUCache<string, { readonly columns: PackedColumns | null }>;

  constructor(maxBytes = 256 * 1024 * 1024) {
    this.#known = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ columns }) => sizeOf(columns) });
  }

  get(id: string): { readonly columns: PackedColumns | null } | undefined {
    return this.#known.get(id);
  }

  keep(id: string, columns: PackedColumns | null): void {
    this.#known.set(id, { columns });
  }
}

function sizeOf(columns: PackedColumns | null): number {
  const values = columns === null ? 0 : columns.length * (columns[0]?.length ?? 0);
  return 256 + values * 8;
}

export function segmentLoader(store: InsightStore, cache: SegmentCache, gate: Gate): SegmentLoader {
  return new DataLoader(
    async (wanted: readonly Wanted[]) => {
      // what is known now may have left the cache by the time the others are read
      const known = wanted.map(({ key, live }) => (live ? undefined : cache.get(itemId(key))));
      const fresh = await read(
        store,
        wanted.filter((_, i) => known[i] === undefined),
      );
      return wanted.map(({ key, live }, i) => {
        if (known[i] !== undefined) return known[i].columns;
        const id = itemId(key);
        if (live) return unpack(fresh.live.get(id)?.packed);
        const columns = unpack(fresh.segments.get(id));
        cache.keep(id, columns);
        return columns;
      });
    },
    { cacheKeyFn: ({ key }) => itemId(key), batchScheduleFn: gate.schedule },
  );
}

async function read(store: InsightStore, wanted: readonly Wanted[]) {
  return store.read(
    wanted.filter(({ live }) => !live).map(({ key }) => key),
    wanted.filter(({ live }) => live).map(({ key }) => key),
  );
}

function unpack(packed: string | undefined): PackedColumns | null {
  return packed === undefined ? null : unpackColumns(packed);
}
