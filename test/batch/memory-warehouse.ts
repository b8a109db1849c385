/**
 * A warehouse over the lake in memory: a catalogue that follows the refresh's DDL, and UNLOADs that read the files where
 * the catalogue says and write gold as JSON; and a reader of that gold. Files hold rows `[at, shop, events, amount]`.
 */
import { groupedBy } from "../../etl/batch/chunks.ts";
import type { Gold, GoldReader, GoldTotal } from "../../src/backends/gold.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";
import { emptyState, mergeState, type State } from "../../src/model/fold.ts";
import { sourceRollup } from "../../src/model/gold.ts";
import { packBuckets } from "../../src/model/layout.ts";
import { declaredProducts, type Product } from "../../src/model/product.ts";
import { bucketIndex, floorTo, type Instant, type StoredGrain } from "../../src/model/time.ts";
import { type Catalogue, type Life, lakeRoot, type World } from "./memory-world.ts";

/** So many events at that time in that shop, each of that amount. */
export type Sale = readonly [at: Instant, shop: string, events: number, amount: number];

/** A row of gold: rollup, bucket of its finest grain, key, state. */
export type GoldRow = readonly [string, Instant | null, readonly (string | number)[], State];

/** Starting a statement and asking for its end are calls: a statement that was started runs, whoever waits for it. */
export function catalogueWarehouse(world: World, life: Life): Warehouse {
  return {
    run: async ({ sql }) => {
      const rows = await life.write(() => execute(world, sql));
      await life.read(() => {});
      return { queryId: "q", rows, bytesScanned: 1, engineMs: 1 };
    },
  };
}

function execute(world: World, sql: string): string[][] {
  const target = /\nTO '([^']+)'/.exec(sql)?.[1];
  if (target !== undefined) unload(world, sql, target);
  else if (sql.startsWith("SELECT")) {
    const rowsOf = scanner(world, tableIn(sql));
    return valuesIn(sql).map((value) => [value, String(eventsBefore(rowsOf(value), untilIn(sql)))]);
  } else ddl(world.catalogue, sql);
  return [];
}

function unload(world: World, sql: string, target: string): void {
  const rowsOf = scanner(world, tableIn(sql));
  const write = (value: string, rows: readonly object[]) => {
    if (rows.length > 0)
      world.lake.set(`${target.slice(lakeRoot.length)}day=${value}/data`, JSON.stringify(rows));
  };
  if (!sql.includes("GROUPING SETS")) return valuesIn(sql).forEach((value) => write(value, rowsOf(value)));
  const name = /\/gold\/(\w+)\//.exec(target)![1]!;
  const product = declaredProducts().find((declared) => declared.name === name)!;
  for (const value of valuesIn(sql))
    write(
      value,
      goldOf(
        product,
        rowsOf(value).filter(([at]) => at < untilIn(sql)),
      ),
    );
}

export function ddl(catalogue: Catalogue, sql: string): void {
  if (sql.startsWith("CREATE DATABASE")) return;
  const table = /`\w+`\.`\w+`/.exec(sql)![0].replaceAll("`", "");
  if (sql.startsWith("CREATE")) return void (catalogue.has(table) || catalogue.set(table, new Map()));
  if (sql.startsWith("DROP TABLE")) return void catalogue.delete(table);
  const partitions = catalogue.get(table);
  if (partitions === undefined) throw new Error(`Table ${table} does not exist.`);
  const nameOf = (text: string) => [...text.matchAll(/'([^']+)'/g)].map(([, value]) => value).join(" ");
  for (const [, spec, location] of sql.matchAll(/PARTITION \(([^)]+)\)(?: (?:SET )?LOCATION '([^']+)')?/g)) {
    const name = nameOf(spec!);
    if (sql.includes("DROP IF EXISTS")) partitions.delete(name);
    else if (sql.includes("SET LOCATION")) {
      if (!partitions.has(name)) throw new Error(`Partition ${name} of ${table} does not exist.`);
      partitions.set(name, location!);
    } else if (!partitions.has(name)) partitions.set(name, location!);
  }
}

export const tableIn = (sql: string): string => /FROM ("\w+"\."\w+")/.exec(sql)![1]!.replaceAll('"', "");
export const valuesIn = (sql: string): string[] =>
  [.../IN \(([^)]+)\)/.exec(sql)![1]!.matchAll(/'([^']+)'/g)].map(([, value]) => value!);
export const untilIn = (sql: string): Instant =>
  Date.parse(`${/TIMESTAMP '([^']+)'/.exec(sql)![1]!.replace(" ", "T")}Z`);

/** Reads all rows of a partition; of the helper table those of all its parts. */
function scanner({ catalogue, lake }: World, table: string): (value: string) => Sale[] {
  const byFolder = groupedBy([...lake.keys()], (key) => lakeRoot + key.slice(0, key.lastIndexOf("/") + 1));
  const locations = groupedBy([...catalogue.get(table)!], ([name]) => name.split(" ")[0]!);
  return (value) => {
    const files = (locations.get(value) ?? []).flatMap(([, location]) => byFolder.get(location) ?? []);
    return files.flatMap((key) => JSON.parse(lake.get(key)!) as Sale[]);
  };
}

