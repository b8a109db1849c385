/**
 * Sequence numbers: "49", the shard's creation in ms (13 digits), its index in the stream (6), and the position of
 * the record in the shard's log (35). So they are 56 digits, grow within a shard whatever happens to the process,
 * and a child's are above its parents', because a child is always created later.
 */
export interface SequenceNumber {
  readonly created: number;
  readonly shard: number;
  readonly position: number;
}

/** What all sequence numbers of one shard begin with. */
export function sequencePrefix(created: number, shard: number): string {
  return `49${String(created).padStart(13, "0")}${String(shard).padStart(6, "0")}`;
}

export function sequenceNumber(prefix: string, position: number): string {
  return prefix + String(position).padStart(35, "0");
}

/** The parts of a sequence number; undefined where this server cannot have issued it. */
export function parseSequenceNumber(digits: string): SequenceNumber | undefined {
  const match = /^49(\d{13})(\d{6})(\d{35})$/.exec(digits);
  if (match === null) return undefined;
  const [created, shard, position] = match.slice(1).map(Number) as [number, number, number];
  return Number.isSafeInteger(position) ? { created, shard, position } : undefined;
}
