/**
 * The gold of a product as a table that BI tools query: `<product>_gold` in the source's database, its partitions at
 * the folders that the published manifest names.
 *
 * Delivery guarantee: follows the manifest within the same run, or the next one when that dies: a document tells which
 * partitions are registered where, and is unsettled from before the first ALTER until after the last. A query may see
 * some partitions before and some after a change; each partition is seen whole.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import {
  type CataloguedTable,
  goldTableKey,
  type GoldYear,
  type LakePage,
  lakePageName,
  type Manifest,
  manifestKey,
  pageKey,
} from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import {
  addPartitionsSql,
  createDatabaseSql,
  dropPartitionsSql,
  dropTableSql,
  setLocationSql,
} from "../../src/sql/catalogue.ts";
import { createGoldTableSql, goldTable } from "../../src/sql/gold-table.ts";
import { chunksOf } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import { runStatements } from "./statement.ts";

type GoldTableDeps = Pick<RefreshDeps, "control" | "warehouse" | "lake">;

/** ALTERs that run at a time: Athena queues DDL apart from queries, with a small quota. */
const parallelAlters = 8;

/** Makes the table show what `manifest` names, unless it does already; a newer manifest that came meanwhile wins. */
export async function registerGold(product: Product, manifest: Manifest, deps: GoldTableDeps): Promise<void> {
  const late: Late = new Map();
  for (let wanted = manifest; ; ) {
    const years = await deps.control.list<GoldYear>(goldTableKey(product, "").pk);
    const remade = await ensureTable(product, years.filter(isYear), deps);
    const names = new Set([...years.filter(isYear).map(({ sk }) => sk), ...yearsOf(wanted)]);
    let overtaken = false;
    for (const year of [...names].sort()) {
      const known = years.find(({ sk }) => sk === year) ?? null;
      if (!(await registerYear(product, wanted, year, known, remade, late, deps))) overtaken = true;
    }
    if (!overtaken) return;
    const current = await deps.control.get<Manifest>(manifestKey(product));
    if (current !== null) wanted = current.value;
  }
}

/** By year what ALTERs of this run may have registered after another run's: whatever the document says by now. */
type Late = Map<string, GoldYear["folders"]>;

const tableDocument = "table";
const isYear = ({ sk }: { readonly sk: string }): boolean => sk !== tableDocument;

function yearsOf({ pages }: Manifest): string[] {
  const prefix = lakePageName("");
  return Object.keys(pages).flatMap((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : []));
}

/** Makes the table when its columns were declared anew; its partitions are then to be registered again: resolves to true. */
async function ensureTable(
  product: Product,
  years: readonly (Versioned<GoldYear> & { readonly sk: string })[],
  { control, warehouse, lake }: GoldTableDeps,
): Promise<boolean> {
  const key = goldTableKey(product, tableDocument);
  const table = goldTable(product);
  const ddl = [createDatabaseSql(table), createGoldTableSql(product, lake.url(`gold/${product.name}/`))];
  const known = await control.get<CataloguedTable>(key);
  if (JSON.stringify(known?.value.ddl) === JSON.stringify(ddl)) return false;
  for (const { sk, value } of years)
    await control.put(goldTableKey(product, sk), { ...value, settled: false } satisfies GoldYear, "any");
  await runStatements(product.source, [...(known === null ? [] : [dropTableSql(table)]), ...ddl], warehouse);
  await control.put(key, { ddl } satisfies CataloguedTable, "any");
  return true;
}

/** Resolves to false when another run has registered the year meanwhile. */
async function registerYear(
  product: Product,
  { pages }: Manifest,
  year: string,
  known: Versioned<GoldYear> | null,
  remade: boolean,
  late: Late,
  deps: GoldTableDeps,
): Promise<boolean> {
  const page = pages[lakePageName(year)] ?? null;
  const before = stateOf(known, late.get(year));
  if (before.settled && !remade && before.page === page) return true;
  const wanted = await foldersOf(product, year, page, deps.control);
  const registered = remade ? {} : before.settled ? before.folders : null;
  const moved = Object.keys(wanted).filter((value) => registered?.[value] !== wanted[value]);
  const gone = Object.keys(before.folders).filter((value) => wanted[value] === undefined);
  const key = goldTableKey(product, year);
  const intent: GoldYear = { page: null, folders: { ...before.folders, ...wanted }, settled: false };
  // a table made anew has put every year's document itself
  const revision = await deps.control.put(key, intent, remade ? "any" : (known?.revision ?? null));
  if (revision === null) return false;
  late.set(year, intent.folders);
  try {
    await alter(product, wanted, moved, remade ? [] : gone, registered, deps);
  } catch (error) {
    // what another run has dropped or added meanwhile cannot be altered as it was
    if ((await deps.control.get<GoldYear>(key))?.revision !== revision) return false;
    throw error;
  }
  const done: GoldYear = { page, folders: wanted, settled: true };
  if ((await deps.control.put(key, done, revision)) === null) return false;
  late.delete(year);
  return true;
}

function stateOf(known: Versioned<GoldYear> | null, late: GoldYear["folders"] | undefined): GoldYear {
  const recorded = known?.value ?? { page: null, folders: {}, settled: true };
  return late === undefined
    ? recorded
    : { page: null, folders: { ...recorded.folders, ...late }, settled: false };
}

async function foldersOf(
  product: Product,
  year: string,
  edition: string | null,
  control: ControlStore,
): Promise<Record<string, string>> {
  if (edition === null) return {};
  const page = await control.get<LakePage>(pageKey(product, lakePageName(year), edition));
  const filled = Object.entries(page?.value ?? {}).flatMap(([value, { gold }]) =>
    gold === null ? [] : [[value, gold] as const],
  );
  return Object.fromEntries(filled);
}

/** `registered` is null where the catalogue may show anything. */
async function alter(
  product: Product,
  wanted: Readonly<Record<string, string>>,
  moved: readonly string[],
  gone: readonly string[],
  registered: Readonly<Record<string, string>> | null,
  { warehouse, lake }: GoldTableDeps,
): Promise<void> {
  const table = goldTable(product);
  const placements = moved.map((value) => ({ value, location: lake.url(wanted[value]!) }));
  const unknown = placements.filter(({ value }) => registered?.[value] === undefined);
  const elsewhere = placements.filter(({ value }) => registered === null || registered[value] !== undefined);
  await runStatements(product.source, dropPartitionsSql(table, gone), warehouse);
  await runStatements(product.source, addPartitionsSql(table, unknown), warehouse);
  for (const some of chunksOf(elsewhere, parallelAlters))
    await Promise.all(
      some.map((placement) => runStatements(product.source, [setLocationSql(table, placement)], warehouse)),
    );
}
