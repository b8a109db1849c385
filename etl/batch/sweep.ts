/**
 * What no retained manifest reaches is removed: segments, pages, gold, compacted partitions and documents of editions
 * that are too old to go back to, or that were never published and never will be.
 *
 * Delivery guarantee: nothing that a reader, a rollback or a running refresh may still use is removed. The published
 * manifest names the oldest version that is kept (`keeps`, which never falls); a rollback republishes none older, upon
 * the manifest it has read; a refresh publishes upon the manifest it has read. So what only editions before `keeps`
 * reach is reached by no manifest to come, and a build upon a version that has passed can never be published. A crash
 * in a sweep leaves the rest to the next one: documents go after what they tell of.
 */
import type { Versioned } from "../../src/backends/control-store.ts";
import type { Gold } from "../../src/backends/gold.ts";
import {
  type Build,
  buildKey,
  type CompactedPartition,
  compactedKey,
  type Edition,
  editionKey,
  type LakePage,
  type LakePartition,
  type Manifest,
  manifestKey,
  pageKey,
  publishedEditions,
} from "../../src/model/control.ts";
import type { GoldKeyColumns } from "../../src/model/gold.ts";
import { type ItemKey, leaderboardKey, segmentKey } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { systemScope } from "../../src/model/scope.ts";
import type { StoredRollup } from "../../src/model/stored-layout.ts";
import { periodRange, type StoredGrain, storedGrains } from "../../src/model/time.ts";
import { overlaps } from "./changed.ts";
import { groupedBy } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import { isOwnPage, readPages, type PageRef, Reach } from "./reach.ts";

