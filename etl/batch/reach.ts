/** What the manifests that are kept reach: pages, the periods in them, and folders of gold. Reads only. */
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type Edition, type LakePage, pageKey, type SegmentPage } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { type StoredGrain, storedGrains } from "../../src/model/time.ts";
import { forEachInParallel } from "./chunks.ts";

export interface PageRef {
  readonly name: string;
  /** The edition that wrote the page. */
  readonly edition: string;
}

/** A page of segments that the edition itself wrote. */
export function isOwnPage([name, writer]: readonly [string, string], edition: string): boolean {
  return writer === edition && name.startsWith("segments/");
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

const refId = ({ name, edition }: PageRef): string => `${name} ${edition}`;

export class Reach {
  readonly #product: Product;
  readonly #control: ControlStore;
  readonly #pages = new Set<string>();
  /** `page name, grain, period, edition` of everything that a kept page maps. */
  readonly #periods = new Set<string>();
  readonly #folders = new Set<string>();

  private constructor(product: Product, control: ControlStore) {
    this.#product = product;
    this.#control = control;
  }

  static async of(product: Product, kept: readonly Edition[], control: ControlStore): Promise<Reach> {
    const reach = new Reach(product, control);
    const refs = new Map(kept.flatMap(refsOf).map((ref) => [refId(ref), ref]));
    for (const id of refs.keys()) reach.#pages.add(id);
    await reach.#keepSegments([...refs.values()].filter(({ name }) => name.startsWith("segments/")));
    await reach.#keepFolders([...refs.values()].filter(({ name }) => name.startsWith("lake/")));
    return reach;
  }

  /** An edition that others still read parts of keeps its view of the lake: it tells the keys of those parts. */
  async keepLake(edition: Edition): Promise<void> {
    const refs = refsOf(edition).filter(({ name }) => name.startsWith("lake/"));
    for (const ref of refs) this.#pages.add(refId(ref));
    await this.#keepFolders(refs);
  }

  reads(ref: PageRef): boolean {
    return this.#pages.has(refId(ref));
  }

  holds(folder: string): boolean {
    return this.#folders.has(folder);
  }

  /** What an edition wrote under a page: periods that nothing kept maps to it, and the page without them (null when empty). */
  divide(
    ref: PageRef,
    pages: ReadonlyMap<string, SegmentPage>,
  ): { readonly dead: Partial<Record<StoredGrain, string[]>>; readonly alive: SegmentPage | null } {
    const page = pages.get(refId(ref)) ?? {};
    const dead: Partial<Record<StoredGrain, string[]>> = {};
    const alive: Partial<Record<StoredGrain, Record<string, string>>> = {};
    for (const grain of storedGrains)
      for (const [period, writer] of Object.entries(page[grain] ?? {})) {
        if (writer !== ref.edition) continue;
        if (this.#periods.has(periodId(ref.name, grain, period, writer)))
          (alive[grain] ??= {})[period] = writer;
        else (dead[grain] ??= []).push(period);
      }
    return { dead, alive: Object.keys(alive).length === 0 ? null : alive };
  }

  async #keepSegments(refs: readonly PageRef[]): Promise<void> {
    const pages = await readPages<SegmentPage>(this.#product, refs, this.#control);
    for (const ref of refs)
      for (const grain of storedGrains)
        for (const [period, writer] of Object.entries(pages.get(refId(ref))?.[grain] ?? {}))
          this.#periods.add(periodId(ref.name, grain, period, writer));
  }

  async #keepFolders(refs: readonly PageRef[]): Promise<void> {
    const pages = await readPages<LakePage>(this.#product, refs, this.#control);
    for (const page of pages.values())
      for (const { gold } of Object.values(page)) if (gold !== null) this.#folders.add(gold);
  }
}

function refsOf({ manifest }: Edition): PageRef[] {
  return Object.entries(manifest.pages).map(([name, edition]) => ({ name, edition }));
}

function periodId(name: string, grain: StoredGrain, period: string, edition: string): string {
  return [name, grain, period, edition].join(" ");
}
