/** Events of a batch by the live item that they belong to, and an item's image with them folded in. */
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { emptyState, folder, type State } from "../../src/model/fold.ts";
import { type ItemKey, keyText, liveKey, packBuckets, unpackBuckets } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import { bucketIndex, periodOf } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import type { DecodedEvent } from "./wire.ts";

/** One live rollup of one product, with its fold compiled. */
export interface LiveTarget {
  readonly product: Product;
  readonly rollup: Rollup;
  readonly add: (state: State, event: Event) => void;
}

/** The events of one batch that one live item takes, in stream order, each with its bucket in the item. */
export interface ItemEvents {
  readonly target: LiveTarget;
  readonly key: ItemKey;
  readonly events: readonly BucketedEvent[];
}

interface BucketedEvent {
  readonly sequence: string;
  readonly bucket: number;
  readonly event: Event;
}

export function liveTargets(products: readonly Product[]): readonly LiveTarget[] {
  return products.flatMap((product) => {
    const add = folder(product.components);
    return product.rollups.filter(({ live }) => live).map((rollup) => ({ product, rollup, add }));
  });
}

/** Groups by target, key and period of the rollup's finest grain. */
export function groupByItem(
  targets: readonly LiveTarget[],
  events: readonly DecodedEvent[],
): readonly ItemEvents[] {
  return targets.flatMap((target) => {
    const groups = new Map<string, { key: ItemKey; events: BucketedEvent[] }>();
    for (const decoded of events) addToGroup(groups, target, decoded);
    return [...groups.values()].map((group) => ({ target, ...group }));
  });
}

function addToGroup(
  groups: Map<string, { key: ItemKey; events: BucketedEvent[] }>,
  { product, rollup }: LiveTarget,
  { event, sequence }: DecodedEvent,
): void {
  const at = Number(event[product.source.time.property]);
  const values = rollup.dimensions.map((dimension) => event[dimension] ?? null);
  const period = periodOf(at, rollup.finest);
  const id = `${period}${keyText(values)}`;
  let group = groups.get(id);
  if (group === undefined) {
    group = { key: liveKey(systemScope, product, rollup, values, period), events: [] };
    groups.set(id, group);
  }
  group.events.push({ sequence, bucket: bucketIndex(at, rollup.finest), event });
}

/**
 * The image with the events of `shard` that it does not hold yet, or null when it holds them all. A record is applied
 * whole: the watermark is the sequence of a record, and a batch never ends within one.
 */
export function foldItem(
  image: LiveItem | null,
  { target, key, events }: ItemEvents,
  shard: string,
  version: number,
): LiveItem | null {
  const watermark = image?.watermarks[shard];
  const todo = watermark === undefined ? events : events.filter(({ sequence }) => sequence > watermark);
  if (todo.length === 0) return null;
  const { components } = target.product;
  const buckets = image === null ? new Map<number, State>() : unpackBuckets(image.packed);
  for (const { bucket, event } of todo) {
    const state = buckets.get(bucket) ?? emptyState(components);
    target.add(state, event);
    buckets.set(bucket, state);
  }
  return {
    ...key,
    version,
    watermarks: { ...image?.watermarks, [shard]: todo.at(-1)!.sequence },
    packed: packBuckets(buckets, components.length),
  };
}