/** Resolves to the number of items removed. */
export async function sweep(product: Product, deps: RefreshDeps): Promise<number> {
  const { control } = deps;
  const manifest = await control.get<Manifest>(manifestKey(product));
  if (manifest === null) return 0;
  const editions = await control.list<Edition>(editionKey(product, "").pk);
  const builds = await control.list<Build>(buildKey(product, "").pk);
  const kept = keptEditions(manifest.value, editions);
  const keptIds = new Set(kept.map(({ id }) => id));
  const { version } = manifest.value;
  const dead = editions.filter(({ sk, value }) => !keptIds.has(sk) && value.version <= version);
  const unfinished = builds.filter(
    ({ sk, value }) => value.base < version && !editions.some((edition) => edition.sk === sk),
  );
  if (dead.length === 0 && unfinished.length === 0) return 0;

  const reach = await Reach.of(product, kept, control);
  let removed = 0;
  const gone = new Set(unfinished.map(({ sk }) => sk));
  for (const { value } of dead) {
    const swept = await sweepSegments(product, value, reach, deps);
    removed += swept.items;
    deps.progress({ stage: "sweep", done: gone.size, total: dead.length, unit: "editions", items: removed });
    // what an edition wrote and others still read is found by its pages and its gold: they stay
    if (swept.left) await reach.keepLake(value);
    else gone.add(value.id);
  }
  await sweepFiles(product, gone, reach, deps);
  await sweepDocuments(product, gone, editions, reach, deps);
  deps.progress({ stage: "sweep", done: gone.size, total: gone.size, unit: "editions", items: removed });
  return removed;
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

/** Removes the segments of an edition that nothing kept maps to. Tells whether others are left. */
async function sweepSegments(
  product: Product,
  edition: Edition,
  reach: Reach,
  deps: RefreshDeps,
): Promise<{ items: number; left: boolean }> {
  const own = Object.entries(edition.manifest.pages).filter((page) => isOwnPage(page, edition.id));
  const lake = await lakeOf(product, edition, deps);
  let items = 0;
  let left = false;
  for (const [name] of own) {
    const ref: PageRef = { name, edition: edition.id };
    if (reach.reads(ref)) {
      left = true;
      continue;
    }
    const { dead, alive } = reach.divide(ref, await readPages(product, [ref], deps.control));
    const rollup = edition.manifest.layout.rollups.find(({ name: rollupName }) =>
      name.startsWith(`segments/${rollupName}/`),
    );
    for (const grain of storedGrains)
      if (rollup !== undefined && (dead[grain]?.length ?? 0) > 0)
        items += await removePeriods(product, edition, lake, rollup, grain, dead[grain]!, deps);
    const key = pageKey(product, name, edition.id);
    if (alive === null) await deps.control.remove([key]);
    else await deps.control.put(key, alive, "any");
    left ||= alive !== null;
  }
  return { items, left };
}

async function lakeOf(
  product: Product,
  { manifest }: Edition,
  { control }: RefreshDeps,
): Promise<ReadonlyMap<string, LakePartition>> {
  const refs = Object.entries(manifest.pages)
    .filter(([name]) => name.startsWith("lake/"))
    .map(([name, edition]) => ({ name, edition }));
  const pages = await readPages<LakePage>(product, refs, control);
  return new Map([...pages.values()].flatMap((page) => Object.entries(page)));
}

/** The keys of the segments are those of the gold that they were assembled from. */
async function removePeriods(
  product: Product,
  edition: Edition,
  lake: ReadonlyMap<string, LakePartition>,
  rollup: StoredRollup,
  grain: StoredGrain,
  periods: readonly string[],
  deps: RefreshDeps,
): Promise<number> {
  const ranges = periods.map(periodRange);
  const folders = [...lake].flatMap(([value, { gold }]) => {
    const range = periodRange(value);
    return gold !== null && ranges.some((each) => overlaps(each, range)) ? [gold] : [];
  });
  const gold = await deps.gold.open(product, folders);
  try {
    return await deps.insights.removeSegments(itemKeys(product, edition, gold, rollup, grain, periods));
  } finally {
    await gold.close();
  }
}

/** Of segments and of leaderboards. Days and months are asked for apart. */
async function* itemKeys(
  product: Product,
  { id, manifest: { shape } }: Edition,
  gold: Gold,
  rollup: StoredRollup,
  grain: StoredGrain,
  periods: readonly string[],
): AsyncIterable<ItemKey> {
  const stored = { name: product.name, shape };
  const { name, within, gold: columns } = rollup;
  const dimensions = columns.dimensions.map((column) => column.name);
  for (const alike of groupedBy(periods, ({ length }) => length).values()) {
    for await (const { key, period } of gold.keys(name, columns, alike))
      yield segmentKey(systemScope, stored, { name, dimensions }, grain, key, period, id);
    if (within === null) continue;
    const top = { within };
    for await (const { key, period } of gold.keys(name, withinColumns(rollup), alike))
      yield leaderboardKey(systemScope, stored, { name, top }, grain, key, period, id);
  }
}

/** Where a key's values of the dimensions `within` are found. */
function withinColumns({ dimensions, within, gold }: StoredRollup): GoldKeyColumns {
  const isWithin = (i: number): boolean =>
    within!.some((property) => dimensions[i]!.startsWith(`${property}@`));
  return { ...gold, dimensions: gold.dimensions.filter((_, i) => isWithin(i)) };
}

/** Gold and compacted partitions that nothing kept and no table names. */
async function sweepFiles(
  product: Product,
  gone: Set<string>,
  reach: Reach,
  { lake, control }: RefreshDeps,
): Promise<void> {
  const { source } = product;
  const placed = await control.list<CompactedPartition>(compactedKey(source, "").pk);
  const locations = new Set(placed.map(({ value }) => value.location));
  for (const id of gone) {
    for await (const { key } of lake.list(`gold/${product.name}/${id}/`))
      if (reach.holds(folderOf(key))) gone.delete(id);
      else await lake.remove([key]);
    for await (const { key } of lake.list(`compacted/${source.database}.${source.table}/${id}/`))
      if (locations.has(lake.url(folderOf(key)))) gone.delete(id);
      else await lake.remove([key]);
  }
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);

async function sweepDocuments(
  product: Product,
  gone: ReadonlySet<string>,
  editions: readonly (Versioned<Edition> & ItemKey)[],
  reach: Reach,
  { control }: RefreshDeps,
): Promise<void> {
  const dead = editions.filter(({ sk }) => gone.has(sk));
  const pages = dead.flatMap(({ value }) =>
    Object.entries(value.manifest.pages)
      .filter(([name, writer]) => name.startsWith("lake/") || writer === value.id)
      .map(([name, edition]) => ({ name, edition }))
      .filter((ref) => !reach.reads(ref)),
  );
  await control.remove(pages.map(({ name, edition }) => pageKey(product, name, edition)));
  await control.remove([...gone].map((id) => editionKey(product, id)));
  await control.remove([...gone].map((id) => buildKey(product, id)));
}
