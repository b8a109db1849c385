/**
 * The declared expectations of a product, on the gold that a refresh has counted. Reads only.
 *
 * Most buckets lie in one lake partition and are looked at with the rest of its gold. A month that is made of daily
 * partitions is looked at once it is complete, with the gold of all its days.
 */
import type { Gold, GoldRule, Violation } from "../../src/backends/gold.ts";
import type { LakePartition } from "../../src/model/control.ts";
import { type Expectation, expectationText } from "../../src/model/expectation.ts";
import { partitionRange, spansPartitions } from "../../src/model/gold.ts";
import type { DimensionKey } from "../../src/model/layout.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { floorTo, formatInstant, type Instant, nextBucket } from "../../src/model/time.ts";
import { maxUnloadPartitions } from "../../src/sql/unload.ts";
import type { Changes } from "./changed.ts";
import { chunksOf, groupedBy } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";
import type { Findings } from "./findings.ts";
import type { PartitionFiles } from "./partitions.ts";
import { type Published, totalRows } from "./published.ts";

/** Looks at the buckets that lie in one partition each, and at the numbers and keys of all others as far as they have come. */
export async function checkBuckets(
  product: Product,
  gold: Gold,
  until: Instant,
  findings: Findings,
): Promise<void> {
  const shared = product.rollups.filter((rollup) => spansPartitions(product, rollup));
  const own = product.rollups.filter((rollup) => !shared.includes(rollup));
  report(product, await gold.violations(rulesOf(product), own, until), findings);
  report(product, await gold.violations([{ kind: "representable" }], shared, until), findings);
}

/** Looks at the buckets that several partitions share, where one of these has changed or the bucket has ended since. */
export async function checkSharedBuckets(
  product: Product,
  published: Published,
  changes: Changes,
  lake: ReadonlyMap<string, LakePartition>,
  until: Instant,
  { gold: reader }: RefreshDeps,
  findings: Findings,
): Promise<void> {
  const rollups = product.rollups.filter((rollup) => spansPartitions(product, rollup));
  if (rollups.length === 0) return;
  for (const folders of sharedFolders(product, rollups[0]!, published, changes, lake, until)) {
    const gold = await reader.open(product, folders);
    try {
      report(product, await gold.violations(rulesOf(product), rollups, until), findings);
    } finally {
      await gold.close();
    }
  }
}

/** Of one chunk after another: no more folders than one UNLOAD writes, whole buckets together. */
function sharedFolders(
  product: Product,
  { finest }: Rollup,
  published: Published,
  { changed, vanished }: Changes,
  lake: ReadonlyMap<string, LakePartition>,
  until: Instant,
): string[][] {
  const { grain } = product.source.partition;
  const bucketOf = (value: string): Instant => floorTo(partitionRange(value, grain)!.from, finest);
  const touched = new Set([...changed.map(({ value }) => value), ...vanished].map(bucketOf));
  const before = published.usable ? (published.until ?? -Infinity) : -Infinity;
  const isDue = (bucket: Instant): boolean => {
    const end = nextBucket(bucket, finest);
    return end <= until && (touched.has(bucket) || end > before);
  };
  const byBucket = groupedBy([...lake], ([value]) => bucketOf(value));
  const due = [...byBucket].filter(([bucket]) => isDue(bucket)).map(([, partitions]) => partitions);
  const most = Math.max(1, Math.floor(maxUnloadPartitions / Math.max(...due.map(({ length }) => length))));
  return chunksOf(due, most).map((some) => some.flat().flatMap(([, { gold }]) => gold ?? []));
}

/** Events of the edition, and of each partition that was counted. A partition that is still being filled may have too few. */
export function checkRowCounts(
  product: Product,
  counted: readonly PartitionFiles[],
  lake: ReadonlyMap<string, LakePartition>,
  until: Instant,
  findings: Findings,
): void {
  for (const expectation of product.expectations) {
    if (expectation.kind !== "rowCount") continue;
    const { per, min, max } = expectation;
    const whole = { name: "the edition", rows: totalRows(lake), ended: true };
    const parts = counted.map(({ value, range }) => ({
      name: `partition ${value}`,
      rows: lake.get(value)?.rows ?? 0,
      ended: range.to <= until,
    }));
    for (const { name, rows, ended } of per === "edition" ? [whole] : parts)
      if ((min !== null && rows < min && ended) || (max !== null && rows > max))
        findings.add({
          ...broken(expectation),
          count: 1,
          unit: "partitions",
          examples: [`${name} counts ${rows} events`],
        });
  }
}

function rulesOf({ expectations }: Product): GoldRule[] {
  return [
    { kind: "representable" },
    ...expectations.flatMap((each) => (each.kind === "rowCount" ? [] : [each])),
  ];
}

function report(product: Product, violations: readonly Violation[], findings: Findings): void {
  for (const { rule, rollup, buckets, examples } of violations)
    findings.add({
      ...(rule.kind === "representable" ? unrepresentable : broken(rule)),
      count: buckets,
      unit: "buckets",
      examples: examples.map(({ bucket, key, values }) => {
        const shown = Object.entries(values).map(([name, value]) => `${name} is ${value}`);
        const where = [`rollup "${rollup.name}"`, ...keyTexts(product, rollup, key), formatInstant(bucket)];
        return [where.join(", "), ...(shown.length === 0 ? [] : [shown.join(", ")])].join(": ");
      }),
    });
}

/** `country "DE"` of each dimension. */
function keyTexts({ dimensions }: Product, rollup: Rollup, key: DimensionKey): string[] {
  return rollup.dimensions.map((property, i) => {
    const { type } = dimensions.find((dimension) => dimension.property === property)!;
    const value = key[i] ?? null;
    return `${property} ${type === "datetime" && value !== null ? formatInstant(value as Instant) : JSON.stringify(value)}`;
  });
}

const unrepresentable = {
  rule: "Numbers that are served, in keys too, are finite, integers at most 2^53, and no count or sum is null.",
  wayOut: "Mend the values in the lake, or declare the column as a Float.",
};

function broken(expectation: Expectation): { rule: string; wayOut: string } {
  const { description } = expectation;
  return {
    rule: `${expectationText(expectation)} does not hold${description === null ? "." : `: ${description}`}`,
    wayOut: "Mend the lake and refresh again, or declare what is to be expected.",
  };
}
