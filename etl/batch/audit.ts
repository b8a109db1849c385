/**
 * What a refresh has counted is held against the source and against what the product declares, before anything is
 * loaded: every rollup totals what the source totals, where the source has events there is gold, and the declared
 * expectations hold. Everything that is wrong is told together.
 *
 * Delivery guarantee: reads only; a failure publishes nothing.
 */
import type { LakePartition } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { Instant } from "../../src/model/time.ts";
import { countSql, maxUnloadPartitions } from "../../src/sql/unload.ts";
import type { Changes } from "./changed.ts";
import { chunksOf, groupedBy } from "./chunks.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { checkBuckets, checkRowCounts, checkSharedBuckets } from "./expectations.ts";
import { Findings } from "./findings.ts";
import { type PartitionFiles, partitionOf } from "./partitions.ts";
import { type Published, totalRows } from "./published.ts";
import { runStatement } from "./statement.ts";
import { checkTotals, eventsIn, newestIn } from "./totals.ts";
import type { Unloaded } from "./unload.ts";

export interface Audited {
  /** The whole lake as this edition serves it, by partition. */
  readonly lake: ReadonlyMap<string, LakePartition>;
  readonly bytesScanned: number;
}

/** Rejects `REFRESH` with all rules that are broken, and the numbers that break them. */
export async function audit(
  product: Product,
  published: Published,
  changes: Changes,
  unloaded: Unloaded,
  until: Instant,
  deps: RefreshDeps,
  options: RefreshOptions,
): Promise<Audited> {
  const findings = new Findings();
  const lake = lakeBefore(published, changes);
  await checkPartitions(product, unloaded, lake, until, deps, findings);
  const bytesScanned = await checkSilent(product, unloaded, until, deps, options, findings);
  checkNotEmpty(product, published, lake, findings);
  await checkSharedBuckets(product, published, changes, lake, until, deps, findings);
  checkRowCounts(product, unloaded.partitions, lake, until, findings);
  findings.throwIfAny(product, published.manifest?.edition ?? null);
  return { lake, bytesScanned };
}

/** As it was published, without what has vanished; what has changed counts nothing yet. */
function lakeBefore(published: Published, { changed, vanished }: Changes): Map<string, LakePartition> {
  const lake = new Map(published.lake);
  for (const value of vanished) lake.delete(value);
  for (const { value, fingerprint, bytes } of changed)
    lake.set(value, { fingerprint, gold: null, rows: 0, bytes, newest: null });
  return lake;
}

/** Enters into the lake what its gold says. */
async function checkPartitions(
  product: Product,
  { partitions, gold }: Unloaded,
  lake: Map<string, LakePartition>,
  until: Instant,
  deps: RefreshDeps,
  findings: Findings,
): Promise<void> {
  let done = 0;
  let rows = 0;
  const report = () =>
    deps.progress({ stage: "audit", done, total: partitions.length, unit: "partitions", rows });
  report();
  for (const some of chunksOf(partitions, maxUnloadPartitions)) {
    for (const [value, checked] of await checkChunk(product, some, gold, until, deps, findings)) {
      lake.set(value, checked);
      rows += checked.rows;
    }
    done += some.length;
    report();
  }
}

async function checkChunk(
  product: Product,
  partitions: readonly PartitionFiles[],
  gold: Unloaded["gold"],
  until: Instant,
  deps: RefreshDeps,
  findings: Findings,
): Promise<[string, LakePartition][]> {
  const folders = partitions.flatMap(({ value }) => gold.get(value) ?? []);
  const opened = await deps.gold.open(product, folders);
  try {
    const totals = groupedBy(await opened.totals(), ({ object }) => partitionOf(object));
    await checkBuckets(product, opened, until, findings);
    return partitions.map((partition) => {
      const { value, fingerprint, bytes } = partition;
      const found = totals.get(value) ?? [];
      checkTotals(product, partition, found, findings);
      const rows = eventsIn(product, found);
      const newest = newestIn(product, found);
      return [value, { fingerprint, gold: gold.get(value) ?? null, rows, bytes, newest }];
    });
  } finally {
    await opened.close();
  }
}

/** Partitions without gold are rare, and counted once more: an UNLOAD that lost them would not say so. */
async function checkSilent(
  product: Product,
  { partitions, gold }: Unloaded,
  until: Instant,
  deps: RefreshDeps,
  options: RefreshOptions,
  findings: Findings,
): Promise<number> {
  const silent = partitions.map(({ value }) => value).filter((value) => !gold.has(value));
  let bytesScanned = 0;
  for (const some of chunksOf(silent, maxUnloadPartitions)) {
    const sql = countSql(product.source, some, until);
    const result = await runStatement(product.source, sql, deps.warehouse, options);
    bytesScanned += result.bytesScanned;
    for (const [value, events] of result.rows.filter(([, counted]) => Number(counted) > 0))
      findings.add({
        rule: "Where the source has events there is gold.",
        count: 1,
        unit: "partitions",
        examples: [`partition ${value} holds ${events} events and the UNLOAD wrote none of them`],
        wayOut: "Refresh again.",
      });
  }
  return bytesScanned;
}

/** A live product may start with an empty lake: its events are still to come. Nothing else goes live empty. */
function checkNotEmpty(
  { source }: Product,
  { manifest }: Published,
  lake: ReadonlyMap<string, LakePartition>,
  findings: Findings,
): void {
  const refused = manifest === null ? source.stream === null : manifest.newest !== null;
  if (totalRows(lake) > 0 || !refused) return;
  findings.add({
    rule: "An empty edition never goes live: one with events is not replaced by an empty one.",
    count: 1,
    unit: "editions",
    examples: [`the lake of "${source.database}.${source.table}" holds no events`],
    wayOut: "Put its files there and refresh again.",
  });
}
