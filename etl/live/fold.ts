/** Events of a batch by the live item that they belong to, and an item's image with them folded in. */
import type { LiveItem } from "../../src/backends/insight-store.ts";
import type { Component } from "../../src/model/expression.ts";
import { adder, contributor, emptyState, type State } from "../../src/model/fold.ts";
import { type ItemKey, packStates, unpackBuckets } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { type Instant, type Place, placeFinder } from "../../src/model/time.ts";
import { type ItemKeys, itemKeys } from "./item-keys.ts";
import type { DecodedEvent } from "./wire.ts";

/** One live rollup of one product, compiled. */
export interface LiveTarget {
  readonly product: Product;
  readonly rollup: Rollup;
  readonly fold: Fold;
  readonly placeOf: (at: Instant) => Place;
  readonly keys: ItemKeys;
}

/** The fold of a product: of all its rollups. */
interface Fold {
  readonly contribute: ReturnType<typeof contributor>;
  readonly add: ReturnType<typeof adder>;
}

/** The events of one batch that one live item takes, in stream order. */
export interface ItemEvents {
  readonly target: LiveTarget;
  readonly key: ItemKey;
  readonly batch: TargetBatch;
  /** The positions of its events in the batch, ascending. */
  readonly positions: readonly number[];
}

/** A batch as one target sees it, in columns: items pick their events from all over it. */
interface TargetBatch {
  readonly events: readonly DecodedEvent[];
  /** By position: the bucket of the event in its period. */
  readonly buckets: Uint8Array;
  /** By position, as many as the product has components. */
  readonly contributions: Float64Array;
}

export function liveTargets(products: readonly Product[]): readonly LiveTarget[] {
  return products.flatMap((product) => {
    const fold = { contribute: contributor(product.components), add: adder(product.components) };
    const live = product.rollups.filter((rollup) => rollup.live);
    return live.map((rollup) => ({
      product,
      rollup,
      fold,
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
  const contributions = new Map<Fold, Float64Array>();
  return targets.flatMap((target) => {
    const known = contributions.get(target.fold) ?? contributionsOf(target, events);
    contributions.set(target.fold, known);
    return itemsOf(target, events, known);
  });
}

function contributionsOf({ product, fold }: LiveTarget, events: readonly DecodedEvent[]): Float64Array {
  const width = product.components.length;
  const contributions = new Float64Array(events.length * width);
  for (let i = 0; i < events.length; i++) fold.contribute(events[i]!.event, contributions, i * width);
  return contributions;
}

let batches = 0;

function itemsOf(
  target: LiveTarget,
  events: readonly DecodedEvent[],
  contributions: Float64Array,
): readonly ItemEvents[] {
  const { product, placeOf, keys } = target;
  const time = product.source.time.property;
  const number = ++batches;
  const batch = { events, buckets: new Uint8Array(events.length), contributions };
  const items: (ItemEvents & { readonly positions: number[] })[] = [];
  keys.nextBatch();
  for (let i = 0; i < events.length; i++) {
    const { event } = events[i]!;
    const { period, bucket } = placeOf(event[time] as Instant);
    batch.buckets[i] = bucket;
    const known = keys.of(period, event);
    if (known.batch === number) {
      items[known.position]!.positions.push(i);
      continue;
    }
    known.batch = number;
    known.position = items.length;
    items.push({ target, key: known.key, batch, positions: [i] });
  }
  return items;
}

/**
 * The image with the events of `shard` that it does not hold yet, or null when it holds them all. A record is applied
 * whole: the watermark is the sequence of a record, and a batch never ends within one.
 */
export function foldItem(
  image: LiveItem | null,
  { target, key, batch, positions }: ItemEvents,
  shard: string,
  version: number,
): LiveItem | null {
  const { events, buckets, contributions } = batch;
  const watermark = image?.watermarks[shard];
  // in stream order: what follows an event beyond the watermark is beyond it too
  let next = 0;
  if (watermark !== undefined)
    while (next < positions.length && events[positions[next]!]!.sequence <= watermark) next++;
  if (next === positions.length) return null;
  const { product, fold } = target;
  const { components } = product;
  const { indexes, states } = image === null ? { indexes: [], states: [] } : copiedBuckets(image);
  for (; next < positions.length; next++) {
    const position = positions[next]!;
    const state = stateAt(indexes, states, buckets[position]!, components);
    fold.add(state, contributions, position * components.length);
  }
  const watermarks = { ...image?.watermarks, [shard]: events[positions.at(-1)!]!.sequence };
  const packed = packStates(indexes, states, components.length);
  return new FoldedItem(key, version, watermarks, packed, { indexes, states });
}

function copiedBuckets(image: LiveItem): { readonly indexes: number[]; readonly states: State[] } {
  const { indexes, states } = bucketsOf(image);
  return { indexes: indexes.slice(), states: states.map((state) => state.slice()) };
}

/** Indexes ascending, the state at each. */
interface Buckets {
  readonly indexes: readonly number[];
  readonly states: readonly State[];
}

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
