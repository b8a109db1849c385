/** How far a stream has been read: a position in each of its shards. */

/** Where an event stands in its shard: its record's sortable sequence number and its index in the record. */
export type Position = readonly [sequence: string, index: number];

/** The last position of every shard that has one; whoever holds it moves it along. */
export type Positions = Record<string, Position>;

/** Behind every event of a record. */
export const endOfRecord = Number.MAX_SAFE_INTEGER;

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
