/**
 * The batch refresh: write, audit, publish.
 *
 * Delivery guarantee: a crash anywhere leaves readers on the previous edition, and the next run does the work again;
 * an edition is seen whole or not at all.
 */
import type { Edition } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { floorTo, formatInstant, type Instant } from "../../src/model/time.ts";
import { finestGrain } from "../../src/model/gold.ts";
import { audit, totalRows } from "./audit.ts";
import { type Changes, findChanges } from "./changed.ts";
import { compact } from "./compact.ts";
import { coveredByLake, passBarriers } from "./coverage.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { load } from "./load.ts";
import { lakeFolder, listPartitions, type PartitionFiles } from "./partitions.ts";
import { publish } from "./publish.ts";
import { type Published, readPublished } from "./published.ts";
import { unload } from "./unload.ts";

export interface RefreshResult {
  /** False when nothing had changed: then nothing was written, and the figures are of no work. */
  readonly published: boolean;
  /** The current edition: this refresh's, or the one it found. */
  readonly edition: string;
  /** Of the manifest. */
  readonly version: number;
  /** Events in all that the edition serves. */
  readonly rows: number;
  /** Items written. */
  readonly items: number;
  readonly bytesScanned: number;
  readonly durationMs: number;
  /** Partitions counted anew, and those that are gone. */
  readonly changed: readonly string[];
  readonly vanished: readonly string[];
  readonly coveredUntil: Instant;
}

/**
 * Brings what is stored of a product up to date with the lake. Rejects `REFRESH` when the lake, the archive or the audit
 * is not as it must be, `CONFLICT` when another refresh was faster, and the backends' own errors.
 */
export async function refresh(
  product: Product,
  deps: RefreshDeps,
  options: RefreshOptions = {},
): Promise<RefreshResult> {
  const startedAt = deps.clock();
  const published = await readPublished(product, deps.control, options.full ?? false);
  const { until, present } = await coverage(product, published, deps);
  const changes = findChanges(published, present, until);
  reportChanges(changes, deps);
  if (isUpToDate(published, changes, until)) return upToDate(published, startedAt, deps);

  const id = editionId(startedAt, deps.token());
  const compacted = await compact(product.source, id, changes, deps, options);
  const unloaded = await unload(product, id, changes, until, deps, options);
  const audited = await audit(product, published, changes, unloaded, until, deps, options);
  const loaded = await load(product, id, published, changes, audited.lake, until, deps);
  const bytesScanned = compacted + unloaded.bytesScanned + audited.bytesScanned;
  const build = { id, startedAt, until, lake: audited.lake, changes, loaded, bytesScanned };
  return resultOf(await publish(product, published, build, deps), changes);
}

function resultOf(edition: Edition, { changed, vanished }: Changes): RefreshResult {
  return {
    published: true,
    edition: edition.id,
    version: edition.version,
    rows: edition.rows,
    items: edition.items,
    bytesScanned: edition.bytesScanned,
    durationMs: edition.durationMs,
    coveredUntil: edition.coveredUntil,
    changed: changed.map(({ value }) => value),
    vanished,
  };
}

/** The lake is listed after the archive has passed the barriers: so it holds everything before `until`. */
async function coverage(
  product: Product,
  published: Published,
  deps: RefreshDeps,
): Promise<{ until: Instant; present: ReadonlyMap<string, PartitionFiles> }> {
  const { stream } = product.source;
  // a shape with a coarser finest grain cuts on its own edges
  const previous = published.until === null ? null : floorTo(published.until, finestGrain(product));
  const passed = stream === null ? null : await passBarriers(product, stream, previous, deps);
  const present = await listPartitions(product.source, deps.lake);
  const until =
    passed ?? coveredByLake(product, present, published.until, deps.lake.url(lakeFolder(product.source)));
  return { until, present };
}

function reportChanges({ changed, vanished }: Changes, { progress }: RefreshDeps): void {
  const total = changed.length + vanished.length;
  progress({ stage: "changed", done: total, total, unit: "partitions" });
}

function isUpToDate(published: Published, { changed, vanished }: Changes, until: Instant): boolean {
  return published.usable && changed.length === 0 && vanished.length === 0 && until === published.until;
}

function upToDate({ manifest, lake }: Published, startedAt: Instant, deps: RefreshDeps): RefreshResult {
  const { edition, version, coverage: covered } = manifest!;
  return {
    published: false,
    edition,
    version,
    rows: totalRows(lake),
    items: 0,
    bytesScanned: 0,
    durationMs: deps.clock() - startedAt,
    changed: [],
    vanished: [],
    coveredUntil: covered.until,
  };
}

/** Sorts by time, and no two are equal: `20010628T010203456Z-1f2e3d4c`. */
function editionId(at: Instant, token: string): string {
  return `${formatInstant(at).replaceAll(/[-:.]/g, "")}-${token.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 8)}`;
}
