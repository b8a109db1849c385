/** What a refresh would do, told without doing any of it: no barrier, no statement, no write. */
import { type Grain, type Instant } from "../../src/model/time.ts";
import type { Product } from "../../src/model/product.ts";
import { maxUnloadPartitions } from "../../src/sql/unload.ts";
import { readCatalogue } from "./catalogue.ts";
import { findChanges } from "./changed.ts";
import { chunksOf } from "./chunks.ts";
import { unwrittenOf } from "./compact.ts";
import { coveredByLake } from "./coverage.ts";
import type { RefreshDeps, RefreshOptions } from "./deps.ts";
import { planLoad } from "./load-plan.ts";
import { countedWith, foretoldLookups } from "./lookups.ts";
import { lakeFolder, listPartitions } from "./partitions.ts";
import { checkRange, readPublished } from "./published.ts";

export interface DryRun {
  /** A rollback holds the product: nothing of this would happen. */
  readonly held: boolean;
  readonly changed: readonly string[];
  readonly vanished: readonly string[];
  /** Of the files that are counted, and of those that are compacted before: about what is scanned. */
  readonly bytes: number;
  /** UNLOADs that count and compact. */
  readonly statements: number;
  /** Of each rollup and grain the periods to assemble. */
  readonly periods: readonly {
    readonly rollup: string;
    readonly grain: Grain;
    readonly periods: readonly string[];
  }[];
  /** The cut that the plan is made for. With a stream the refresh itself may get further. */
  readonly until: Instant;
}

export async function dryRun(
  product: Product,
  { control, lake }: Pick<RefreshDeps, "control" | "lake">,
  options: RefreshOptions,
): Promise<DryRun> {
  const published = await readPublished(product, control, options.full ?? false);
  checkRange(product, published, options);
  const present = await listPartitions(product.source, lake);
  const fixed = product.source.stream !== null || options.range !== undefined;
  const until =
    fixed && published.until !== null
      ? published.until
      : coveredByLake(product, present, published.until, lake.url(lakeFolder(product.source)));
  const lookups = await foretoldLookups(product.source, { control, lake });
  const changes = findChanges(published, countedWith(product, lookups, present), until, options.range);
  const catalogue = await readCatalogue(product.source, { control });
  const compacted = unwrittenOf(product.source, catalogue, changes.changed);
  const counted = changes.changed.filter(({ range }) => range.from < until);
  return {
    held: Boolean(published.manifest?.hold),
    changed: changes.changed.map(({ value }) => value),
    vanished: changes.vanished,
    bytes: [...compacted, ...counted].reduce((sum, { bytes }) => sum + bytes, 0),
    statements: [compacted, counted].flatMap((some) => chunksOf(some, maxUnloadPartitions)).length,
    periods: planLoad(product, published, changes, until).map(({ rollup, grain, periods }) => ({
      rollup: rollup.name,
      grain,
      periods,
    })),
    until,
  };
}
