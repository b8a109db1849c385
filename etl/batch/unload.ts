/**
 * Changed partitions counted by Athena into the gold zone.
 *
 * Delivery guarantee: writes only below folders of this edition, which nothing points to before the edition is
 * published; after a crash they are left behind, unread.
 */
import type { Product } from "../../src/model/product.ts";
import type { Instant } from "../../src/model/time.ts";
import { maxUnloadPartitions, unloadGoldSql } from "../../src/sql/unload.ts";
import type { Changes } from "./changed.ts";
import { chunksOf } from "./chunks.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { type PartitionFiles, partitionOf } from "./partitions.ts";
import { runStatement } from "./statement.ts";

export interface Unloaded {
  /** The changed partitions that begin before the coverage ends. */
  readonly partitions: readonly PartitionFiles[];
  /** By partition the folder of its gold; no entry for a partition without events. */
  readonly gold: ReadonlyMap<string, string>;
  readonly bytesScanned: number;
}

export async function unload(
  product: Product,
  edition: string,
  { changed }: Changes,
  until: Instant,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Unloaded> {
  const partitions = changed.filter(({ range }) => range.from < until);
  const gold = new Map<string, string>();
  let bytesScanned = 0;
  let done = 0;
  for (const [i, some] of chunksOf(partitions, maxUnloadPartitions).entries()) {
    deps.progress({ stage: "unload", done, total: partitions.length, unit: "partitions" });
    const folder = `gold/${product.name}/${edition}/${i}/`;
    const values = some.map(({ value }) => value);
    const sql = unloadGoldSql(product, { partitions: values, target: deps.lake.url(folder) }, until);
    bytesScanned += (await runStatement(product.source, sql, deps.warehouse, options)).bytesScanned;
    await collect(deps, folder, gold);
    done += some.length;
  }
  deps.progress({ stage: "unload", done, total: partitions.length, unit: "partitions" });
  return { partitions, gold, bytesScanned };
}

async function collect({ lake }: RefreshDeps, folder: string, gold: Map<string, string>): Promise<void> {
  for await (const { key } of lake.list(folder))
    gold.set(partitionOf(key), key.slice(0, key.lastIndexOf("/") + 1));
}
