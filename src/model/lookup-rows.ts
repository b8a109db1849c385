/**
 * The rows of a dimension table as events are given them: unique per key and instant. The warehouse joins these rows;
 * here is the same join as a map. A version of the table continues the rows of the one before it.
 */
import type { Lookup, LookupTable } from "./lookup.ts";
import type { Source } from "./source.ts";
import { firstInstant, type Instant, lastInstant } from "./time.ts";
import { compareValues, type Event, type Value } from "./values.ts";

export interface LookupRow {
  /** In the order of the table's keys; none is null. */
  readonly key: readonly Value[];
  /** The row counts for events from its first to its last instant, both included. */
  readonly first: Instant;
  readonly last: Instant;
  /** In the order of the table's `taken`. */
  readonly taken: readonly Value[];
}

/** A key as one value: the value itself where it is one. */
function keyOf(values: readonly Value[]): Value {
  return values.length === 1 ? values[0]! : JSON.stringify(values);
}

/** Two rows that count for one key at one instant, or null. */
export function overlapOf(rows: readonly LookupRow[]): readonly [LookupRow, LookupRow] | null {
  for (const group of indexRows(rows).values())
    for (const [i, row] of group.entries())
      if (i > 0 && group[i - 1]!.last >= row.first) return [group[i - 1]!, row];
  return null;
}

/** The rows of `before` for events older than `from`, and those of `next` from then on: what counted, counts. */
export function continued(
  before: readonly LookupRow[],
  next: readonly LookupRow[],
  from: Instant,
): LookupRow[] {
  const past = before.map((row) => ({ ...row, last: Math.min(row.last, from - 1) }));
  const future = next.map((row) => ({ ...row, first: Math.max(row.first, from) }));
  const rows = [...past, ...future].filter(({ first, last }) => first <= last);
  // in order of their keys, so that the same rows are the same content
  const byKey = [...indexRows(rows)].sort(([a], [b]) => compareValues(a, b));
  return byKey.flatMap(([, group]) => withoutSeams(group));
}

/** Rows of one key in order; what goes on unchanged is one row. */
function withoutSeams(rows: readonly LookupRow[]): LookupRow[] {
  const joined: LookupRow[] = [];
  for (const row of rows) {
    const previous = joined.at(-1);
    const goesOn =
      previous?.last === row.first - 1 && previous.taken.every((value, i) => value === row.taken[i]);
    if (goesOn) joined[joined.length - 1] = { ...previous, last: row.last };
    else joined.push(row);
  }
  return joined;
}

/** By key, in order of time. */
export type RowIndex = ReadonlyMap<Value, readonly LookupRow[]>;

export function indexRows(rows: readonly LookupRow[]): RowIndex {
  const index = new Map<Value, LookupRow[]>();
  for (const row of rows) {
    const key = keyOf(row.key);
    const group = index.get(key);
    if (group === undefined) index.set(key, [row]);
    else group.push(row);
  }
  for (const group of index.values()) group.sort((a, b) => a.first - b.first);
  return index;
}

/** Sets the enriched columns of an event: to the values of the row that counts at its time, to null without one. */
export function enricher(
  source: Source,
  indexOf: (table: LookupTable) => RowIndex,
): (event: Record<string, Value>) => void {
  const time = source.time.property;
  const steps = source.lookups.map((lookup) => ({
    keyIn: keyReader(lookup),
    index: indexOf(lookup.table),
    take: lookup.take.map(({ column, position }) => ({ property: column.property, position })),
  }));
  return (event) => {
    for (const { keyIn, index, take } of steps) {
      const row = rowAt(index.get(keyIn(event)), event[time] as Instant);
      for (const { property, position } of take) event[property] = row?.taken[position] ?? null;
    }
  };
}

/** A key with a null in it is in no index. */
function keyReader({ on }: Lookup): (event: Event) => Value {
  const properties = on.map(({ property }) => property);
  const [only] = properties;
  if (properties.length === 1) return (event) => event[only!] ?? null;
  return (event) => keyOf(properties.map((property) => event[property] ?? null));
}

function rowAt(rows: readonly LookupRow[] | undefined, at: Instant): LookupRow | undefined {
  if (rows === undefined) return undefined;
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle]!.first <= at) low = middle;
    else high = middle - 1;
  }
  const row = rows[low];
  return row !== undefined && row.first <= at && at <= row.last ? row : undefined;
}

/** What is stored for the micro-batches: per row its key, first, last and taken values. */
export function packRows(rows: readonly LookupRow[]): string {
  return `[${rows.map(({ key, first, last, taken }) => JSON.stringify([...key, first, last, ...taken])).join(",\n")}]`;
}

export function unpackRows({ keys }: LookupTable, packed: string): LookupRow[] {
  const n = keys.length;
  return (JSON.parse(packed) as Value[][]).map((cells) => ({
    key: cells.slice(0, n),
    first: Number(cells[n]),
    last: Number(cells[n + 1]),
    taken: cells.slice(n + 2),
  }));
}

/** A row's validity [from, to) as its first and last instant; null is open. */
export function validity(from: Instant | null, to: Instant | null): Pick<LookupRow, "first" | "last"> {
  return { first: from ?? firstInstant, last: to === null ? lastInstant : to - 1 };
}
