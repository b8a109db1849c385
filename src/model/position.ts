/** How far a stream has been read: a position in each of its shards. */

/** Where an event stands in its shard: its record's sortable sequence number and its index in the record. */
export type Position = readonly [sequence: string, index: number];

/** The last position of every shard that has one; whoever holds it moves it along. */
export type Positions = Record<string, Position>;

/** Order within one shard. */
export function comparePositions(a: Position, b: Position): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] - b[1];
}

/** Moves a shard's position forward; false, and nothing moved, when it has been there. */
export function advance(positions: Positions, shard: string, to: Position): boolean {
  const at = positions[shard];
  if (at !== undefined && comparePositions(to, at) <= 0) return false;
  positions[shard] = to;
  return true;
}

/** What an update says of positions. */
interface Moved {
  readonly shard: string;
  readonly events: readonly { readonly sequence: string; readonly index: number }[];
  readonly gap?: true;
}

/**
 * Moves a shard's position past an update. A gap without events moves it to the end of the record that it is in, which
 * tells who has stood before the gap from who begins behind it.
 */
export function moveOver(positions: Positions, { shard, events, gap }: Moved): void {
  const last = events.at(-1);
  const at = positions[shard];
  if (last !== undefined) advance(positions, shard, [last.sequence, last.index]);
  else if (gap === true && at !== undefined) positions[shard] = [at[0], Number.MAX_SAFE_INTEGER];
}
