/**
 * Live updates to the gateways.
 *
 * Delivery guarantee: at least once while the broadcast is up; bounded in time, so that ingestion goes on when it is
 * down. Then updates are lost, and the first one of the same shard that gets through carries a gap marker: feeds of
 * events that would go on behind it end.
 */
import type { Broadcast, LiveUpdate } from "../../src/backends/broadcast.ts";
import type { Effects } from "./effects.ts";

export interface Announcer {
  /** Resolves when the update is published, or when it is known that it has to be made up for by a gap marker. */
  publish(update: LiveUpdate): Promise<void>;
}

export interface AnnouncerOptions {
  readonly broadcast: Broadcast;
  readonly effects: Effects;
}

const maxPublishMs = 5_000;

export function announcer({ broadcast, effects }: AnnouncerOptions): Announcer {
  // the shards without a gap; the process before this one may have died with one still to be told
  const told = new Set<string>();
  return {
    publish: async (update) => {
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
    },
  };
}

async function bounded(effects: Effects, broadcast: Broadcast, message: LiveUpdate): Promise<void> {
  const published = new AbortController();
  const tooSlow = effects.wait(maxPublishMs, published.signal).then(() => {
    if (!published.signal.aborted) throw new Error(`Publishing took longer than ${maxPublishMs} ms.`);
  });
  const publishing = broadcast.publish(message).finally(() => published.abort());
  publishing.catch(() => {});
  await Promise.race([publishing, tooSlow]);
}
