/** What one request sees of a product: one version of its manifest, how far it is live, and what a range means there. */
import type { Filter } from "../model/filter.ts";
import { finestGrain } from "../model/gold.ts";
import type { Product } from "../model/product.ts";
import {
  assertInstant,
  floorTo,
  type Instant,
  nextBucket,
  type Range,
  type StoredGrain,
} from "../model/time.ts";
import type { AskedRange } from "../schema/context.ts";
import { endOf, pinnedBy, rollupOf, type View } from "../sql/plan.ts";
import type { LiveStatus } from "./live-status.ts";
import type { Manifests, Snapshot } from "./manifests.ts";
import type { ProvenanceRecord } from "./provenance.ts";

export interface Sight {
  readonly snapshot: Snapshot;
  readonly view: View;
}

interface Watched {
  readonly manifests: Manifests;
  readonly liveStatus: LiveStatus;
}

/** Sees each product once. */
export class Sights {
  readonly manifests: Manifests;
  readonly #liveStatus: LiveStatus;
  readonly #provenance: ProvenanceRecord;
  readonly #seen = new Map<Product, Promise<Sight>>();

  constructor({ manifests, liveStatus }: Watched, provenance: ProvenanceRecord) {
    this.manifests = manifests;
    this.#liveStatus = liveStatus;
    this.#provenance = provenance;
  }

  of(product: Product): Promise<Sight> {
    const known = this.#seen.get(product) ?? this.#look(product, () => this.manifests.snapshot(product));
    this.#seen.set(product, known);
    return known.then((sight) => {
      this.#provenance.readManifest(product.name, sight.snapshot.manifest.version);
      return sight;
    });
  }

  /**
   * As an edition has it that may have been replaced since. Rejects `CURSOR_EXPIRED` when it is not kept. What is read
   * of it says so by itself: the version of the manifest that a response names is the present one.
   */
  async at(product: Product, edition: string): Promise<Sight> {
    const present = await this.of(product);
    if (present.snapshot.manifest.edition === edition) return present;
    return this.#look(product, () => this.manifests.snapshotOf(product, edition));
  }

  /**
   * The live status is read before the manifest: a manifest published in between covers more, never less, than what
   * the live items are asked for.
   */
  async #look(product: Product, read: () => Promise<Snapshot>): Promise<Sight> {
    const live = await this.#liveStatus.view(product);
    const snapshot = await read();
    const { manifest } = snapshot;
    const newest = [newestOf(snapshot), live?.newest].filter((at) => at != null);
    return {
      snapshot,
      view: {
        coverage: manifest.coverage,
        newest: newest.length === 0 ? null : Math.max(...newest),
        live: live?.live ?? null,
      },
    };
  }
}

/** The last instant of the newest bucket that holds events: whichever grain it has, it lies in the same bucket of a coarser one. */
function newestOf({ manifest: { newest, coverage }, serving }: Snapshot): Instant | null {
  return newest === null ? null : Math.min(nextBucket(newest, serving.finest), coverage.until) - 1;
}

/**
 * The instants of a range: an open side is the coverage's edge, live part included; `last` ends at the end of the
 * newest bucket that holds events, in the finest grain that answers the question, and starts on a bucket edge.
 */
export function resolveRange(
  product: Product,
  { snapshot, view }: Sight,
  where: Filter,
  grouped: readonly string[],
  asked: AskedRange | undefined,
): Range {
  const grain = grainOf(product, snapshot, where, grouped);
  if (asked?.lastMs !== undefined) {
    const to = view.newest === null ? view.coverage.until : nextBucket(view.newest, grain);
    return { from: floorTo(assertInstant(to - asked.lastMs), grain), to };
  }
  const { from, to } = asked ?? {};
  if (from !== undefined && to !== undefined) return { from, to };
  // an open side never turns the range around
  if (from !== undefined) return { from, to: Math.max(from, endOf(grain, view)) };
  if (to !== undefined) return { from: Math.min(view.coverage.from, to), to };
  return { from: view.coverage.from, to: endOf(grain, view) };
}

/** The finest grain of the rollup that answers, or of any. */
function grainOf(
  product: Product,
  { serving }: Snapshot,
  where: Filter,
  grouped: readonly string[],
): StoredGrain {
  const pinned = pinnedBy(serving, where);
  if ("kind" in pinned) return finestGrain(product);
  const rollup = rollupOf(serving, [...new Set([...pinned.values.keys(), ...grouped])]);
  return "kind" in rollup ? finestGrain(product) : rollup.finest;
}
