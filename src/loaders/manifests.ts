/**
 * What is published, as readers see it: the pointer of each product, re-read at most every `maxAgeMs`, and the
 * immutable pages it points to, kept in memory.
 */
import { LRUCache } from "lru-cache";
import type { ControlStore } from "../backends/control-store.ts";
import {
  type Edition,
  editionKey,
  type LakePage,
  type Manifest,
  manifestKey,
  pageKey,
  segmentPageName,
  type SegmentPage,
  yearOfLakePage,
} from "../model/control.ts";
import { SluiceError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import { type ServedRollup, type Serving, servingOf } from "../model/serving.ts";
import { type Instant, periodRange, type Range } from "../model/time.ts";
import type { Piece } from "../sql/plan.ts";
import { type SegmentPart, segmentParts } from "./segment-parts.ts";

export interface ManifestOptions {
  readonly control: ControlStore;
  readonly clock: () => Instant;
  /** How stale a reader may be. */
  readonly maxAgeMs?: number;
}

/** One version of a product's manifest: everything a request reads goes by it. */
export interface Snapshot {
  readonly manifest: Manifest;
  /** What of it the product's declaration can read. */
  readonly serving: Serving;
  /** The segments that hold the buckets of these pieces; periods without events have none. */
  segments(rollup: ServedRollup, pieces: readonly Piece[]): Promise<SegmentPart[]>;
  /**
   * The lake partitions that touch a range, by value. Athena reads the lake as it is: of an edition that has been
   * replaced, rejects `CURSOR_EXPIRED` where that has changed since.
   */
  readonly partitions: (range: Range) => Promise<LakePage>;
}

const defaultMaxAgeMs = 1_000;
const maxPages = 10_000;
/** Ranges whose lake partitions are remembered. */
const maxRanges = 50;

export class Manifests {
  readonly #options: ManifestOptions;
  readonly #current = new Map<
    string,
    { readonly at: Instant; readonly manifest: Promise<Manifest | null> }
  >();
  readonly #pages = new LRUCache<string, Promise<SegmentPage | LakePage>>({ max: maxPages });

  readonly #partitions = new LRUCache<string, Promise<LakePage>>({ max: maxRanges });

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

  /** The current version. Rejects when nothing is published, or nothing that this declaration could read. */
  async snapshot(product: Product): Promise<Snapshot> {
    const manifest = await this.current(product);
    const serving = manifest && servingOf(product, manifest);
    if (manifest === null || serving === null)
      throw new SluiceError(
        "BACKEND_UNAVAILABLE",
        `Product "${product.name}" has no published edition ${manifest === null ? "yet" : "of its present declaration"}. Run "sluice refresh ${product.name}".`,
      );
    return this.#snapshot(product, manifest, serving);
  }

  /** What an edition published, be it the current one or one before. Rejects `CURSOR_EXPIRED` when it is not kept. */
  async snapshotOf(product: Product, edition: string): Promise<Snapshot> {
    if ((await this.current(product))?.edition === edition) return this.snapshot(product);
    const found = await this.#options.control.get<Edition>(editionKey(product, edition));
    const manifest = found?.value.manifest;
    const serving = manifest && servingOf(product, manifest);
    if (!manifest || !serving) throw expired(product, edition);
    await this.assertKept(product, manifest);
    const partitions = (range: Range) => this.#unchanged(product, manifest, range);
    return { ...this.#snapshot(product, manifest, serving), partitions };
  }

  /**
   * Rejects `CURSOR_EXPIRED` when what only this version reaches may have been swept; if not, what was read of it
   * before was whole. Reads the pointer anew.
   */
  async assertKept(product: Product, { edition, version }: Manifest): Promise<void> {
    this.expire(product.name);
    const current = await this.current(product);
    if (current === null || version < current.keeps || version > current.version)
      throw expired(product, edition);
  }

  /** The partitions of a range, where they are for the current version what they were for that one. */
  async #unchanged(product: Product, then: Manifest, range: Range): Promise<LakePage> {
    const now = await this.current(product);
    const [before, after] = await Promise.all([
      this.partitions(product, then, range),
      this.partitions(product, now ?? then, range),
    ]);
    const values = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    if (now !== null && values.every((value) => before[value]?.fingerprint === after[value]?.fingerprint))
      return before;
    throw new SluiceError(
      "CURSOR_EXPIRED",
      `A cursor pages over one edition. Of this one Athena is asked, which reads the lake as it is, and that has changed since edition ${then.edition} of "${product.name}". Leave after out to start from the present one.`,
    );
  }

  #snapshot(product: Product, manifest: Manifest, serving: Serving): Snapshot {
    const pageOf = async (rollup: ServedRollup, year: string): Promise<SegmentPage> => {
      const name = segmentPageName(rollup, year);
      const edition = manifest.pages[name];
      return edition === undefined ? {} : this.#page<SegmentPage>(product, name, edition);
    };
    return {
      manifest,
      serving,
      segments: async (rollup, pieces) => {
        const years = [...new Set(pieces.map(yearOf))];
        const read = await Promise.all(years.map((year) => pageOf(rollup, year)));
        const pages = new Map(years.map((year, i) => [year, read[i]!]));
        return pieces.flatMap((piece) => segmentParts(pages.get(yearOf(piece))!, piece));
      },
      partitions: (range) => this.partitions(product, manifest, range),
    };
  }

  /** The lake partitions of a manifest that touch a range, by value. Equal ranges have one object while they are asked for. */
  partitions(product: Product, manifest: Manifest, range: Range): Promise<LakePage> {
    const id = JSON.stringify([product.name, manifest.version, range.from, range.to]);
    const known = this.#partitions.get(id);
    if (known !== undefined) return known;
    const partitions = this.#readPartitions(product, manifest, range);
    this.#partitions.set(id, partitions);
    partitions.catch(() => this.#partitions.delete(id));
    return partitions;
  }

  async #readPartitions(product: Product, manifest: Manifest, range: Range): Promise<LakePage> {
    const pages = await Promise.all(
      Object.entries(manifest.pages)
        .filter(([name]) => touches(yearOfLakePage(name), range))
        .map(([name, edition]) => this.#page<LakePage>(product, name, edition)),
    );
    const partitions = pages.flatMap((page) => Object.entries(page));
    return Object.fromEntries(partitions.filter(([value]) => touches(value, range)));
  }

  /** A page never changes, so it is read once. */
  #page<T extends SegmentPage | LakePage>(product: Product, name: string, edition: string): Promise<T> {
    const key = pageKey(product, name, edition);
    const id = `${key.pk}\n${key.sk}`;
    const known = this.#pages.get(id);
    if (known !== undefined) return known as Promise<T>;
    const page = this.#options.control.get<T>(key).then((found) => {
      if (found !== null) return found.value;
      this.expire(product.name);
      throw new SluiceError(
        "BACKEND_UNAVAILABLE",
        `A request reads the editions that were published when it began. What one of "${product.name}" points to, page "${name}" of edition ${edition}, is no longer kept. Ask again: the next request reads the present edition.`,
      );
    });
    this.#pages.set(id, page);
    page.catch(() => this.#pages.delete(id));
    return page;
  }
}

function expired(product: Product, edition: string): SluiceError {
  return new SluiceError(
    "CURSOR_EXPIRED",
    `A cursor pages over the edition that its first page was read from, as long as that is kept. Edition ${edition} of "${product.name}" is not. Leave after out to start from the present one.`,
  );
}

/** A period that is null touches nothing. */
function touches(period: string | null, range: Range): boolean {
  if (period === null) return false;
  const { from, to } = periodRange(period);
  return from < range.to && range.from < to;
}

const yearOf = ({ period }: Piece): string => period.slice(0, 4);
