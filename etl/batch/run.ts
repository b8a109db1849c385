/**
 * The batch refresh: write, audit, publish.
 *
 * Delivery guarantee: a crash anywhere leaves readers on the previous edition, and the next run does the work again;
 * an edition is seen whole or not at all.
 */
import { type Edition, editionKey, type Hold, type Manifest } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { floorTo, type Instant } from "../../src/model/time.ts";
import { finestGrain } from "../../src/model/gold.ts";
import { audit } from "./audit.ts";
import { editionId, isOvertaken, openBuild } from "./builds.ts";
import { type Changes, findChanges } from "./changed.ts";
import { compact } from "./compact.ts";
import { coveredByLake, passBarriers } from "./coverage.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { registerGold } from "./gold-table.ts";
import { load } from "./load.ts";
import { planLoad } from "./load-plan.ts";
import { countedWith, refreshLookups } from "./lookups.ts";
import { lakeFolder, listPartitions, type PartitionFiles } from "./partitions.ts";
import { overtaken, prepare, publish } from "./publish.ts";
import { checkRange, checkTouched, type Published, readPublished } from "./published.ts";
import { checkStopped, stopped } from "./stopping.ts";
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
    await settle(product, published.manifest, deps);
    return nothingDone(product, published.manifest, startedAt, deps);
  }
  const { until, present } = await coverage(product, published, deps, options);
  const changes = findChanges(published, countedWith(product, lookups, present), until, options.range);
  reportChanges(changes, deps);
  checkTouched(product, changes, options);
  if (isUpToDate(published, changes, until)) {
    await settle(product, published.manifest!, deps);
    return nothingDone(product, published.manifest!, startedAt, deps);
  }
  const building = { startedAt, until, changes, lookedUp: lookups.bytesScanned };
  const edition = await build(product, published, building, deps, options);
  await settle(product, edition.manifest, deps).catch((error: unknown) => {
    throw unsettled(product, edition, error);
  });
  return resultOf(edition, changes);
}

/** What follows a publication, also of a run that died behind it. */
async function settle(product: Product, manifest: Manifest, deps: RefreshDeps): Promise<void> {
  await registerGold(product, manifest, deps);
  await sweep(product, deps);
}

function unsettled({ name }: Product, { id }: Edition, cause: unknown): SluiceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(
    "REFRESH",
    `Edition ${id} of "${name}" is published and served. What follows it (the gold table, the sweep of what is old) failed, and is done by the next refresh: ${reason}`,
    { cause },
  );
}

interface Building {
  readonly startedAt: Instant;
  readonly until: Instant;
  readonly changes: Changes;
  /** Bytes scanned for lookups. */
  readonly lookedUp: number;
}

/** Makes and publishes an edition. Rejects `CONFLICT` also where it failed of what a faster run has changed or swept. */
async function build(
  product: Product,
  published: Published,
  building: Building,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Edition> {
  const id = editionId(building.startedAt, deps.token());
  await openBuild(product, published, id, building.startedAt, deps.control);
  try {
    return await writeAuditPublish(product, published, id, building, deps, options);
  } catch (error) {
    if (options.signal?.aborted) throw stopped(product);
    const late = await isOvertaken(product, published, id, deps.control).catch(() => false);
    throw late ? overtaken(product, id, error) : error;
  }
}

async function writeAuditPublish(
  product: Product,
  published: Published,
  id: string,
  { startedAt, until, changes, lookedUp }: Building,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Edition> {
  const compacted = await compact(product.source, id, changes, deps, options);
  const unloaded = await unload(product, id, changes, until, deps, options);
  const audited = await audit(product, published, changes, unloaded, until, deps, options);
  const plan = planLoad(product, published, changes, until);
  const bytesScanned = lookedUp + compacted + unloaded.bytesScanned + audited.bytesScanned;
  // better known before the load than after
  if (await isOvertaken(product, published, id, deps.control)) throw overtaken(product, id);
  const { lake } = audited;
  const publication = { id, startedAt, until, lake, changes, plan, bytesScanned };
  const prepared = await prepare(product, published, publication, deps);
  const items = await load(product, id, plan, lake, deps, options);
  checkStopped(product, options);
  return publish(product, published, prepared, items, deps);
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
  options: RefreshOptions,
): Promise<{ until: Instant; present: ReadonlyMap<string, PartitionFiles> }> {
  const { stream } = product.source;
  // a shape with a coarser finest grain cuts on its own edges
  const previous = published.until === null ? null : floorTo(published.until, finestGrain(product));
  const keepsCut = options.range !== undefined && previous !== null;
  const passed =
    stream === null
      ? null
      : keepsCut
        ? previous
        : await passBarriers(product, stream, previous, deps, options);
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
