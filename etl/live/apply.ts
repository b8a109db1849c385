/**
 * The update of live items by compare-and-swap.
 *
 * Delivery guarantee: every event is in an item's numbers exactly once, whatever the batch boundaries, crashes, lost
 * answers, zombies and other shards: an item says per shard how far it has come, and is only written over the version
 * that it was computed from.
 */
import type { LiveChange } from "../../src/backends/broadcast.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import { itemId } from "../../src/model/layout.ts";
import { type Effects, inParallel, untilDone } from "./effects.ts";
import { foldItem, type ItemEvents } from "./fold.ts";

export interface Applier {
  /**
   * Applies a batch of one shard, its items in any order. Resolves to the new image of every item, also of those that
   * held the events already: the crash may have come between the update and its broadcast.
   */
  apply(shard: string, items: readonly ItemEvents[]): Promise<Applied>;
}

export interface Applied {
  readonly changes: readonly LiveChange[];
  /** What the writes cost, also those that found another version: these are the conflicts. */
  readonly writeUnits: number;
  readonly conflicts: number;
}

export interface ApplierOptions {
  readonly insights: InsightStore;
  readonly effects: Effects;
}

const parallelItems = 64;
const maxImages = 20_000; // items kept as last seen, of all shards of this machine
const maxJitterMs = 500;

export function liveApplier({ insights, effects }: ApplierOptions): Applier {
  const images = new Map<string, LiveItem>();
  return {
    apply: async (shard, items) => {
      await readImages(insights, effects, images, items);
      const changes: LiveChange[] = [];
      const cost = { writeUnits: 0, conflicts: 0 };
      const counting = counted(insights, cost);
      await inParallel(items, parallelItems, async (item) => {
        const image = await applyItem(counting, effects, images.get(itemId(item.key)) ?? null, shard, item);
        remember(images, image);
        changes.push(changeOf(item, image));
      });
      return { changes, ...cost };
    },
  };
}

type Writes = Pick<InsightStore, "writeLive">;

function counted(insights: Writes, cost: { writeUnits: number; conflicts: number }): Writes {
  return {
    writeLive: async (item, expected) => {
      const write = await insights.writeLive(item, expected);
      cost.writeUnits += write.writeUnits;
      if (!write.applied) cost.conflicts++;
      return write;
    },
  };
}

async function readImages(
  insights: InsightStore,
  effects: Effects,
  images: Map<string, LiveItem>,
  items: readonly ItemEvents[],
): Promise<void> {
  const unseen = items.filter((item) => !images.has(itemId(item.key))).map(({ key }) => key);
  if (unseen.length === 0) return;
  const { live } = await untilDone(effects, "Reading live items", () => insights.read([], unseen));
  for (const image of live.values()) remember(images, image);
}

/** A stale image is harmless: watermarks only grow, and a write over it fails. */
function remember(images: Map<string, LiveItem>, image: LiveItem): void {
  const id = itemId(image);
  images.delete(id);
  images.set(id, image);
  if (images.size > maxImages) images.delete(images.keys().next().value!);
}

async function applyItem(
  insights: Writes,
  effects: Effects,
  seen: LiveItem | null,
  shard: string,
  item: ItemEvents,
): Promise<LiveItem> {
  let image = seen;
  for (let attempt = 0; ; attempt++) {
    const next = foldItem(image, item, shard, versionAfter(image, effects));
    if (next === null) return image!;
    // another shard was first: those who met must not meet again
    if (attempt > 0)
      await effects.wait(effects.random() * Math.min(maxJitterMs, 2 ** attempt), effects.signal);
    const expected = image?.version ?? null;
    const outcome = await untilDone(effects, "Writing a live item", () => insights.writeLive(next, expected));
    if (outcome.applied) return next;
    image = outcome.current;
  }
}

/** Time-ordered, so that an item that expired and is made again goes on above its old versions. */
export function versionAfter(image: LiveItem | null, { clock }: Effects): number {
  return Math.max((image?.version ?? 0) + 1, Math.trunc(clock() * 1_000));
}

function changeOf({ target }: Pick<ItemEvents, "target">, { pk, sk, version, packed }: LiveItem): LiveChange {
  return {
    product: target.product.name,
    rollup: target.rollup.name,
    key: { pk, sk },
    version,
    packed,
  };
}
