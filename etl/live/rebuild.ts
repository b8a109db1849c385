/**
 * Live items of a product computed anew from the archive and the stream, while micro-batches go on: for items that a
 * wrong fold has written, that were lost, or that never saw what came before their shape was declared.
 *
 * Delivery guarantee: an item is only written over the version that was read, holds every event of each shard up to its
 * watermark, and never goes behind what it held: a consumer that meets it adds what comes after, exactly once. A
 * rebuild that is stopped leaves every item as it was or as it should be.
 */
import type { ArchiveReader } from "../../src/backends/archive-reader.ts";
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { DeadLetters } from "../../src/backends/dead-letters.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { type Clock, clockKey } from "../../src/model/control.ts";
import { SluiceError, UserInputError } from "../../src/model/errors.ts";
import { livePartition } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import type { Stream } from "../../src/model/source.ts";
import {
  dayMs,
  formatInstant,
  type Instant,
  periodOf,
  periodRange,
  type Range,
} from "../../src/model/time.ts";
import { type ArchivedShard, archivedShards } from "./archived.ts";
import type { Effects } from "./effects.ts";
import { lookupEnricher } from "./enrich.ts";
import { liveTargets } from "./fold.ts";
import { completedStart, moveStartBack, readSwept, sweepAgain } from "./live-start.ts";
import { judged, type Verdict, writeItems } from "./rebuilt-items.ts";
import { Recompute, type RebuiltTarget } from "./recompute.ts";

export interface RebuildOptions {
  readonly product: Product;
  /** All that are declared: those of the same source tell since when the archive holds every event. */
  readonly products: readonly Product[];
  /** Items are counted anew whole, so from the start of the period that holds it. */
  readonly from: Instant;
  /** Tells what differs, and writes nothing. */
  readonly dryRun: boolean;
  readonly control: ControlStore;
  readonly insights: InsightStore;
  readonly lake: Lake;
  readonly archive: ArchiveReader;
  readonly events: EventStream;
  readonly deadLetters: DeadLetters;
  readonly broadcast: Broadcast;
  readonly effects: Effects;
  readonly progress?: (progress: RebuildProgress) => void;
}

export interface RebuildProgress {
  readonly stage: "archive" | "stream" | "items";
  readonly done: number;
  readonly total: number;
  readonly unit: "files" | "shards" | "items";
}

export interface RebuildResult {
  /** Items that hold events, or should hold some. */
  readonly items: number;
  /** Of them: those that were wrong, and those that hold nothing any more since no event is theirs. */
  readonly changed: number;
  readonly emptied: number;
  /** Those that were right and had events to come, which they hold now. */
  readonly advanced: number;
  readonly shards: number;
  readonly files: number;
  readonly events: number;
  /** Since when the product's live items see every event, where that is earlier now than it was. */
  readonly completeFrom: Instant | null;
}

/** Rejects `BAD_USER_INPUT` for a product or a time that cannot be rebuilt. */
export async function rebuildLive(options: RebuildOptions): Promise<RebuildResult> {
  const { product, dryRun, progress } = options;
  const stream = streamOf(product);
  const until = await endOfTime(options, stream);
  const context = { ...options, source: product.source, stream };
  const shared = { ...context, products: options.products.filter(({ source }) => source === product.source) };
  const swept = await readSwept(shared, product);
  const targets = rebuiltTargets(options, until, swept);
  // before anything is read: who moves it from here on knows of a gap that is not filled here
  const start = await completedStart(shared, product, Math.max(...targets.map(({ from }) => from)));
  const shards = await archivedShards(context);
  checkWhole(options, targets, shards);
  const recompute = new Recompute({ ...context, targets, enricher: lookupEnricher(context) });
  const files = await addAll(options, recompute, shards, targets, until);
  const verdicts = judged(recompute);
  if (!dryRun)
    await writeItems(shared, recompute, verdicts, (done) =>
      progress?.({ stage: "items", done, total: verdicts.size, unit: "items" }),
    );
  if (!dryRun) await sweepAgain(shared, product, swept);
  const isMoved = !dryRun && start !== null && (await moveStartBack(shared, product, start));
  const count = (verdict: Verdict): number =>
    [...verdicts.values()].filter((each) => each === verdict).length;
  return {
    items: recompute.items.size,
    changed: count("changed"),
    emptied: count("emptied"),
    advanced: count("advanced"),
    shards: recompute.through.size,
    files,
    events: recompute.events,
    completeFrom: isMoved ? start.value.from : null,
  };
}

