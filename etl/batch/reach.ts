/** What the manifests that are kept reach: pages, the periods in them, and folders of gold. Reads only. */
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type Edition, type LakePage, pageKey, type SegmentPage } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { periodRange, type StoredGrain, storedGrains } from "../../src/model/time.ts";
import { forEachInParallel, groupedBy } from "./chunks.ts";

export interface PageRef {
  readonly name: string;
  /** The edition that wrote the page. */
  readonly edition: string;
}

/** Periods that one edition wrote and nothing kept maps to it. */
export interface Unreached {
  readonly grain: StoredGrain;
  readonly writer: string;
  readonly periods: readonly string[];
}

/** Pages by `name edition`; one that is gone is absent. */
export async function readPages<T>(
  product: Product,
  refs: readonly PageRef[],
  control: ControlStore,
): Promise<Map<string, T>> {
  const pages = new Map<string, T>();
  await forEachInParallel(refs, async (ref) => {
    const page = await control.get<T>(pageKey(product, ref.name, ref.edition));
    if (page !== null) pages.set(refId(ref), page.value);
  });
  return pages;
}

export const refId = ({ name, edition }: PageRef): string => `${name} ${edition}`;

export class Reach {
  readonly #product: Product;
  readonly #control: ControlStore;
  readonly #pages = new Set<string>();
  /** `page name, grain, period, edition` of everything that a kept page maps. */
  readonly #periods = new Set<string>();
  readonly #folders = new Set<string>();
  /** Editions of periods that had not ended where their coverage did. */
  readonly #unended = new Set<string>();

  private constructor(product: Product, control: ControlStore) {
    this.#product = product;
    this.#control = control;
  }

  /**
   * What of `dead` editions the kept ones reach, so that pages of which a dead one has no own version are not read: most
   * years do not change any more. `editions` has all documents that there are, by id.
   */
  static async of(
    product: Product,
    kept: readonly Edition[],
    dead: readonly Edition[],
    editions: ReadonlyMap<string, Edition>,
    control: ControlStore,
  ): Promise<Reach> {
    const reach = new Reach(product, control);
    const refs = new Map(kept.flatMap(refsOf).map((ref) => [refId(ref), ref]));
    for (const id of refs.keys()) reach.#pages.add(id);
    const differing = new Set(dead.flatMap((edition) => reach.#namesIn(edition)));
    const read = [...refs.values()].filter(({ name }) => differing.has(name));
    await reach.#keepSegments(
      read.filter(({ name }) => name.startsWith("segments/")),
      editions,
    );
    await reach.#keepFolders(read.filter(({ name }) => name.startsWith("lake/")));
    return reach;
  }

  /** The edition's view of the lake tells the keys of what it wrote: it stays. */
  async keepLake(edition: Edition): Promise<void> {
    const refs = refsOf(edition).filter(({ name }) => name.startsWith("lake/"));
    for (const ref of refs) this.#pages.add(refId(ref));
    await this.#keepFolders(refs);
  }

  /**
   * A kept manifest reads a period of the edition that goes on behind its coverage. What happened there since was written
   * beside it, or waits for the bucket's end: only the edition's own view of the lake tells all keys of its segments. A
   * period that had ended is written anew with every change.
   */
  needsView(edition: string): boolean {
    return this.#unended.has(edition);
  }

  reads(ref: PageRef): boolean {
    return this.#pages.has(refId(ref));
  }

  holds(folder: string): boolean {
    return this.#folders.has(folder);
  }

  /** What of a page's periods no kept page of that name maps. */
  unreached(name: string, page: SegmentPage): Unreached[] {
    return storedGrains.flatMap((grain) => {
      const dead = Object.entries(page[grain] ?? {}).filter(
        ([period, writer]) => !this.#periods.has(periodId(name, grain, period, writer)),
      );
      return [...groupedBy(dead, ([, writer]) => writer)].map(([writer, entries]) => ({
        grain,
        writer,
        periods: entries.map(([period]) => period),
      }));
    });
  }

  /** The pages that the edition wrote, or that it read and nothing kept does. */
  #namesIn(edition: Edition): string[] {
    const own = refsOf(edition).filter((ref) => ref.edition === edition.id || !this.reads(ref));
    return own.map(({ name }) => name);
  }

  async #keepSegments(refs: readonly PageRef[], editions: ReadonlyMap<string, Edition>): Promise<void> {
    const pages = await readPages<SegmentPage>(this.#product, refs, this.#control);
    for (const ref of refs)
      for (const grain of storedGrains)
        for (const [period, writer] of Object.entries(pages.get(refId(ref))?.[grain] ?? {})) {
          this.#periods.add(periodId(ref.name, grain, period, writer));
          const until = editions.get(writer)?.coveredUntil;
          if (until !== undefined && periodRange(period).to > until) this.#unended.add(writer);
        }
  }

  async #keepFolders(refs: readonly PageRef[]): Promise<void> {
    const pages = await readPages<LakePage>(this.#product, refs, this.#control);
    for (const page of pages.values())
      for (const { gold } of Object.values(page)) if (gold !== null) this.#folders.add(gold);
  }
}

export function refsOf({ manifest }: Edition): PageRef[] {
  return Object.entries(manifest.pages).map(([name, edition]) => ({ name, edition }));
}

function periodId(name: string, grain: StoredGrain, period: string, edition: string): string {
  return [name, grain, period, edition].join(" ");
}
