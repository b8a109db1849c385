/** What the retained manifests reach, computed from the documents alone, beside what is there. Knows no code of etl. */
import { lakeRoot, type World } from "./memory-world.ts";

interface StoredManifest {
  readonly version: number;
  readonly edition: string;
  readonly keeps: number;
  readonly hold: object | null;
  readonly coverage: { readonly until: number };
  readonly layout: { readonly rollups: readonly { readonly name: string; readonly within: object | null }[] };
  readonly pages: Record<string, string>;
}

interface StoredEdition {
  readonly id: string;
  readonly version: number;
  readonly previous: string | null;
  readonly manifest: StoredManifest;
}

type SegmentPage = Record<string, Record<string, string>>;
type LakePage = Record<string, { readonly gold: string | null }>;

/** Each kind of thing: sorted names. */
export type Inventory = Record<"insights" | "pages" | "editions" | "gold" | "goldTable", string[]>;

export function retained(world: World, product: string): { manifest: StoredManifest; kept: StoredEdition[] } {
  const manifest = document(world, `manifest#${product}\ncurrent`) as StoredManifest;
  const kept: StoredEdition[] = [];
  const editionOf = editionsOf(world, product);
  for (
    let edition = editionOf(manifest.edition);
    edition !== null;
    edition = editionOf(edition.previous ?? "")
  )
    if (edition.version >= manifest.keeps) kept.push(edition);
  return { manifest, kept };
}

const editionsOf = (world: World, product: string) => (id: string) =>
  document(world, `editions#${product}\n${id}`) as StoredEdition | null;

const hasBoards = ({ manifest }: StoredEdition, rollup: string): boolean =>
  manifest.layout.rollups.some(({ name, within }) => name === rollup && within !== null);

/** 2001-06-27, 2001-06 or 2001 ends there. */
export function endOf(period: string): number {
  const [year = 0, month, day] = period.split("-").map(Number);
  if (month === undefined) return Date.UTC(year + 1, 0);
  return day === undefined ? Date.UTC(year, month) : Date.UTC(year, month - 1, day + 1);
}

export function reached(world: World, product: string): Inventory {
  const editionOf = editionsOf(world, product);
  const { manifest, kept } = retained(world, product);
  const insights = new Set<string>();
  const pages = new Set<string>();
  const editions = new Set(kept.map(({ id }) => id));
  const pagesOf = (edition: StoredEdition, kind: string) =>
    Object.entries(edition.manifest.pages).filter(([name]) => name.startsWith(kind));
  const readPage = ([name, writer]: [string, string]): unknown => {
    pages.add(`${name} ${writer}`);
    return document(world, `page#${product}#${name}\n${writer}`);
  };
  for (const edition of kept)
    for (const ref of pagesOf(edition, "segments/")) {
      const rollup = ref[0].split("/")[1]!;
      for (const [grain, periods] of Object.entries(readPage(ref) as SegmentPage))
        for (const [period, writer] of Object.entries(periods)) {
          insights.add([rollup, grain, period, writer].join(" "));
          if (hasBoards(edition, rollup)) insights.add([`top:${rollup}`, grain, period, writer].join(" "));
          // of a period that had not ended, only its edition's view of the lake tells all keys
          const until = editionOf(writer)?.manifest.coverage.until ?? Infinity;
          if (endOf(period) > until) editions.add(writer);
        }
    }
  const gold = new Set<string>();
  for (const id of editions) {
    for (const ref of pagesOf(editionOf(id)!, "lake/"))
      for (const partition of Object.values(readPage(ref) as LakePage))
        if (partition.gold !== null) gold.add(partition.gold);
  }
  const current = Object.entries(manifest.pages).filter(([name]) => name.startsWith("lake/"));
  const goldTable = current.flatMap((ref) =>
    Object.entries(readPage(ref) as LakePage).flatMap(([value, partition]) =>
      partition.gold === null ? [] : [`${value} ${lakeRoot}${partition.gold}`],
    ),
  );
  return {
    insights: sorted(insights),
    pages: sorted(pages),
    editions: sorted(editions),
    gold: sorted(gold),
    goldTable: sorted(goldTable),
  };
}

/** What is there. Segments are named as pages name them: that each has all its keys, readers find out. */
export function present(world: World, product: string): Inventory {
  const documents = (kind: string) =>
    [...world.control.keys()]
      .filter((id) => id.startsWith(`${kind}#${product}`))
      .map((id) => id.slice(`${kind}#${product}`.length));
  const snake = product.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
  const insights = [...world.insights.keys()]
    .filter((id) => id.startsWith(`${product}#`))
    .map((id) => {
      const [pk, sk] = id.split("\n") as [string, string];
      const [, , rollup, grain] = pk.split("#");
      return `${rollup} ${grain} ${sk.replace("#", " ")}`;
    });
  const gold = [...world.lake.keys()].filter((key) => key.startsWith(`gold/${product}/`)).map(folderOf);
  const table =
    [...world.catalogue].find(([name]) => name.endsWith(`.${snake}_gold`))?.[1] ?? new Map<string, string>();
  return {
    insights: sorted(new Set(insights)),
    pages: sorted(documents("page").map((id) => id.slice(1).replace("\n", " "))),
    editions: sorted(documents("editions").map((id) => id.slice(1))),
    gold: sorted(new Set(gold)),
    goldTable: sorted([...table].map(([value, location]) => `${value} ${location}`)),
  };
}

/** The builds that are announced, and the compacted partitions that the source's table does not name. */
export function remnants(world: World, product: string, table: string) {
  const named = new Set(world.catalogue.get(table)?.values());
  return {
    builds: [...world.control.keys()]
      .filter((id) => id.startsWith(`builds#${product}\n`))
      .map((id) => id.split("\n")[1]!)
      .sort(),
    compacted: [...world.lake.keys()].filter(
      (key) => key.startsWith(`compacted/${table}/`) && !named.has(lakeRoot + folderOf(key)),
    ),
  };
}

function document({ control }: World, id: string): unknown {
  const found = control.get(id);
  return found === undefined ? null : JSON.parse(found.json);
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);
const sorted = (names: Iterable<string>): string[] => [...names].sort();
