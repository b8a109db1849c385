/**
 * One shard, from its checkpoint to its end: records collected into windows, windows run in order.
 *
 * Delivery guarantee: at least once and without gaps, in the order of the shard.
 */
import type { EventStream, Fetched, StreamRecord } from "../../src/backends/event-stream.ts";
import type { Instant } from "../../src/model/time.ts";
import { runBatch, updateOf } from "./batch.ts";
import type { Position } from "./checkpoint.ts";
import { untilDone } from "./effects.ts";
import { unpackedLength } from "./lines.ts";
import { enterShard } from "./live-start.ts";
import type { LivePath } from "./path.ts";

/**
 * A window closes when it is so old, holds so many records or so many bytes of them unpacked, whichever comes first. The
 * next one opens then: what comes after a quiet while does not wait.
 */
export interface WindowLimits {
  readonly ageMs: number;
  readonly records: number;
  readonly bytes: number;
}

export interface ShardOptions {
  readonly path: LivePath;
  readonly events: EventStream;
  readonly window: WindowLimits;
}

const pollMs = 200; // Kinesis: five GetRecords a second and shard

/** Resolves to true at the end of a closed shard, to false when asked to stop; then the open window is left to the next start. */
export async function consumeShard(options: ShardOptions, shard: string): Promise<boolean> {
  const { path, events, window: limits } = options;
  const { signal, clock, wait } = path.effects;
  await path.archive.recover(shard);
  let position = await enterShard({ ...path, events }, shard);
  // read to its end by an earlier life: a restart does not read the whole lineage of the shards again, and its children
  // do not wait for a broadcast that is down
  if (position?.value.ended === true) {
    void announceEnd(path, shard, position);
    return true;
  }
  let after = position?.value.sequence ?? null;
  const reader = shardReader(options, shard, after);
  let window = emptyWindow(clock());
  const flush = async (): Promise<void> => {
    position = await run(path, shard, position, after, window.records);
    after = window.records.at(-1)!.sequence;
    window = emptyWindow(clock());
  };
  while (!signal.aborted) {
    const fetched = await reader(limits.records - window.records.length);
    // one fetch may hold more bytes than a window takes
    for (const record of fetched.records) {
      collect(window, record);
      if (!isFull(window, limits)) continue;
      await flush();
      if (signal.aborted) return false;
    }
    const ended = fetched.next === null;
    const isOld = clock() - window.openedAt >= limits.ageMs;
    if (window.records.length > 0 && (ended || isOld)) await flush();
    if (ended) {
      await announceEnd(path, shard, position);
      return true;
    }
    await wait(pauseMs(fetched, window, limits, clock()), signal);
  }
  return false;
}

interface Window {
  readonly openedAt: Instant;
  readonly records: StreamRecord[];
  bytes: number;
}

const emptyWindow = (openedAt: Instant): Window => ({ openedAt, records: [], bytes: 0 });

function collect(window: Window, record: StreamRecord): void {
  window.records.push(record);
  window.bytes += unpackedLength(record.data);
}

function isFull({ records, bytes }: Window, limits: WindowLimits): boolean {
  return records.length >= limits.records || bytes >= limits.bytes;
}

/** No pause while behind; otherwise until the next poll, or the end of the window if that is earlier. */
function pauseMs(fetched: Fetched, window: Window, limits: WindowLimits, now: Instant): number {
  if (fetched.millisBehindLatest > 0) return 0;
  if (window.records.length === 0) return pollMs;
  return Math.max(0, Math.min(pollMs, window.openedAt + limits.ageMs - now));
}

async function run(
  path: LivePath,
  shard: string,
  position: Position,
  after: string | null,
  records: readonly StreamRecord[],
): Promise<Position> {
  const batch = await runBatch(path, shard, position, after, records);
  path.effects.log.info({ shard, in: batch.in, applied: batch.applied, dead: batch.dead }, "micro-batch");
  return batch.position;
}

/** An earlier process may have lost the last updates of the shard to a broadcast that was down, and died. */
async function announceEnd(path: LivePath, shard: string, position: Position): Promise<void> {
  const sequence = position?.value.sequence ?? null;
  if (position === null || sequence === null) return;
  await path.announcer.publish(updateOf(path, shard, sequence, { ...position.value, sequence }, [], []));
}

/** Fetches what follows, at least from `limit` on; opens a new iterator, after the last record seen, when one expires. */
export function shardReader({ path, events }: ShardOptions, shard: string, after: string | null) {
  let last = after;
  let iterator: string | null = null;
  return (limit: number): Promise<Fetched> =>
    untilDone(path.effects, `Reading shard ${shard}`, async () => {
      iterator ??= await events.iterator(shard, last);
      const fetched = await events.fetch(iterator, Math.max(1, limit));
      if (fetched === "expired") {
        iterator = null;
        return { records: [], next: "", millisBehindLatest: 1 };
      }
      iterator = fetched.next;
      last = fetched.records.at(-1)?.sequence ?? last;
      return fetched;
    });
}
