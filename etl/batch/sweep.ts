/**
 * What no retained manifest reaches is removed: segments, pages, gold, compacted partitions and documents of editions
 * that are too old to go back to, or that were never published and never will be; and live items that none needs.
 *
 * Delivery guarantee: nothing that a reader, a rollback or a running refresh may still use is removed. The published
 * manifest names the oldest version that is kept (`keeps`, which never falls); a rollback republishes none older, upon
 * the manifest it has read; a refresh publishes upon the manifest it has read. So what only editions before `keeps`
 * reach is reached by no manifest to come, and a build upon a version that has passed can never be published. It may
 * run on without knowing: its segments are removed at once and again when it must have ended, and until then its
 * documents and files stay. A crash in a sweep leaves the rest to the next one: what tells of things goes after them.
 */
import type { Versioned } from "../../src/backends/control-store.ts";
import {
  type Build,
  buildKey,
  type CompactedPartition,
  compactedKey,
  type Edition,
  editionKey,
  type LakePage,
  type Manifest,
  manifestKey,
  pageKey,
  publishedEditions,
} from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { dayMs, type Instant } from "../../src/model/time.ts";
import { editionId } from "./builds.ts";
import type { RefreshDeps } from "./deps.ts";
import { partitionOf } from "./partitions.ts";
import { readPages, Reach, refId, refsOf } from "./reach.ts";
import { sweepLive } from "./sweep-live.ts";
import { sweepSegments } from "./sweep-segments.ts";

/** What has run for longer has ended, or will never see its end. */
const longestRefreshMs = dayMs;

/** Resolves to the number of items removed, live ones included. */
export async function sweep(product: Product, deps: RefreshDeps): Promise<number> {
  const { control } = deps;
  const manifest = await control.get<Manifest>(manifestKey(product));
  if (manifest === null) return 0;
  const since = deps.clock() - longestRefreshMs;
  const editions = await control.list<Edition>(editionKey(product, "").pk);
  const builds = await control.list<Build>(buildKey(product, "").pk);
  const crashed = crashedBuilds(builds, editions, manifest.value, since);
  const removed = await sweepEditions(product, manifest.value, editions, crashed, since, deps);
  await sweepCompacted(product, since, deps);
  const kept = keptEditions(manifest.value, editions);
  return removed + (await sweepLive(product, coveredByAll(manifest.value, kept), deps));
}

/** Those that wrote files at most: nothing tells of segments. */
function crashedBuilds(
  builds: readonly (Versioned<Build> & { readonly sk: string })[],
  editions: readonly { readonly sk: string }[],
  { version }: Manifest,
  since: Instant,
): string[] {
  const written = new Set(editions.map(({ sk }) => sk));
  return builds
    .filter(({ sk, value }) => !written.has(sk) && value.base < version && value.startedAt < since)
    .map(({ sk }) => sk);
}

async function sweepEditions(
  product: Product,
  manifest: Manifest,
  documents: readonly Versioned<Edition>[],
  crashed: readonly string[],
  since: Instant,
  deps: RefreshDeps,
): Promise<number> {
  const byId = new Map(documents.map(({ value }) => [value.id, value]));
  const kept = keptEditions(manifest, documents);
  const dead = documents.filter(({ value }) => !kept.includes(value) && value.version <= manifest.version);
  if (dead.length === 0 && crashed.length === 0) return 0;
  const reach = await Reach.of(
    product,
    kept,
    dead.map(({ value }) => value),
    byId,
    deps.control,
  );
  const published = new Set(publishedEditions([...byId.values()], manifest.edition));
  const mayRun = (edition: Edition) => !published.has(edition) && edition.publishedAt >= since;
  const tellsKeys = (edition: Edition) => reach.needsView(edition.id) || mayRun(edition);
  for (const { value } of dead) if (tellsKeys(value)) await reach.keepLake(value);

  const report = (done: number, items: number) =>
    deps.progress({ stage: "sweep", done, total: dead.length, unit: "editions", items });
  let items = 0;
  for (const [i, { value, revision }] of dead.entries()) {
    report(i, items);
    if (mayRun(value) && value.swept) continue;
    items += await sweepSegments(product, value, byId, reach, deps);
    if (mayRun(value))
      await deps.control.put(editionKey(product, value.id), { ...value, swept: true }, revision);
  }
  const ended = dead.map(({ value }) => value).filter((edition) => !mayRun(edition));
  const gone = ended.filter((edition) => !tellsKeys(edition));
  await sweepGold(product, gone, crashed, reach, deps);
  await deps.control.remove(
    unread(ended, "", reach).map(({ name, edition }) => pageKey(product, name, edition)),
  );
  await sweepDocuments(product, gone, crashed, deps);
  report(dead.length, items);
  return items;
}