function eventsBefore(rows: readonly Sale[], until: Instant): number {
  return rows.reduce((sum, [at, , events]) => (at < until ? sum + events : sum), 0);
}

function goldOf(product: Product, rows: readonly Sale[]): GoldRow[] {
  if (rows.length === 0) return [];
  const states = new Map<string, State>();
  const add = (rollup: string, bucket: Instant | null, key: readonly (string | number)[], sale: Sale) => {
    const id = JSON.stringify([rollup, bucket, key]);
    const state = states.get(id) ?? emptyState(product.components);
    mergeState(product.components, state, stateOf(product, sale));
    states.set(id, state);
  };
  for (const sale of rows) {
    add(sourceRollup, null, [], sale);
    for (const { name, dimensions, finest } of product.rollups)
      add(
        name,
        floorTo(sale[0], finest),
        dimensions.map((each) => valueOf(sale, each)),
        sale,
      );
  }
  return [...states].map(([id, state]) => [...(JSON.parse(id) as [string, Instant | null, string[]]), state]);
}

const valueOf = ([, shop, , amount]: Sale, dimension: string) => (dimension === "shop" ? shop : amount);

function stateOf({ components }: Product, [, , events, amount]: Sale): State {
  return components.map(({ aggregate }) => {
    if (aggregate.kind === "count") return events;
    return aggregate.kind === "sum" ? events * amount : amount;
  });
}

/** Gold is read when it is opened: what is swept afterwards does not matter to whoever has it open. */
export function jsonGold(lake: Lake): Pick<GoldReader, "open"> {
  return {
    open: async (product, folders) => {
      const objects = new Map<string, GoldRow[]>();
      for (const folder of folders)
        for await (const { key } of lake.list(folder))
          objects.set(key, JSON.parse(Buffer.from(await lake.read(key)).toString()) as GoldRow[]);
      return opened(product, objects);
    },
  };
}

function opened(product: Product, objects: ReadonlyMap<string, readonly GoldRow[]>): Gold {
  const rows = [...objects.values()].flat();
  const inPeriods = (rollup: string, periods: readonly string[]) => {
    const length = periods[0]?.length ?? 0;
    const nameOf = (at: Instant) => new Date(at).toISOString().slice(0, length);
    return rows.flatMap(([name, at, key, state]) =>
      name === rollup && at !== null && periods.includes(nameOf(at))
        ? [{ id: JSON.stringify([key, nameOf(at)]), at, key, period: nameOf(at), state }]
        : [],
    );
  };
  return {
    assemble: async function* (rollup, grain, periods) {
      const segments = groupedBy(inPeriods(rollup.name, periods), ({ id }) => id);
      for (const found of segments.values()) {
        const { key, period } = found[0]!;
        yield { segments: [{ key, period, packed: packed(product, grain, found) }], leaderboards: [] };
      }
      if (rollup.top === null) return;
      // what is on a board does not matter here, only that it is written and swept
      for (const period of new Set(inPeriods(rollup.name, periods).map((row) => row.period)))
        yield { segments: [], leaderboards: [{ within: [], period, packed: "[]" }] };
    },
    totals: async () => [...objects].flatMap(([object, found]) => totalsOf(product, object, found)),
    violations: async () => [],
    keys: async function* (rollup, { dimensions }, periods) {
      const found = inPeriods(rollup, periods).map(({ key, period }) => ({
        key: dimensions.length === 0 ? [] : key,
        period,
      }));
      yield* new Map(found.map((each) => [JSON.stringify(each), each])).values();
    },
    close: () => Promise.resolve(),
  };
}

function packed(
  product: Product,
  grain: StoredGrain,
  rows: readonly { at: Instant; state: State }[],
): string {
  const buckets = new Map<number, State>();
  for (const { at, state } of rows) {
    const index = bucketIndex(at, grain);
    const bucket = buckets.get(index) ?? emptyState(product.components);
    mergeState(product.components, bucket, state);
    buckets.set(index, bucket);
  }
  return packBuckets(buckets, product.components.length);
}

/** All of it is whole numbers. */
function totalsOf(product: Product, object: string, rows: readonly GoldRow[]): GoldTotal[] {
  return [...groupedBy(rows, ([rollup]) => rollup)].map(([rollup, found]) => {
    const state = emptyState(product.components);
    for (const [, , , each] of found) mergeState(product.components, state, each);
    const times = found.flatMap(([, at]) => at ?? []);
    return {
      object,
      rollup,
      values: state.map((value) => (value === null ? null : BigInt(value))),
      magnitudes: state.map(() => 0),
      first: times.length === 0 ? null : Math.min(...times),
      last: times.length === 0 ? null : Math.max(...times),
    };
  });
}
