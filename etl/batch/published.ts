/** What the last refresh published, as the next one needs it. Reads only. */
import type { ControlStore } from "../../src/backends/control-store.ts";
import {
  type LakePage,
  type LakePartition,
  type Manifest,
  manifestKey,
  pageKey,
  segmentPageName,
  type SegmentPage,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { formatInstant, type Instant } from "../../src/model/time.ts";
import type { Changes } from "./changed.ts";
import type { RefreshOptions } from "./deps.ts";

export interface Published {
  /** The pointer and its revision; null before the first refresh. */
  readonly manifest: Manifest | null;
  readonly revision: number | null;
  /** Covered so far; null before the first refresh. */
  readonly until: Instant | null;
  /** The manifest's pages can be built upon: they have the product's shape. */
  readonly usable: boolean;
  /** The lake's partitions as they were read, by value. Empty when not usable. */
  readonly lake: ReadonlyMap<string, LakePartition>;
}

/** Another shape's pages are ignored: everything is built anew, under the next version. So it is with `full`. */
export async function readPublished(
  product: Product,
  control: ControlStore,
  full: boolean,
): Promise<Published> {
  const found = await control.get<Manifest>(manifestKey(product));
  const manifest = found?.value ?? null;
  const usable = manifest !== null && manifest.shape === product.shape && !full;
  return {
    manifest,
    revision: found?.revision ?? null,
    until: manifest?.coverage.until ?? null,
    usable,
    lake: usable ? await readLakePages(product, manifest, control) : new Map(),
  };
}

/** Events in all partitions. */
export function totalRows(lake: ReadonlyMap<string, LakePartition>): number {
  return [...lake.values()].reduce((sum, { rows }) => sum + rows, 0);
}

/** Throws `BAD_USER_INPUT` for options that exclude each other. */
export function checkOptions({ range, full = false }: RefreshOptions): void {
  if (range !== undefined && full)
    throw new SluiceError(
      "BAD_USER_INPUT",
      "Either everything is computed anew (--full) or a range is recounted (--from, --to). Drop one of them.",
    );
}

/** Throws `BAD_USER_INPUT` where there is nothing to recount a range of. */
export function checkRange(product: Product, { manifest, usable }: Published, options: RefreshOptions): void {
  checkOptions(options);
  if (options.range === undefined) return;
  if (manifest === null || !usable)
    throw new SluiceError(
      "BAD_USER_INPUT",
      `A range is recounted upon an edition of the present declaration. "${product.name}" has none yet: the first one covers the whole lake. Refresh without --from and --to.`,
    );
}

/** Throws `BAD_USER_INPUT` where a range holds no partition. */
export function checkTouched(
  { name }: Product,
  { present, changed, vanished }: Changes,
  { range }: RefreshOptions,
): void {
  if (range === undefined || changed.length + vanished.length > 0) return;
  const values = [...present.keys()];
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A range holds partitions of the lake, to recount them. That of "${name}" has none between ${formatInstant(range.from)} and ${formatInstant(range.to)}; it goes from ${values[0] ?? "nothing"} to ${values.at(-1) ?? "nothing"}.`,
  );
}

async function readLakePages(
  product: Product,
  manifest: Manifest,
  control: ControlStore,
): Promise<Map<string, LakePartition>> {
  const names = Object.keys(manifest.pages).filter((name) => name.startsWith("lake/"));
  const pages = await Promise.all(names.map((name) => readPage<LakePage>(product, manifest, name, control)));
  return new Map(pages.flatMap((page) => Object.entries(page ?? {})));
}

/** The page that says which edition holds each period of a rollup in a year; empty when there is none. */
export async function readSegmentPage(
  product: Product,
  published: Published,
  rollup: Rollup,
  year: string,
  control: ControlStore,
): Promise<SegmentPage> {
  if (!published.usable || published.manifest === null) return {};
  const name = segmentPageName(rollup, year);
  return (await readPage<SegmentPage>(product, published.manifest, name, control)) ?? {};
}

async function readPage<T>(
  product: Product,
  manifest: Manifest,
  name: string,
  control: ControlStore,
): Promise<T | null> {
  const edition = manifest.pages[name];
  if (edition === undefined) return null;
  const page = await control.get<T>(pageKey(product, name, edition));
  if (page === null)
    throw new SluiceError(
      "REFRESH",
      `A manifest points to pages that exist. Page "${name}" of edition ${edition} of "${product.name}" is missing. Refresh with --full to build everything anew.`,
    );
  return page.value;
}
