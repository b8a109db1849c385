/**
 * The gold of changed partitions is held against the source before anything is loaded: every rollup counts every event
 * once, and where the source has events there is gold.
 *
 * Delivery guarantee: reads only; a failure publishes nothing.
 */
import type { GoldTotal } from "../../src/backends/gold.ts";
import type { LakePartition } from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import { finestGrain, sourceRollup } from "../../src/model/gold.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { floorTo, formatInstant, type Instant } from "../../src/model/time.ts";
import { countSql, maxUnloadPartitions } from "../../src/sql/unload.ts";
import type { Changes } from "./changed.ts";
import { chunksOf, groupedBy } from "./chunks.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { type PartitionFiles, partitionOf } from "./partitions.ts";
import type { Published } from "./published.ts";
import { runStatement } from "./statement.ts";
import type { Unloaded } from "./unload.ts";

export interface Audited {
  /** The whole lake as this edition serves it, by partition. */
  readonly lake: ReadonlyMap<string, LakePartition>;
  readonly bytesScanned: number;
}

/** Rejects `REFRESH`, naming the numbers that disagree. */
export async function audit(
  product: Product,
  published: Published,
  changes: Changes,
  unloaded: Unloaded,
  until: Instant,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Audited> {
  const lake = new Map(published.lake);
  for (const value of changes.vanished) lake.delete(value);
  for (const { value, fingerprint } of changes.changed)
    lake.set(value, { fingerprint, gold: null, rows: 0, newest: null });
  let done = 0;
  for (const some of chunksOf(unloaded.partitions, maxUnloadPartitions)) {
    for (const [value, checked] of await checkPartitions(product, some, unloaded.gold, deps))
      lake.set(value, checked);
    done += some.length;
    deps.progress({ stage: "audit", done, total: unloaded.partitions.length, unit: "partitions" });
  }
  const bytesScanned = await checkSilent(product, unloaded, until, deps, options);
  checkNotEmpty(product, published, lake);
  return { lake, bytesScanned };
}

async function checkPartitions(
  product: Product,
  partitions: readonly PartitionFiles[],
  gold: Unloaded["gold"],
  deps: RefreshDeps,
): Promise<[string, LakePartition][]> {
  const folders = partitions.flatMap(({ value }) => gold.get(value) ?? []);
  const opened = await deps.gold.open(product, folders);
  try {
    const totals = groupedBy(await opened.totals(), ({ object }) => partitionOf(object));
    return partitions.map((partition) => {
      const found = totals.get(partition.value) ?? [];
      checkTotals(product, partition, found);
      const { value, fingerprint } = partition;
      return [
        value,
        {
          fingerprint,
          gold: gold.get(value) ?? null,
          rows: eventsIn(found, sourceRollup),
          newest: newestIn(product, found),
        },
      ];
    });
  } finally {
    await opened.close();
  }
}

function checkTotals(product: Product, partition: PartitionFiles, totals: readonly GoldTotal[]): void {
  const events = eventsIn(totals, sourceRollup);
  for (const rollup of product.rollups) {
    const counted = eventsIn(totals, rollup.name);
    if (counted !== events)
      throw failure(
        product,
        `every rollup counts every event once, but partition ${partition.value} holds ${events} events and rollup "${rollup.name}" counts ${counted}. Refresh again; if it stays, a dimension or time of the source is not what the declaration says`,
      );
    checkTimes(product, partition, rollup, totals);
  }
}

/** Questions prune partitions by time, so an event in another time's partition would be found by some and not by others. */
function checkTimes(
  product: Product,
  { value, range }: PartitionFiles,
  rollup: Rollup,
  totals: readonly GoldTotal[],
): void {
  const strays = totals
    .filter((total) => total.rollup === rollup.name)
    .flatMap(({ first, last }) => [first, last])
    .filter((at) => at !== null)
    .filter((at) => at < floorTo(range.from, rollup.finest) || at >= range.to);
  if (strays.length > 0)
    throw failure(
      product,
      `a lake partition holds the events of its own time, but ${product.source.partition.column}=${value} holds events of ${formatInstant(strays[0]!)}. Write them to their own partition`,
    );
}

function eventsIn(totals: readonly GoldTotal[], rollup: string): number {
  return totals.reduce((sum, total) => (total.rollup === rollup ? sum + total.events : sum), 0);
}

/** The start of the newest bucket at the product's finest grain. */
function newestIn(product: Product, totals: readonly GoldTotal[]): Instant | null {
  const finest = finestGrain(product);
  const names = product.rollups.filter((rollup) => rollup.finest === finest).map(({ name }) => name);
  const newest = totals.filter(({ rollup }) => names.includes(rollup)).flatMap(({ last }) => last ?? []);
  return newest.length === 0 ? null : Math.max(...newest);
}

/** Partitions without gold are rare, and counted once more: an UNLOAD that lost them would not say so. */
async function checkSilent(
  product: Product,
  { partitions, gold }: Unloaded,
  until: Instant,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<number> {
  const silent = partitions.map(({ value }) => value).filter((value) => !gold.has(value));
  let bytesScanned = 0;
  for (const some of chunksOf(silent, maxUnloadPartitions)) {
    const sql = countSql(product.source, some, until);
    const result = await runStatement(product.source, sql, deps.warehouse, options);
    bytesScanned += result.bytesScanned;
    const lost = result.rows.find(([, events]) => Number(events) > 0);
    if (lost !== undefined)
      throw failure(
        product,
        `where the source has events there is gold, but partition ${lost[0]} holds ${lost[1]} events and the UNLOAD wrote none of them. Refresh again`,
      );
  }
  return bytesScanned;
}

function checkNotEmpty(
  product: Product,
  { lake: before }: Published,
  lake: ReadonlyMap<string, LakePartition>,
): void {
  const had = totalRows(before);
  if (had > 0 && totalRows(lake) === 0)
    throw failure(
      product,
      `an edition with events is not replaced by an empty one, but the lake of "${product.source.database}.${product.source.table}" holds none now and held ${had}. Put its files back, or refresh with --full if it is meant to be empty`,
    );
}

/** Events in all partitions. */
export function totalRows(lake: ReadonlyMap<string, LakePartition>): number {
  return [...lake.values()].reduce((sum, { rows }) => sum + rows, 0);
}

function failure(product: Product, what: string): SluiceError {
  return new SluiceError("REFRESH", `The audit of "${product.name}" failed: ${what}. Nothing was published.`);
}
