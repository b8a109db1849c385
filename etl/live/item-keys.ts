/**
 * The keys of a rollup's live items. They are kept from one batch to the next: to build one takes longer than
 * everything else about an event.
 */
import { type ItemKey, liveKey } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import type { Event, Value } from "../../src/model/values.ts";

export interface ItemKeys {
  /** The key of the item that takes an event: one and the same object within a batch. */
  of(period: string, event: Event): KnownKey;
  /** Between two batches: lets go of all keys once there are too many of them. */
  nextBatch(): void;
}

/** A key, the number of the last batch that it is in, and the position of its last event there. */
export interface KnownKey {
  readonly key: ItemKey;
  batch: number;
  last: number;
}

/** By period, then by the value of one dimension after another. */
type Level = Map<Value, Level | KnownKey>;

const maxKeys = 20_000;

export function itemKeys(product: Product, rollup: Rollup): ItemKeys {
  const { dimensions } = rollup;
  let known: Level = new Map();
  let size = 0;
  const add = (level: Level, at: Value, period: string, event: Event): KnownKey => {
    const values = dimensions.map((dimension) => event[dimension] ?? null);
    const key = { key: liveKey(systemScope, product, rollup, values, period), batch: 0, last: 0 };
    level.set(at, key);
    size++;
    return key;
  };
  return {
    of: (period, event) => {
      let level = known;
      let at: Value = period;
      for (const dimension of dimensions) {
        let next = level.get(at) as Level | undefined;
        if (next === undefined) level.set(at, (next = new Map()));
        level = next;
        at = event[dimension] ?? null;
      }
      return (level.get(at) as KnownKey | undefined) ?? add(level, at, period, event);
    },
    nextBatch: () => {
      if (size <= maxKeys) return;
      known = new Map();
      size = 0;
    },
  };
}
