/**
 * Live updates to the gateways.
 *
 * Delivery guarantee: at least once while the broadcast is up; bounded in time, so that ingestion goes on when it is
 * down. Then updates are lost, and the first one of the same shard that gets through carries a gap marker: feeds of
 * events that would go on behind it end. An ended shard, of which no update follows, is told of by a marker alone.
 */
import type { Broadcast, LiveUpdate } from "../../src/backends/broadcast.ts";
import type { Effects } from "./effects.ts";

export interface Announcer {
  /** Resolves when the update is published, or when it is known that it has to be made up for by a gap marker. */
  publish(update: LiveUpdate): Promise<void>;
  /** The same for the end of a shard: says that there may be a gap before it, unless all before it was published. */
  end(update: LiveUpdate): Promise<void>;
}

export interface AnnouncerOptions {
  readonly broadcast: Broadcast;
  readonly effects: Effects;
}

const maxPublishMs = 5_000;

export function announcer({ broadcast, effects }: AnnouncerOptions): Announcer {
  // the shards without a gap; the process before this one may have died with one still to be told
  const told = new Set<string>();
  // ended shards with a gap to be told as soon as anything gets through
  const owed = new Map<string, LiveUpdate>();
  const tell = async (update: LiveUpdate): Promise<boolean> => {
    try {
      await bounded(effects, broadcast, told.has(update.shard) ? update : { ...update, gap: true });
      told.add(update.shard);
    } catch (error) {
      told.delete(update.shard);
      effects.log.warn(
        { err: error, shard: update.shard },
        "The broadcast is down; a gap marker will follow",
      );
    }
    return told.has(update.shard);
  };
  return {
    publish: async (update) => {
      if (!(await tell(update))) return;
      for (const [shard, end] of owed) {
        if (!(await tell(end))) return;
        owed.delete(shard);
      }
    },
    end: async (update) => {
      if (!told.has(update.shard) && !(await tell(update))) owed.set(update.shard, update);
    },
  };
}

async function bounded(effects: Effects, broadcast: Broadcast, message: LiveUpdate): Promise<void> {
  const published = new AbortController();
  const publishing = broadcast.publish(message).finally(() => published.abort());
  publishing.catch(() => {});
  const tooSlow = effects.wait(maxPublishMs, published.signal).then(() => {
    // the wait is cut short by the end of the publication, which may have failed
    if (published.signal.aborted) return publishing;
    throw new Error(`Publishing took longer than ${maxPublishMs} ms.`);
  });
  await Promise.race([publishing, tooSlow]);
}
