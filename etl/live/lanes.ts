/**
 * Packed records: lines that share a record, one a line. A shard takes 1,000 records a second, and what a record costs,
 * on either side, is mostly per record.
 *
 * Delivery guarantee: lines of one partition key share a lane, and the lane's records have the lane's partition key: put
 * one after the other they stay in their order, also across splits and merges.
 */
import type { PutEntry } from "../../src/backends/event-stream.ts";
import { encodePacked } from "./wire.ts";

export interface Line {
  readonly partitionKey: string;
  readonly bytes: Uint8Array;
}

const lanes = 64; // as many shards as they can fill evenly
const recordBytes = 256 * 1024; // Kinesis takes 1 MiB; what waits for a record's last line waits less

/** Rounds of entries, no lane twice in one: a put may reorder what it is given when a shard is throttled. */
export function packed(lines: readonly Line[]): readonly (readonly PutEntry[])[] {
  const rounds: PutEntry[][] = [];
  for (const [lane, own] of byLane(lines))
    recordsOf(own).forEach((data, i) => {
      const round = (rounds[i] ??= []);
      round.push({ partitionKey: `lane-${lane}`, data });
    });
  return rounds;
}

function byLane(lines: readonly Line[]): Map<number, Uint8Array[]> {
  const found = new Map<number, Uint8Array[]>();
  for (const { partitionKey, bytes } of lines) {
    const lane = laneOf(partitionKey);
    const own = found.get(lane);
    if (own === undefined) found.set(lane, [bytes]);
    else own.push(bytes);
  }
  return found;
}

/** FNV-1a: even enough, and the same everywhere. */
function laneOf(partitionKey: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < partitionKey.length; i++)
    hash = Math.imul(hash ^ partitionKey.charCodeAt(i), 0x01000193);
  return ((hash ^ (hash >>> 16)) >>> 0) % lanes;
}

function recordsOf(lines: readonly Uint8Array[]): Uint8Array[] {
  const records: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (bytes > 0 && bytes + 1 + line.length > recordBytes) {
      records.push(encodePacked(parts));
      [parts, bytes] = [[], 0];
    }
    parts.push(line);
    bytes += line.length + 1;
  }
  if (bytes > 0) records.push(encodePacked(parts));
  return records;
}
