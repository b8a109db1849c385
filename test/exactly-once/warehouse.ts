/** Athena in memory: a catalogue that follows the refresh's DDL, and UNLOADs over the files where the catalogue says. */
import { parquetReadObjects } from "hyparquet";
import { groupedBy } from "../../etl/batch/chunks.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";
import { matcher } from "../../src/model/filter.ts";
import { emptyState, mergeState, type State } from "../../src/model/fold.ts";
import { sourceRollup } from "../../src/model/gold.ts";
import type { Product } from "../../src/model/product.ts";
import { floorTo } from "../../src/model/time.ts";
import type { Catalogue } from "../batch/memory-world.ts";
import { ddl, type GoldRow, tableIn, untilIn, valuesIn } from "../batch/memory-warehouse.ts";
import type { Visit } from "./oracle.ts";

export interface WarehouseOptions {
  readonly objects: Map<string, Uint8Array>;
  readonly catalogue: Catalogue;
  readonly products: readonly Product[];
}

const lakeRoot = "s3://lake/";

export function memoryWarehouse(options: WarehouseOptions): Warehouse {
  return {
    run: async ({ sql }) => ({
      queryId: "q",
      rows: await execute(options, sql),
      bytesScanned: 1,
      engineMs: 1,
    }),
  };
}

/** All rows of a partition as the catalogue shows it; of the helper table those of all its parts. */
export async function rowsIn(
  { catalogue, objects }: Pick<WarehouseOptions, "catalogue" | "objects">,
  table: string,
  value: string,
): Promise<readonly Visit[]> {
  const locations = [...(catalogue.get(table) ?? [])].filter(([name]) => name.split(" ")[0] === value);
  const files = [...objects].filter(([key]) =>
    locations.some(([, location]) => lakeRoot + key.slice(0, key.lastIndexOf("/") + 1) === location),
  );
  return (await Promise.all(files.map(([, bytes]) => decoded(bytes)))).flat();
}

const known = new WeakMap<Uint8Array, Promise<readonly Visit[]>>();

export function decoded(bytes: Uint8Array): Promise<readonly Visit[]> {
  const rows = known.get(bytes) ?? decode(bytes);
  known.set(bytes, rows);
  return rows;
}

async function decode(bytes: Uint8Array): Promise<readonly Visit[]> {
  if (bytes[0] !== parquetMark) return JSON.parse(Buffer.from(bytes).toString()) as Visit[];
  const buffer = new Uint8Array(bytes).buffer;
  const file = {
    byteLength: buffer.byteLength,
    slice: (start: number, end?: number) => buffer.slice(start, end),
  };
  const rows = (await parquetReadObjects({ file })) as Record<string, unknown>[];
  return rows.map(({ at, id, shop, amount, member }) => ({
    at: Number(at),
    id: Number(id),
    shop: shop as string | null,
    amount: amount === null ? null : Number(amount),
    member: member as boolean,
  }));
}

const parquetMark = "P".charCodeAt(0);

async function execute(options: WarehouseOptions, sql: string): Promise<string[][]> {
  const target = /\nTO '([^']+)'/.exec(sql)?.[1];
  if (target !== undefined) await unload(options, sql, target.slice(lakeRoot.length));
  else if (sql.startsWith("SELECT")) return counts(options, sql);
  else ddl(options.catalogue, sql);
  return [];
}

/** Files are read as they are when the statement starts. */
async function unload(options: WarehouseOptions, sql: string, target: string): Promise<void> {
  const table = tableIn(sql);
  const isGold = sql.includes("GROUPING SETS");
  const product = options.products.find(({ name }) => target.startsWith(`gold/${name}/`))!;
  const partitions = await Promise.all(
    valuesIn(sql).map(async (value) => ({ value, rows: await rowsIn(options, table, value) })),
  );
  for (const { value, rows } of partitions) {
    const written = isGold
      ? goldOf(
          product,
          rows.filter(({ at }) => at < untilIn(sql)),
        )
      : rows;
    if (written.length > 0)
      options.objects.set(`${target}day=${value}/data`, Buffer.from(JSON.stringify(written)));
  }
}

function counts(options: WarehouseOptions, sql: string): Promise<string[][]> {
  return Promise.all(
    valuesIn(sql).map(async (value) => {
      const rows = await rowsIn(options, tableIn(sql), value);
      return [value, String(rows.filter(({ at }) => at < untilIn(sql)).length)];
    }),
  );
}

function goldOf(product: Product, rows: readonly Visit[]): GoldRow[] {
  const keyed = rows.flatMap((visit) => [
    { id: JSON.stringify([sourceRollup, null, []]), visit },
    ...product.rollups.map(({ name, dimensions, finest }) => ({
      id: JSON.stringify([name, floorTo(visit.at, finest), dimensions.map((each) => visit[each as "shop"])]),
      visit,
    })),
  ]);
  return [...groupedBy(keyed, ({ id }) => id)].map(([id, found]) => {
    const state: State = emptyState(product.components);
    for (const { visit } of found) mergeState(product.components, state, stateOf(product, visit));
    return [...(JSON.parse(id) as [string, number | null, string[]]), state];
  });
}

function stateOf({ components }: Product, visit: Visit): State {
  return components.map(({ aggregate }) => {
    if (aggregate.kind === "count") return 1;
    if (aggregate.kind === "countIf") return matcher(aggregate.where)({ ...visit }) ? 1 : 0;
    if (!("column" in aggregate)) throw new TypeError(`No product of visits has a ${aggregate.kind}.`);
    const value = visit[aggregate.column as "amount"];
    return aggregate.kind === "countOf" ? Number(value !== null) : value;
  });
}
