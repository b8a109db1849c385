/**
 * What of live updates may move an answer. A thousand slices are followed for the price of the few that a micro-batch
 * touches: all others need not be asked again.
 */
import type { LiveUpdate } from "../backends/broadcast.ts";
import { itemId } from "../model/layout.ts";
import type { Product } from "../model/product.ts";
import { floorTo, type Instant, storedGrains } from "../model/time.ts";
import type { LiveReading } from "../schema/context.ts";

const maxUnaskedMs = 10_000; // of arrivals: for what no update tells, as a shard that has ended

export class LiveReadings {
  readonly #product: Product;
  /** Shard -> the last record told of. */
  readonly #told = new Map<string, string>();
  /** Null while any update may move the answer. */
  #readings: readonly LiveReading[] | null = null;
  /** Of the first update since. */
  #arrival: Instant | null = null;

  constructor(product: Product) {
    this.#product = product;
  }

  /** What is read from now on is not known yet. */
  forget(): void {
    this.#readings = null;
  }

  know(readings: readonly (LiveReading | null)[]): void {
    this.#readings = readings.every((each) => each !== null) ? readings : null;
    this.#arrival = null;
  }

  /** To be told of every update of the product's source. False is certain. */
  mayMove(update: LiveUpdate): boolean {
    const isNext = this.#isNext(update);
    const { stream } = this.#product.source;
    if (!isNext || this.#readings === null || stream === null) return true;
    this.#arrival ??= update.arrival;
    if (Math.abs(update.arrival - this.#arrival) >= maxUnaskedMs) return true;
    const ids = idsOf(update);
    // no event before that is still to come in this shard; of a product, that holds for the slowest shard
    const closed = update.arrival - stream.latenessMs - stream.skewMs;
    return this.#readings.some(
      ({ items, newest, awaits }) =>
        (update.newest !== null && bucketOf(update.newest) > bucketOf(newest)) ||
        (awaits !== null && awaits <= closed) ||
        items.some((id) => ids.has(id)),
    );
  }

  /** Whether nothing was missed before it, which might have touched anything. */
  #isNext({ shard, after, through }: LiveUpdate): boolean {
    const told = this.#told.get(shard);
    if (told === undefined || through > told) this.#told.set(shard, through);
    return after === null || (told !== undefined && after <= told);
  }
}

/** Of the finest grain that can be stored: buckets of all others end where one of its does. */
const bucketOf = (at: Instant): Instant => floorTo(at, storedGrains[0]!);

const known = new WeakMap<LiveUpdate, ReadonlySet<string>>();

/** The items that an update touches, for all that follow it. */
function idsOf(update: LiveUpdate): ReadonlySet<string> {
  const ids = known.get(update) ?? new Set(update.items.map(({ key }) => itemId(key)));
  known.set(update, ids);
  return ids;
}
