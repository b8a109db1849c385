/**
 * Reads of leaderboards, batched per request. Boards are immutable, so what was read once (also that there is none) is
 * kept in memory.
 */
import DataLoader from "dataloader";
import { LRUCache } from "lru-cache";
import type { InsightStore } from "../backends/insight-store.ts";
import { type ItemKey, itemId } from "../model/layout.ts";
import { type Leaderboard, unpackLeaderboard } from "../model/leaderboard.ts";
import type { Gate } from "./gate.ts";

/** The boards of a period, or null when there are none: nothing happened, or they are too large to store. */
export type LeaderboardLoader = DataLoader<ItemKey, Leaderboard | null, string>;

/** Boards across requests, bounded by roughly the memory they take. */
export class LeaderboardCache {
  readonly #known: LRUCache<string, { readonly board: Leaderboard | null }>;

  constructor(maxBytes = 64 * 1024 * 1024) {
    this.#known = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ board }) => sizeOf(board) });
  }

  get(id: string): { readonly board: Leaderboard | null } | undefined {
    return this.#known.get(id);
  }

  keep(id: string, board: Leaderboard | null): void {
    this.#known.set(id, { board });
  }
}

/** A key of two texts takes about as much. */
function sizeOf(board: Leaderboard | null): number {
  return 256 + (board?.keys.length ?? 0) * 160;
}

export function leaderboardLoader(
  store: InsightStore,
  cache: LeaderboardCache,
  gate: Gate,
): LeaderboardLoader {
  return new DataLoader(
    async (keys: readonly ItemKey[]) => {
      // what is known now may have left the cache by the time the others are read
      const known = keys.map((key) => cache.get(itemId(key)));
      const unknown = keys.filter((_, i) => known[i] === undefined);
      const fresh = unknown.length > 0 ? await store.read(unknown, []) : null;
      return keys.map((key, i) => {
        if (known[i] !== undefined) return known[i].board;
        const id = itemId(key);
        const packed = fresh?.segments.get(id);
        const board = packed === undefined ? null : unpackLeaderboard(packed);
        cache.keep(id, board);
        return board;
      });
    },
    { cacheKeyFn: itemId, batchScheduleFn: gate.schedule },
  );
}
