/** Events of a batch by the live item that they belong to, and an item's image with them folded in. */
import type { LiveItem } from "../../src/backends/insight-store.ts";
import type { Component } from "../../src/model/expression.ts";
import { emptyState, folder, type State } from "../../src/model/fold.ts";
import { type ItemKey, packStates, unpackBuckets } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { type Instant, type Place, placeFinder } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { type ItemKeys, itemKeys } from "./item-keys.ts";
import type { DecodedEvent } from "./wire.ts";

/** One live rollup of one product, compiled. */
export interface LiveTarget {
  readonly product: Product;
  readonly rollup: Rollup;
  readonly add: (state: State, event: Event) => void;
  readonly placeOf: (at: Instant) => Place;
  readonly keys: ItemKeys;
}

/** The events of one batch that one live item takes, in stream order. */
export interface ItemEvents {
  readonly target: LiveTarget;
  readonly key: ItemKey;
  readonly events: readonly DecodedEvent[];
}

export function liveTargets(products: readonly Product[]): readonly LiveTarget[] {
  return products.flatMap((product) => {
    const add = folder(product.components);
    const live = product.rollups.filter((rollup) => rollup.live);
    return live.map((rollup) => ({
      product,
      rollup,
      add,
      placeOf: placeFinder(rollup.finest),
      keys: itemKeys(product, rollup),
    }));
  });
}

/** Groups by target, key and period of the rollup's finest grain. */
export function groupByItem(
  targets: readonly LiveTarget[],
  events: readonly DecodedEvent[],
): readonly ItemEvents[] {
  return targets.flatMap((target) => itemsOf(target, events));
}

let batches = 0;

interface Group extends ItemEvents {
  readonly events: DecodedEvent[];
}

function itemsOf(target: LiveTarget, events: readonly DecodedEvent[]): readonly ItemEvents[] {
  const { product, placeOf, keys } = target;
  const time = product.source.time.property;
  const batch = ++batches;
  const groups: Group[] = [];
  keys.nextBatch();
  for (const decoded of events) {
    const { event } = decoded;
    const known = keys.of(placeOf(event[time] as Instant).period, event);
    if (known.batch === batch) {
      groups[known.position]!.events.push(decoded);
      continue;
    }
    known.batch = batch;
    known.position = groups.length;
    groups.push({ target, key: known.key, events: [decoded] });
  }
  return groups;
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
  // in stream order: what follows an event beyond the watermark is beyond it too
  let first = 0;
  if (watermark !== undefined) while (first < events.length && events[first]!.sequence <= watermark) first++;
  if (first === events.length) return null;
  const { product, add, placeOf } = target;
  const { components, source } = product;
  const buckets = image === null ? noBuckets : bucketsOf(image);
  const indexes = buckets.indexes.slice();
  const states = buckets.states.map((state) => state.slice());
  for (let i = first; i < events.length; i++) {
    const { event } = events[i]!;
    const { bucket } = placeOf(event[source.time.property] as Instant);
    add(stateAt(indexes, states, bucket, components), event);
  }
  const watermarks = { ...image?.watermarks, [shard]: events.at(-1)!.sequence };
  const packed = packStates(indexes, states, components.length);
  return new FoldedItem(key, version, watermarks, packed, { indexes, states });
}

/** Indexes ascending, the state at each. */
interface Buckets {
  readonly indexes: readonly number[];
  readonly states: readonly State[];
}

const noBuckets: Buckets = { indexes: [], states: [] };

/** An image that was folded here: its states are kept, since to parse them takes longer than to fold a batch into them. */
class FoldedItem implements LiveItem {
  readonly pk: string;
  readonly sk: string;
  readonly #buckets: Buckets;

  constructor(
    { pk, sk }: ItemKey,
    readonly version: number,
    readonly watermarks: Readonly<Record<string, string>>,
    readonly packed: string,
    buckets: Buckets,
  ) {
    this.pk = pk;
    this.sk = sk;
    this.#buckets = buckets;
  }

  static bucketsOf(image: LiveItem): Buckets | null {
    return #buckets in image ? image.#buckets : null;
  }
}

function bucketsOf(image: LiveItem): Buckets {
  const kept = FoldedItem.bucketsOf(image);
  if (kept !== null) return kept;
  const states = unpackBuckets(image.packed);
  return { indexes: [...states.keys()], states: [...states.values()] };
}

/** The state at an index, a new one where there is none yet. Most events go into the last bucket. */
function stateAt(indexes: number[], states: State[], index: number, components: readonly Component[]): State {
  let position = indexes.length;
  while (position > 0 && indexes[position - 1]! > index) position--;
  if (position > 0 && indexes[position - 1] === index) return states[position - 1]!;
  const state = emptyState(components);
  if (position === indexes.length) {
    indexes.push(index);
    states.push(state);
  } else {
    indexes.splice(position, 0, index);
    states.splice(position, 0, state);
  }
  return state;
}
