/** What every rollup of a partition totals, held against what the partition's source totals. Pure functions. */
import type { GoldTotal } from "../../src/backends/gold.ts";
import type { Component } from "../../src/model/expression.ts";
import { finestGrain, goldColumns, sourceRollup } from "../../src/model/gold.ts";
import type { Product, Rollup } from "../../src/model/product.ts";
import { floorTo, formatInstant, type Instant } from "../../src/model/time.ts";
import type { Findings } from "./findings.ts";
import type { PartitionFiles } from "./partitions.ts";

type Total = bigint | number | null;

/** Sums of doubles agree to this fraction of what was added up: their order is the engine's. */
const tolerance = 1e-9;

/** Reports rollups that total something else, that nobody declared, or that hold another partition's events. */
export function checkTotals(
  product: Product,
  partition: PartitionFiles,
  totals: readonly GoldTotal[],
  findings: Findings,
): void {
  const columns = goldColumns(product).components;
  const source = mergedTotals(product, totals, sourceRollup);
  const rollups = product.rollups.map((rollup) => ({
    rollup,
    merged: mergedTotals(product, totals, rollup.name),
  }));
  columns.forEach((column, i) => {
    const added = Math.max(...rollups.map(({ merged }) => merged.magnitudes[i]!));
    for (const { rollup, merged } of rollups)
      if (!agree(merged.values[i]!, source.values[i]!, added * tolerance))
        findings.add({
          rule: "Every rollup totals what its source totals, in every component.",
          count: 1,
          unit: "totals",
          examples: [
            `partition ${partition.value}, rollup "${rollup.name}": ${column} is ${merged.values[i]}, and ${source.values[i]} in the source`,
          ],
          wayOut:
            "Refresh again; if it stays, a dimension or time of the source is not what the declaration says.",
        });
  });
  checkNames(product, partition, totals, findings);
  for (const rollup of product.rollups) checkTimes(product, partition, rollup, totals, findings);
}

export function eventsIn(product: Product, totals: readonly GoldTotal[]): number {
  return Number(mergedTotals(product, totals, sourceRollup).values[0]);
}

/** The start of the newest bucket at the product's finest grain. */
export function newestIn(product: Product, totals: readonly GoldTotal[]): Instant | null {
  const finest = finestGrain(product);
  const names = product.rollups.filter((rollup) => rollup.finest === finest).map(({ name }) => name);
  const newest = totals.filter(({ rollup }) => names.includes(rollup)).flatMap(({ last }) => last ?? []);
  return newest.length === 0 ? null : Math.max(...newest);
}

/** Over all objects of the partition. */
function mergedTotals(
  { components }: Product,
  totals: readonly GoldTotal[],
  rollup: string,
): { values: readonly Total[]; magnitudes: readonly number[] } {
  const own = totals.filter((total) => total.rollup === rollup);
  return {
    values: components.map((component, i) =>
      own.reduce((merged: Total, { values }) => merge(component, merged, values[i]!), nothing(component)),
    ),
    magnitudes: components.map((_, i) => own.reduce((sum, { magnitudes }) => sum + magnitudes[i]!, 0)),
  };
}

const nothing = ({ merge: kind }: Component): Total => (kind === "add" ? 0 : null);

function merge({ merge: kind }: Component, a: Total, b: Total): Total {
  if (a === null || b === null) return a ?? b;
  if (kind === "add") return typeof b === "bigint" ? BigInt(a) + b : Number(a) + b;
  return a < b === (kind === "min") ? a : b;
}

/** What is not finite agrees with itself: another rule refuses it. Of nothing a sum is 0, whatever its type. */
function agree(a: Total, b: Total, within: number): boolean {
  if (a === null || b === null) return a === b;
  if (Object.is(a, b) || a == b) return true;
  if (typeof a === "bigint" || typeof b === "bigint") return false;
  return Math.abs(a - b) <= within;
}

function checkNames(
  product: Product,
  { value }: PartitionFiles,
  totals: readonly GoldTotal[],
  findings: Findings,
): void {
  const known = new Set([sourceRollup, ...product.rollups.map(({ name }) => name)]);
  const unknown = new Set(totals.map(({ rollup }) => rollup).filter((rollup) => !known.has(rollup)));
  for (const rollup of unknown)
    findings.add({
      rule: `Rows of gold are of rollups of the product: ${[...known].join(", ")}.`,
      count: 1,
      unit: "names",
      examples: [`partition ${value} has rows of "${rollup}"`],
      wayOut: "Refresh again; if it stays, something else writes below the gold folder.",
    });
}

/** Questions prune partitions by time, so an event in another time's partition would be found by some and not by others. */
function checkTimes(
  product: Product,
  { value, range }: PartitionFiles,
  rollup: Rollup,
  totals: readonly GoldTotal[],
  findings: Findings,
): void {
  const strays = totals
    .filter((total) => total.rollup === rollup.name)
    .flatMap(({ first, last }) => [first, last])
    .filter((at) => at !== null)
    .filter((at) => at < floorTo(range.from, rollup.finest) || at >= range.to);
  if (strays.length === 0) return;
  findings.add({
    rule: "A lake partition holds the events of its own time.",
    count: 1,
    unit: "rollups of partitions",
    examples: [`${product.source.partition.column}=${value} holds events of ${formatInstant(strays[0]!)}`],
    wayOut: "Write them to their own partition.",
  });
}
