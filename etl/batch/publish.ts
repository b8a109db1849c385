/**
 * An edition becomes visible.
 *
 * Delivery guarantee: pages and the edition's document are written before its items and seen by nobody; one conditional
 * write of the manifest's pointer publishes all of it or nothing. Of two refreshes at once the second one is refused.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import {
  type Edition,
  editionKey,
  type LakePartition,
  type Manifest,
  manifestKey,
  pageKey,
  publishedEditions,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { partitionRange } from "../../src/model/gold.ts";
import type { Product } from "../../src/model/product.ts";
import { storedLayout } from "../../src/model/stored-layout.ts";
import type { Instant } from "../../src/model/time.ts";
import type { Changes } from "./changed.ts";
import { forEachInParallel } from "./chunks.ts";
import type { RefreshDeps, Retention } from "./deps.ts";
import type { Portion } from "./load-plan.ts";
import { lakePages, segmentPages } from "./pages.ts";
import { type Published, totalRows } from "./published.ts";

/** What is to be published. */
export interface Publication {
  /** The edition's. */
  readonly id: string;
  readonly startedAt: Instant;
  readonly until: Instant;
  readonly lake: ReadonlyMap<string, LakePartition>;
  readonly changes: Changes;
  readonly plan: readonly Portion[];
  readonly bytesScanned: number;
}

/** Writes the edition's document and then its pages: what a crashed build has loaded can be told from them. */
export async function prepare(
  product: Product,
  published: Published,
  publication: Publication,
  { control }: Pick<RefreshDeps, "control">,
): Promise<Versioned<Edition>> {
  const { id, changes, lake, plan } = publication;
  const pages = new Map<string, object>([
    ...lakePages(changes, lake),
    ...(await segmentPages(product, published, id, plan, lake, control)),
  ]);
  const manifest = manifestOf(product, published, publication, [...pages.keys()]);
  const value = editionOf(publication, manifest, published.manifest);
  const revision = await control.put(editionKey(product, id), value, "any");
  await forEachInParallel([...pages], ([name, page]) => control.put(pageKey(product, name, id), page, "any"));
  return { value, revision: revision! };
}

/** Rejects `CONFLICT` when another refresh has published since `published` was read. */
export async function publish(
  product: Product,
  published: Published,
  { value: prepared, revision }: Versioned<Edition>,
  items: number,
  { control, clock, retention, progress }: RefreshDeps,
): Promise<Edition> {
  const publishedAt = clock();
  const edition: Edition = {
    ...prepared,
    items,
    publishedAt,
    durationMs: publishedAt - prepared.publishedAt,
    manifest: { ...prepared.manifest, publishedAt },
  };
  const keeps = await oldestKept(product, edition, control, retention);
  const known = await control.put(editionKey(product, edition.id), edition, revision);
  const flipped =
    known !== null && (await flip(product, { ...edition.manifest, keeps }, published.revision, control));
  if (!flipped) throw overtaken(product, edition.id);
  progress({ stage: "publish", done: 1, total: 1, unit: "editions" });
  return edition;
}

/** The one write that readers see. Resolves to false when the pointer is not at `expected` any more. */
export async function flip(
  product: Product,
  manifest: Manifest,
  expected: number | null,
  control: ControlStore,
): Promise<boolean> {
  return (await control.put(manifestKey(product), manifest, expected)) !== null;
}

export function overtaken(product: Product, id: string, cause?: unknown): SluiceError {
  return new SluiceError(
    "CONFLICT",
    `One refresh at a time publishes. Another one (or a rollback) published "${product.name}" while edition ${id} was made, which is dropped. Refresh again.`,
    { cause },
  );
}

/**
 * The version of the oldest edition that stays: one of the newest, or served within the retention. It never falls, so
 * whoever publishes upon a manifest with it cannot bring back what a sweep has taken.
 */
export async function oldestKept(
  product: Product,
  next: Edition,
  control: ControlStore,
  { editions, ms }: Retention,
): Promise<number> {
  const written = await control.list<Edition>(editionKey(product, "").pk);
  const chain = publishedEditions([...written.map(({ value }) => value), next], next.id);
  // an edition is served until the next one is published, and a little longer by who has just read the manifest
  const kept = chain.filter((_, i) => i < editions || chain[i - 1]!.publishedAt >= next.publishedAt - ms);
  return Math.max(next.manifest.keeps, Math.min(...kept.map(({ version }) => version)));
}

function manifestOf(
  product: Product,
  { manifest: before, usable }: Published,
  { id, until, lake, startedAt }: Publication,
  written: readonly string[],
): Manifest {
  const starts = [...lake.keys()].map((value) => partitionRange(value, product.source.partition.grain)!.from);
  const newest = [...lake.values()].flatMap((partition) => partition.newest ?? []);
  return {
    version: (before?.version ?? 0) + 1,
    edition: id,
    shape: product.shape,
    layout: storedLayout(product),
    publishedAt: startedAt,
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

/** Before it is published, with the start of its making as its time. */
function editionOf(
  { id, startedAt, until: coveredUntil, lake, bytesScanned }: Publication,
  manifest: Manifest,
  previous: Manifest | null,
): Edition {
  return {
    id,
    publishedAt: startedAt,
    version: manifest.version,
    rows: totalRows(lake),
    items: 0,
    bytesScanned,
    durationMs: 0,
    coveredUntil,
    manifest,
    previous: previous?.edition ?? null,
    restores: null,
  };
}