/** The published editions that can be rolled back to, newest first. */
export function keptEditions(
  manifest: Manifest,
  editions: readonly Pick<Versioned<Edition>, "value">[],
): Edition[] {
  const chain = publishedEditions(
    editions.map(({ value }) => value),
    manifest.edition,
  );
  return chain.filter(({ version }) => version >= (manifest.keeps ?? 1));
}

/** What every manifest that is kept answers for without live items. */
function coveredByAll({ coverage }: Manifest, kept: readonly Edition[]): Instant {
  return Math.min(coverage.until, ...kept.map(({ manifest }) => manifest.coverage.until));
}

/** Folders of gold that the editions named, and what they wrote without naming it. */
async function sweepGold(
  product: Product,
  gone: readonly Edition[],
  crashed: readonly string[],
  reach: Reach,
  { lake, control }: RefreshDeps,
): Promise<void> {
  const pages = await readPages<LakePage>(product, unread(gone, "lake/", reach), control);
  const named = [...pages.values()].flatMap((page) => Object.values(page).flatMap(({ gold }) => gold ?? []));
  const written = [...gone.map(({ id }) => id), ...crashed].map((id) => `gold/${product.name}/${id}/`);
  for (const folder of new Set([...named, ...written])) {
    const keys: string[] = [];
    for await (const { key } of lake.list(folder)) if (!reach.holds(folderOf(key))) keys.push(key);
    if (keys.length > 0) await lake.remove(keys);
  }
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);

function unread(gone: readonly Edition[], kind: string, reach: Reach) {
  const refs = gone.flatMap(refsOf).filter((ref) => ref.name.startsWith(kind) && !reach.reads(ref));
  return [...new Map(refs.map((ref) => [refId(ref), ref])).values()];
}

/** Editions go oldest first: those that are left are still known to have been published. */
async function sweepDocuments(
  product: Product,
  gone: readonly Edition[],
  crashed: readonly string[],
  { control }: RefreshDeps,
): Promise<void> {
  for (const { id } of gone) {
    await control.remove([buildKey(product, id)]);
    await control.remove([editionKey(product, id)]);
  }
  await control.remove(crashed.map((id) => buildKey(product, id)));
}

/**
 * Compacted partitions that the source's table has not named for so long that no refresh is about to, and no query
 * still reads them. Their editions do not matter: another product's refresh may have placed them.
 */
async function sweepCompacted(
  { source }: Product,
  since: Instant,
  { lake, control }: RefreshDeps,
): Promise<void> {
  if (source.stream === null) return;
  const root = `compacted/${source.database}.${source.table}/`;
  const placed = await control.list<CompactedPartition>(compactedKey(source, "").pk);
  const placements = new Map(placed.map(({ sk, value }) => [sk, value]));
  const isOld = (folder: string) => folder.slice(root.length) < editionId(since, "");
  const keys: string[] = [];
  for await (const { key } of lake.list(root)) {
    const { location, registered } = placements.get(partitionOf(key)) ?? { location: "", registered: true };
    // the table may still show the folder before
    if (!registered) continue;
    const named = location.startsWith(lake.url(root)) ? lake.key(location) : null;
    if (folderOf(key) !== named && isOld(key) && (named === null || isOld(named))) keys.push(key);
  }
  if (keys.length > 0) await lake.remove(keys);
}
