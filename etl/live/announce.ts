/**
 * Live updates to the gateways.
 *
 * Delivery guarantee: at least once while the broadcast is up; bounded in time, so that ingestion goes on when it is
 * down. Then updates are lost, and a gap marker says which as soon as one gets through. Should the process die before,
 * the next update of the shard tells by the record it follows; of an ended shard, the word that it has ended.
 */
import type { Broadcast, Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import type { Effects } from "./effects.ts";

export interface Announcer {
  /** Resolves when the update is published, or when it is known that a gap marker has to make up for it. */
  publish(update: LiveUpdate): Promise<void>;
}

export interface AnnouncerOptions {
  readonly broadcast: Broadcast;
  readonly effects: Effects;
}

const maxPublishMs = 5_000;

export function announcer({ broadcast, effects }: AnnouncerOptions): Announcer {
  // shard -> the last record of its lost updates
  const lost = new Map<string, string>();
  return {
    publish: async (update) => {
      const { stream, shard, through } = update;
      let isTold = false;
      try {
        await bounded(effects, broadcast, update);
        isTold = true;
        if (lost.size > 0) await publishGap(effects, broadcast, stream, lost);
      } catch (error) {
        if (!isTold) lost.set(shard, through);
        effects.log.warn({ err: error, shard }, "The broadcast is down; a gap marker will follow");
      }
    },
  };
}

async function publishGap(
  effects: Effects,
  broadcast: Broadcast,
  stream: string,
  lost: Map<string, string>,
): Promise<void> {
  const told = new Map(lost);
  await bounded(effects, broadcast, { kind: "gap", stream, lost: Object.fromEntries(told) });
  for (const [shard, through] of told) if (lost.get(shard) === through) lost.delete(shard);
}

async function bounded(effects: Effects, broadcast: Broadcast, message: Broadcasted): Promise<void> {
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
