/**
 * The batch refresh: write, audit, publish.
 *
 * Delivery guarantee: a crash anywhere leaves readers on the previous edition, and the next run does the work again;
 * an edition is seen whole or not at all.
 */
import { type Edition, editionKey, type Hold, type Manifest } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { floorTo, formatInstant, type Instant } from "../../src/model/time.ts";
import { finestGrain } from "../../src/model/gold.ts";
import { audit } from "./audit.ts";
import { checkBase, openBuild } from "./builds.ts";
import { type Changes, findChanges } from "./changed.ts";
import { compact } from "./compact.ts";
import { coveredByLake, passBarriers } from "./coverage.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { registerGold } from "./gold-table.ts";
import { load } from "./load.ts";
import { planLoad } from "./load-plan.ts";
import { countedWith, refreshLookups } from "./lookups.ts";
import { lakeFolder, listPartitions, type PartitionFiles } from "./partitions.ts";
import { prepare, publish } from "./publish.ts";
import { checkRange, type Published, readPublished } from "./published.ts";
import { sweep } from "./sweep.ts";
import { unload } from "./unload.ts";

export interface RefreshResult {
  /** False when nothing had changed, or a rollback holds the product: then nothing was written. */
  readonly published: boolean;
  /** What keeps this product from being refreshed. */
  readonly held: Hold | null;
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
  const { control } = deps;
  const startedAt = deps.clock();
  const published = await readPublished(product, control, options.full ?? false);
  checkRange(product, published, options);
  // also where the product is held, and before the barriers: the micro-batches of the source may wait for them
  const lookups = await refreshLookups(product.source, deps, options);
  if (published.manifest?.hold) {
    await registerGold(product, published.manifest, deps);
    return nothingDone(product, published.manifest, startedAt, deps);
  }
  const { until, present } = await coverage(product, published, deps, options);
  const changes = findChanges(published, countedWith(product, lookups, present), until, options.range);
  reportChanges(changes, deps);
  if (isUpToDate(published, changes, until)) {
    await registerGold(product, published.manifest!, deps);
    await sweep(product, deps);
    return nothingDone(product, published.manifest!, startedAt, deps);
  }

  const id = editionId(startedAt, deps.token());
  await openBuild(product, published, id, startedAt, control);
  const compacted = await compact(product.source, id, changes, deps, options);
  const unloaded = await unload(product, id, changes, until, deps, options);
  const audited = await audit(product, published, changes, unloaded, until, deps, options);
  const plan = planLoad(product, published, changes, until);
  const bytesScanned = lookups.bytesScanned + compacted + unloaded.bytesScanned + audited.bytesScanned;
  await checkBase(product, published, id, control);
  const { lake } = audited;
  const prepared = await prepare(
    product,
    published,
    { id, startedAt, until, lake, changes, plan, bytesScanned },
    deps,
  );
  const items = await load(product, id, plan, lake, deps);
  const edition = await publish(product, published, prepared, items, deps);
  await registerGold(product, edition.manifest, deps);
  await sweep(product, deps);
  return resultOf(edition, changes);
}

function resultOf(edition: Edition, { changed, vanished }: Changes): RefreshResult {
  return {
    published: true,
    held: null,
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

/**
 * The lake is listed after the archive has passed the barriers: so it holds everything before `until`. Recounting a
 * range moves nothing.
 */
export async function coverage(
  product: Product,
  published: Published,
  deps: RefreshDeps,
  { range }: RefreshOptions,
): Promise<{ until: Instant; present: ReadonlyMap<string, PartitionFiles> }> {
  const { stream } = product.source;
  // a shape with a coarser finest grain cuts on its own edges
  const previous = published.until === null ? null : floorTo(published.until, finestGrain(product));
  const keepsCut = range !== undefined && previous !== null;
  const passed =
    stream === null ? null : keepsCut ? previous : await passBarriers(product, stream, previous, deps);
  const present = await listPartitions(product.source, deps.lake);
  if (passed !== null) return { until: passed, present };
  if (keepsCut) return { until: previous, present };
  const folder = deps.lake.url(lakeFolder(product.source));
  return { until: coveredByLake(product, present, published.until, folder), present };
}

function reportChanges({ changed, vanished }: Changes, { progress }: RefreshDeps): void {
  const total = changed.length + vanished.length;
  progress({ stage: "changed", done: total, total, unit: "partitions" });
}

function isUpToDate(published: Published, { changed, vanished }: Changes, until: Instant): boolean {
  return published.usable && changed.length === 0 && vanished.length === 0 && until === published.until;
}

async function nothingDone(
  product: Product,
  { edition, version, hold, coverage: covered }: Manifest,
  startedAt: Instant,
  { control, clock }: RefreshDeps,
): Promise<RefreshResult> {
  const document = await control.get<Edition>(editionKey(product, edition));
  return {
    published: false,
    held: hold,
    edition,
    version,
    rows: document?.value.rows ?? 0,
    items: 0,
    bytesScanned: 0,
    durationMs: clock() - startedAt,
    changed: [],
    vanished: [],
    coveredUntil: covered.until,
  };
}

/** Sorts by time, and no two are equal: `20010628T010203456Z-1f2e3d4c`. */
export function editionId(at: Instant, token: string): string {
  return `${formatInstant(at).replaceAll(/[-:.]/g, "")}-${token.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 8)}`;
}
