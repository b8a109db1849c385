/**
 * What is published, as readers see it: the pointer of each product, re-read at most every `maxAgeMs`, and the
 * immutable pages it points to, kept in memory.
 */
import { LRUCache } from "lru-cache";
import type { ControlStore } from "../backends/control-store.ts";
import { type Manifest, manifestKey, pageKey, segmentPageName, type SegmentPage } from "../model/control.ts";
import { SluiceError } from "../model/errors.ts";
import type { Product, Rollup } from "../model/product.ts";
import type { Instant, StoredGrain } from "../model/time.ts";

export interface ManifestOptions {
  readonly control: ControlStore;
  readonly clock: () => Instant;
  /** How stale a reader may be. */
  readonly maxAgeMs?: number;
}

/** One version of a product's manifest: everything a request reads goes by it. */
export interface Snapshot {
  readonly manifest: Manifest;
  /** The edition that holds a period of a rollup, or null when none does. Needs `prepare` for the period's year. */
  editionOf(rollup: Rollup, grain: StoredGrain, period: string): string | null;
  /** Loads the pages of a rollup for the given years. */
  prepare(rollup: Rollup, years: Iterable<string>): Promise<void>;
}

const defaultMaxAgeMs = 1_000;
const maxPages = 10_000;

export class Manifests {
  readonly #options: ManifestOptions;
  readonly #current = new Map<
    string,
    { readonly at: Instant; readonly manifest: Promise<Manifest | null> }
  >();
  readonly #pages = new LRUCache<string, Promise<SegmentPage>>({ max: maxPages });

  constructor(options: ManifestOptions) {
    this.#options = options;
  }

  /** The published manifest, or null when there is none yet. At most `maxAgeMs` old; concurrent readers share one read. */
  current(product: Product): Promise<Manifest | null> {
    const { clock, control, maxAgeMs = defaultMaxAgeMs } = this.#options;
    const known = this.#current.get(product.name);
    if (known !== undefined && clock() - known.at < maxAgeMs) return known.manifest;
    const manifest = control.get<Manifest>(manifestKey(product)).then((found) => found?.value ?? null);
    this.#current.set(product.name, { at: clock(), manifest });
    manifest.catch(() => this.#current.delete(product.name));
    return manifest;
  }

  /** Forgets what is known of a product: a refresh has just been announced. */
  expire(product: string): void {
    this.#current.delete(product);
  }

  /** The current version. Rejects when nothing is published, or only under another shape. */
  async snapshot(product: Product): Promise<Snapshot> {
    const manifest = await this.current(product);
    if (manifest === null || manifest.shape !== product.shape)
      throw new SluiceError(
        "BACKEND_UNAVAILABLE",
        `Product "${product.name}" has no published edition ${manifest === null ? "yet" : "of its present declaration"}. Run "sluice refresh ${product.name}".`,
      );
    const pages = new Map<string, SegmentPage>();
    return {
      manifest,
      editionOf: (rollup, grain, period) =>
        pages.get(segmentPageName(rollup, period.slice(0, 4)))?.[grain]?.[period] ?? null,
      prepare: async (rollup, years) => {
        await Promise.all(
          [...years].map(async (year) => {
            const name = segmentPageName(rollup, year);
            const edition = manifest.pages[name];
            if (edition !== undefined) pages.set(name, await this.#page(product, name, edition));
          }),
        );
      },
    };
  }

  /** A page never changes, so it is read once. */
  #page(product: Product, name: string, edition: string): Promise<SegmentPage> {
    const key = pageKey(product, name, edition);
    const id = `${key.pk}\n${key.sk}`;
    const known = this.#pages.get(id);
    if (known !== undefined) return known;
    const page = this.#options.control.get<SegmentPage>(key).then((found) => {
      if (found === null)
        throw new Error(
          `The manifest of ${product.name} points to page ${name} of ${edition}, which is not there.`,
        );
      return found.value;
    });
    this.#pages.set(id, page);
    page.catch(() => this.#pages.delete(id));
    return page;
  }
}
