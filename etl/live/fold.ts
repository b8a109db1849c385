/** Events of a batch by the live item that they belong to, and an item's image with them folded in. */
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { adder, contributor, emptyState, type State } from "../../src/model/fold.ts";
import { type ItemKey, packRows, unpackRows } from "../../src/model/layout.ts";
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
  readonly empty: State;
}

/** The events of one batch that one live item takes, in stream order: from its first one in the batch on. */
export interface ItemEvents {
  readonly target: LiveTarget;
  readonly key: ItemKey;
  readonly batch: TargetBatch;
  readonly first: number;
}

/** A batch as one target sees it, in columns by the position of the event: items pick their events from all over it. */
interface TargetBatch {
  readonly events: readonly DecodedEvent[];
  /** The next event of the same item, `none` after the last. */
  readonly next: Int32Array;
  /** The bucket of the event in its period. */
  readonly buckets: Uint8Array;
  /** As many as the product has components. */
  readonly contributions: Float64Array;
}

const none = -1;

export function liveTargets(products: readonly Product[]): readonly LiveTarget[] {
  return products.flatMap((product) => {
    const { components } = product;
    const fold = {
      contribute: contributor(components),
      add: adder(components),
      empty: emptyState(components),
    };
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
  const next = new Int32Array(events.length).fill(none);
  const buckets = new Uint8Array(events.length);
  const batch = { events, next, buckets, contributions };
  const number = ++batches;
  const items: ItemEvents[] = [];
  keys.nextBatch();
  for (let i = 0; i < events.length; i++) {
    const { event } = events[i]!;
    const { period, bucket } = placeOf(event[time] as Instant);
    buckets[i] = bucket;
    const known = keys.of(period, event);
    if (known.batch === number) next[known.last] = i;
    else items.push({ target, key: known.key, batch, first: i });
    known.batch = number;
    known.last = i;
  }
  return items;
}

/** Where the events of an item stand in the batch, in stream order. */
export function* positionsOf({ batch, first }: ItemEvents): Iterable<number> {
  for (let at = first; at !== none; at = batch.next[at]!) yield at;
}

/**
 * The image with the events of `shard` that it does not hold yet, or null when it holds them all. A record is applied
 * whole: the watermark is the sequence of a record, and a batch never ends within one.
 */
export function foldItem(
  image: LiveItem | null,
  { target, key, batch, first }: ItemEvents,
  shard: string,
  version: number,
): LiveItem | null {
  const { events, next, buckets, contributions } = batch;
  let at = first;
  // in stream order: what follows an event beyond the watermark is beyond it too
  const watermark = image?.watermarks[shard];
  if (watermark !== undefined) while (at !== none && events[at]!.sequence <= watermark) at = next[at]!;
  if (at === none) return null;
  const { add, empty } = target.fold;
  const rows = image === null ? [] : rowsOf(image).slice();
  let last = at;
  for (; at !== none; at = next[at]!) {
    add(rows, stateAt(rows, buckets[at]!, empty), contributions, at * empty.length);
    last = at;
  }
  const watermarks = { ...image?.watermarks, [shard]: events[last]!.sequence };
  return new FoldedItem(key, version, watermarks, packRows(rows, empty.length), rows);
}

/** Buckets as `packRows` packs them. */
type Rows = readonly (number | null)[];

/** An image that was folded here: its rows are kept, since to parse them takes longer than to fold a batch into them. */
class FoldedItem implements LiveItem {
  readonly pk: string;
  readonly sk: string;
  readonly #rows: Rows;

  constructor(
    { pk, sk }: ItemKey,
    readonly version: number,
    readonly watermarks: Readonly<Record<string, string>>,
    readonly packed: string,
    rows: Rows,
  ) {
    this.pk = pk;
    this.sk = sk;
    this.#rows = rows;
  }

  static rowsOf(image: LiveItem): Rows | null {
    return #rows in image ? image.#rows : null;
  }
}

function rowsOf(image: LiveItem): Rows {
  return FoldedItem.rowsOf(image) ?? unpackRows(image.packed);
}

/** Where the state of a bucket begins, an empty one where there was none. Most events go into the last bucket. */
function stateAt(rows: (number | null)[], bucket: number, empty: State): number {
  const width = 1 + empty.length;
  let end = rows.length;
  while (end > 0 && rows[end - width]! > bucket) end -= width;
  if (end > 0 && rows[end - width] === bucket) return end - empty.length;
  if (end === rows.length) rows.push(bucket, ...empty);
  else rows.splice(end, 0, bucket, ...empty);
  return end + 1;
}
