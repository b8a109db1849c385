/**
 * Since when the live items of a product see every event, written once per shape when its micro-batches first run.
 *
 * Delivery guarantee: decided before the first batch is applied and never changed.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import {
  type Checkpoint,
  checkpointKey,
  clockKey,
  type LiveStart,
  liveStartKey,
} from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import type { Instant } from "../../src/model/time.ts";
import { type Effects, untilDone } from "./effects.ts";
import type { ReplayClock } from "./replay-clock.ts";

export interface LiveStartOptions {
  readonly source: Source;
  readonly stream: Stream;
  readonly events: EventStream;
  readonly control: ControlStore;
  readonly effects: Effects;
}

const clockPollMs = 200;

/** Writes the missing starts. On a replay stream it waits for the replay's clock; returns without one on abort. */
export async function ensureLiveStarts(
  options: LiveStartOptions,
  products: readonly Product[],
): Promise<void> {
  for (const product of products) {
    const key = liveStartKey(product);
    if ((await get<LiveStart>(options, key)) !== null) continue;
    const from = await startOf(options);
    if (from === null) return;
    await untilDone(options.effects, "Writing the live start", () =>
      options.control.put(key, { from } satisfies LiveStart, null),
    );
    options.effects.log.info({ product: product.name, from: new Date(from).toISOString() }, "live from");
  }
}

/** A shape that appears in the middle has missed what is behind the checkpoints; the first one sees it all. */
async function startOf(options: LiveStartOptions): Promise<Instant | null> {
  const { pk } = checkpointKey(options.stream, "");
  const checkpoints = await untilDone(options.effects, "Reading checkpoints", () =>
    options.control.list<Checkpoint>(pk),
  );
  if (checkpoints.length > 0) return Math.max(...checkpoints.map(({ value }) => value.arrival));
  return options.stream.replay ? replayStart(options) : streamStart(options);
}

async function replayStart(options: LiveStartOptions): Promise<Instant | null> {
  const { stream, effects } = options;
  while (!effects.signal.aborted) {
    const found = await get<ReplayClock>(options, clockKey(stream));
    if (found !== null) return (found.value.from ?? found.value.at) - stream.latenessMs;
    await effects.wait(clockPollMs, effects.signal);
  }
  return null;
}

/** The arrival of the oldest record; of an empty stream, now. */
async function streamStart({ events, effects }: LiveStartOptions): Promise<Instant> {
  const shards = await untilDone(effects, "Listing shards", () => events.shards());
  const firsts = await Promise.all(
    shards.map(({ id }) =>
      untilDone(effects, "Reading the first record", () => firstRecord(events, id, effects.signal)),
    ),
  );
  const arrivals = firsts.flatMap((record) => (record === null ? [] : [record.arrival]));
  return arrivals.length === 0 ? effects.clock() : Math.min(...arrivals);
}

async function firstRecord(
  events: EventStream,
  shard: string,
  signal: AbortSignal,
): Promise<StreamRecord | null> {
  let iterator: string | null = await events.iterator(shard, null);
  while (iterator !== null && !signal.aborted) {
    const fetched = await events.fetch(iterator, 1);
    if (fetched === "expired") throw new Error(`The iterator of ${shard} expired while it was in use.`);
    const [record] = fetched.records;
    if (record !== undefined) return record;
    iterator = fetched.millisBehindLatest === 0 ? null : fetched.next;
  }
  return null;
}

function get<T>({ control, effects }: LiveStartOptions, key: Parameters<ControlStore["get"]>[0]) {
  return untilDone(effects, "Reading a control document", () => control.get<T>(key));
}