function streamOf({ name, source, rollups }: Product): Stream {
  if (source.stream !== null && rollups.some(({ live }) => live)) return source.stream;
  throw new UserInputError(
    `Live items are rebuilt of products that have some. "${name}" has no live rollups${source.stream === null ? `: its source "${source.name}" has no stream` : ""}. "sluice refresh ${name} --full" computes its editions anew.`,
  );
}

/** No event is later than a day after its arrival; on a replay stream none arrives later than the replay's clock. */
async function endOfTime({ control, effects }: RebuildOptions, stream: Stream): Promise<Instant> {
  if (!stream.replay) return effects.clock() + dayMs;
  const clock = await control.get<Clock>(clockKey(stream));
  if (clock !== null) return clock.value.at + dayMs;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A stream that replays history has a clock. Stream "${stream.name}" has none yet, so nothing is live. Start its replay.`,
  );
}

/** What is swept is not made again: editions answer for it. */
function rebuiltTargets(
  { product, from }: RebuildOptions,
  until: Instant,
  swept: Instant | null,
): readonly RebuiltTarget[] {
  if (from >= until - dayMs)
    throw new UserInputError(
      `Live items are rebuilt from a time in the past. Got ${formatInstant(from)}; it is ${formatInstant(until - dayMs)}${product.source.stream?.replay ? " by the replay's clock" : ""}.`,
    );
  return liveTargets([product]).map((target) => ({
    ...target,
    from: periodRange(periodOf(Math.max(from, swept ?? from), target.rollup.finest)).from,
  }));
}

function checkWhole(
  { product }: RebuildOptions,
  targets: readonly RebuiltTarget[],
  shards: readonly ArchivedShard[],
): void {
  const wholeFrom = Math.max(...shards.map((shard) => shard.wholeFrom));
  if (targets.every(({ from }) => from >= wholeFrom)) return;
  const earliest = targets.map(({ rollup }) => periodRange(periodOf(wholeFrom, rollup.finest)).to);
  const wayOut = Number.isFinite(wholeFrom)
    ? ` From ${formatInstant(Math.max(...earliest))} on everything is there.`
    : "";
  throw new UserInputError(
    `Live items are rebuilt from what the archive still holds. Files of ${shards.filter((shard) => shard.wholeFrom > Number.NEGATIVE_INFINITY).length} shards of source "${product.source.name}" are gone from it, and "${product.name}" would lose their events.${wayOut} Bring them back, or use a later --from.`,
  );
}

/** Archive, then the items as they are, then the stream: their watermarks lie between what is read before and after. */
async function addAll(
  options: RebuildOptions,
  recompute: Recompute,
  shards: readonly ArchivedShard[],
  targets: readonly RebuiltTarget[],
  until: Instant,
): Promise<number> {
  const { progress } = options;
  const total = recompute.filesWanted(shards);
  let [files, tails] = [0, 0];
  await recompute.addArchived(shards, (some) => {
    files += some;
    progress?.({ stage: "archive", done: files, total, unit: "files" });
  });
  const first = firstArchived(shards);
  for (const target of targets) await meetItems(options, recompute, target, { from: first, to: until });
  await recompute.addStream((some, of) => {
    tails += some;
    progress?.({ stage: "stream", done: tails, total: of, unit: "shards" });
  });
  return files;
}

/** No item holds anything much older, however early the time that was asked for. */
function firstArchived(shards: readonly ArchivedShard[]): Instant {
  const firsts = shards.flatMap(({ files }) => files.map(({ partition }) => partition.from));
  return firsts.reduce((first, from) => Math.min(first, from), Number.POSITIVE_INFINITY);
}

async function meetItems(
  { product, insights, effects }: RebuildOptions,
  recompute: Recompute,
  target: RebuiltTarget,
  { from, to }: Range,
): Promise<void> {
  const { finest } = target.rollup;
  const first = Number.isFinite(from) ? periodRange(periodOf(from, finest)).from : target.from;
  for (let at = Math.max(first, target.from); at < to; ) {
    effects.signal.throwIfAborted();
    const period = periodOf(at, finest);
    for await (const item of insights.listLive(livePartition(product, target.rollup, period)))
      recompute.meet(target, item);
    at = periodRange(period).to;
  }
}
