/**
 * An edition becomes visible.
 *
 * Delivery guarantee: pages and the edition's document are written first and seen by nobody; one conditional write of
 * the manifest's pointer publishes all of it or nothing. Of two refreshes at once the second one is refused.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import {
  type Edition,
  editionKey,
  type LakePage,
  lakePageName,
  type LakePartition,
  type Manifest,
  manifestKey,
  pageKey,
  segmentPageName,
  type SegmentPage,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { partitionRange } from "../../src/model/gold.ts";
import type { Product } from "../../src/model/product.ts";
import { storedLayout } from "../../src/model/stored-layout.ts";
import type { Instant } from "../../src/model/time.ts";
import { totalRows } from "./audit.ts";
import type { Changes } from "./changed.ts";
import { forEachInParallel } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import type { Loaded } from "./load.ts";
import { type Published, readSegmentPage } from "./published.ts";

/** What is to be published. */
export interface Publication {
  /** The edition's. */
  readonly id: string;
  readonly startedAt: Instant;
  readonly until: Instant;
  readonly lake: ReadonlyMap<string, LakePartition>;
  readonly changes: Changes;
  readonly loaded: Loaded;
  readonly bytesScanned: number;
}

/** Rejects `CONFLICT` when another refresh has published since `published` was read. */
export async function publish(
  product: Product,
  published: Published,
  build: Publication,
  { control, clock, progress }: RefreshDeps,
): Promise<Edition> {
  const pages = new Map<string, object>([
    ...lakePages(build),
    ...(await segmentPages(product, published, build, control)),
  ]);
  await writePages(product, build.id, pages, control);
  const manifest = manifestOf(product, published, build, [...pages.keys()], clock());
  const edition = editionOf(build, manifest, published.manifest);
  await control.put(editionKey(product, build.id), edition, null);
  const revision = await control.put(manifestKey(product), manifest, published.revision);
  progress({ stage: "publish", done: 1, total: 1, unit: "editions" });
  if (revision !== null) return edition;
  throw new SluiceError(
    "CONFLICT",
    `One refresh at a time publishes. Another one published "${product.name}" while edition ${build.id} was made, which is dropped. Refresh again.`,
  );
}

/** The pages of the years in which a partition has changed or vanished. */
function lakePages({ changes, lake }: Publication): Map<string, LakePage> {
  const yearOf = (partition: string) => partition.slice(0, 4);
  const years = new Set([...changes.changed.map(({ value }) => value), ...changes.vanished].map(yearOf));
  const pages = new Map<string, LakePage>();
  for (const year of years)
    pages.set(
      lakePageName(year),
      Object.fromEntries([...lake].filter(([partition]) => yearOf(partition) === year)),
    );
  return pages;
}

/** The pages of the rollups and years that were loaded: the previous page, its reassembled periods replaced. */
async function segmentPages(
  product: Product,
  published: Published,
  { id, loaded }: Publication,
  control: ControlStore,
): Promise<Map<string, SegmentPage>> {
  const pages = new Map<string, SegmentPage>();
  for (const { rollup, grain, year, periods, filled } of loaded.periods) {
    const name = segmentPageName(rollup, year);
    const page = pages.get(name) ?? (await readSegmentPage(product, published, rollup, year, control));
    const kept = Object.entries(page[grain] ?? {}).filter(([period]) => !periods.includes(period));
    const fresh = [...filled].map((period) => [period, id] as const);
    pages.set(name, { ...page, [grain]: Object.fromEntries([...kept, ...fresh]) });
  }
  return pages;
}

async function writePages(
  product: Product,
  edition: string,
  pages: ReadonlyMap<string, object>,
  control: ControlStore,
): Promise<void> {
  await forEachInParallel([...pages], ([name, page]) =>
    control.put(pageKey(product, name, edition), page, null),
  );
}

function manifestOf(
  product: Product,
  { manifest: before, usable }: Published,
  { id, until, lake }: Publication,
  written: readonly string[],
  publishedAt: Instant,
): Manifest {
  const starts = [...lake.keys()].map((value) => partitionRange(value, product.source.partition.grain)!.from);
  const newest = [...lake.values()].flatMap((partition) => partition.newest ?? []);
  return {
    version: (before?.version ?? 0) + 1,
    edition: id,
    shape: product.shape,
    layout: storedLayout(product),
    publishedAt,
    coverage: { from: Math.min(...starts, until), until },
    newest: newest.length === 0 ? null : Math.max(...newest),
    pages: {
      ...(usable ? before?.pages : {}),
      ...Object.fromEntries(written.map((name) => [name, id])),
    },
    keeps: before?.keeps ?? 1,
    hold: null,
  };
}

function editionOf(
  { id, startedAt, until: coveredUntil, lake, loaded, bytesScanned }: Publication,
  manifest: Manifest,
  previous: Manifest | null,
): Edition {
  const { publishedAt, version } = manifest;
  return {
    id,
    publishedAt,
    version,
    rows: totalRows(lake),
    items: loaded.items,
    bytesScanned,
    durationMs: publishedAt - startedAt,
    coveredUntil,
    manifest,
    previous: previous?.edition ?? null,
    restores: null,
  };
}
