/**
 * Where things are stored: the keys of every item, and the packing of a segment. `etl/` writes by these, `src/loaders`
 * reads by them; nobody else builds a key.
 */
import { createHash } from "node:crypto";
import { AsciiText } from "./ascii-text.ts";
import type { Component } from "./expression.ts";
import { mergeState, type State } from "./fold.ts";
import type { Product, Rollup, Top } from "./product.ts";
import { assertWithin, type Scope } from "./scope.ts";
import type { Source } from "./source.ts";
import type { StoredGrain } from "./time.ts";
import type { Value } from "./values.ts";

export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** A key as one string, to index items by. No key holds a line break: `keyText` writes it as `\n`. */
export function itemId(key: ItemKey): string {
  return `${key.pk}\n${key.sk}`;
}

/**
 * The folder in the lake for what micro-batches have committed of a source:
 * `<partition column>=<value>/<shard>-<file number>.parquet`.
 */
export function archiveFolder({ database, table }: Source): string {
  return `archive/${database}.${table}/`;
}

/** Values of a rollup's dimensions, in the rollup's order. */
export type DimensionKey = readonly Value[];

/** The longest key text that goes into an item key as it is; DynamoDB allows 1,024 bytes for a sort key. */
const maxKeyBytes = 512;

/** `["ORD",null]`; of a longer key a hash, which stays unambiguous. */
export function keyText(key: DimensionKey): string {
  // -0 equals 0 in SQL and in a filter, and JSON writes both as 0
  const text = JSON.stringify(key);
  if (text.length <= maxKeyBytes / 4 || Buffer.byteLength(text) <= maxKeyBytes) return text;
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** The segment of one key and period: `FlightActivity#1f2e3d4c#origin#DAY#["ORD"]` / `2001-06#<edition>`. */
export function segmentKey(
  scope: Scope,
  product: Pick<Product, "name" | "shape">,
  rollup: Pick<Rollup, "name" | "dimensions">,
  grain: StoredGrain,
  key: DimensionKey,
  period: string,
  edition: string,
): ItemKey {
  assertWithin(scope, rollup.dimensions, key);
  return {
    pk: `${product.name}#${product.shape}#${rollup.name}#${grain}#${keyText(key)}`,
    sk: `${period}#${edition}`,
  };
}

/** The boards of one period, within given values: `FlightActivity#1f2e3d4c#top:origin+destination#DAY#["ORD"]` / `2001-06#<edition>`. */
export function leaderboardKey(
  scope: Scope,
  product: Pick<Product, "name" | "shape">,
  rollup: Pick<Rollup, "name"> & { readonly top: Pick<Top, "within"> },
  grain: StoredGrain,
  within: DimensionKey,
  period: string,
  edition: string,
): ItemKey {
  // in the rollup's order
  assertWithin(scope, rollup.top.within, within);
  return {
    pk: `${product.name}#${product.shape}#top:${rollup.name}#${grain}#${keyText(within)}`,
    sk: `${period}#${edition}`,
  };
}

export function isLeaderboard({ pk }: ItemKey): boolean {
  return pk.split("#", 3)[2]?.startsWith("top:") === true;
}

/** The live item of one key and period, in the rollup's finest grain. One Query lists all keys of a period. */
export function liveKey(
  scope: Scope,
  product: Product,
  rollup: Pick<Rollup, "name" | "dimensions" | "finest">,
  key: DimensionKey,
  period: string,
): ItemKey {
  assertWithin(scope, rollup.dimensions, key);
  return { pk: livePartition(product, rollup, period), sk: keyText(key) };
}

export function livePartition(
  product: Pick<Product, "name" | "shape">,
  rollup: Pick<Rollup, "name" | "finest">,
  period: string,
): string {
  return `${product.name}#${product.shape}#${rollup.name}#${rollup.finest}#${period}`;
}

/**
 * The buckets of a segment, packed: the indexes of the buckets that hold events, then per component its values at
 * those, as JSON: `[[0,2],[12,7],[…]]`. Readable in the console, and four times cheaper to read than attribute lists.
 * The first component counts events; a bucket without any is left out.
 */
export function packBuckets(buckets: ReadonlyMap<number, State>, components: number): string {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  return packRows(
    sorted.flatMap(([index, state]) => [index, ...state]),
    components,
  );
}

/** The same of buckets in order and in a row: an index, ascending, then the state there, then the next index. */
export function packRows(rows: readonly (number | null)[], components: number): string {
  text.clear();
  for (let column = 0; column <= components; column++) {
    text.text(column === 0 ? "[[" : "],[");
    for (let i = column; i < rows.length; i += components + 1) {
      if (i > column) text.char(comma);
      writeNumber(rows[i] ?? null);
    }
  }
  text.text("]]");
  return text.toString();
}

const text = new AsciiText();
const comma = 0x2c;

/** JSON would write an overflown sum as null, which reads as nothing; 1e999 reads as infinity, which no answer can hold. */
function writeNumber(value: number | null): void {
  if (value === null) text.text("null");
  else if (Number.isFinite(value)) text.number(value);
  else text.text(value < 0 ? "-1e999" : "1e999");
}

/** `columns[0]` holds bucket indexes, ascending; `columns[1 + component]` the values. */
export type PackedColumns = readonly (readonly (number | null)[])[];

export function unpackColumns(packed: string): PackedColumns {
  return JSON.parse(packed) as PackedColumns;
}

/** The states by bucket index. */
export function unpackBuckets(packed: string): Map<number, State> {
  const [indexes, ...columns] = unpackColumns(packed);
  return new Map((indexes ?? []).map((index, i) => [index!, columns.map((column) => column[i] ?? null)]));
}

/** Back to what `packRows` packs. */
export function unpackRows(packed: string): (number | null)[] {
  return [...unpackBuckets(packed)].flatMap(([index, state]) => [index, ...state]);
}

/** Merges the buckets with `first <= index < end` into `into`. */
export function mergeBuckets(
  components: readonly Component[],
  into: State,
  packed: PackedColumns,
  first: number,
  end: number,
): void {
  const [indexes, ...columns] = packed;
  indexes?.forEach((index, i) => {
    if (index !== null && index >= first && index < end)
      mergeState(
        components,
        into,
        columns.map((column) => column[i] ?? null),
      );
  });
}
