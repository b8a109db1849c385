/**
 * Since when the live items of a product see every event: decided when its micro-batches first run, and moved on when
 * events were consumed without them, by a deployment of another shape in between. A rebuild that counts those, too, from
 * the archive moves it back.
 *
 * Delivery guarantee: decided before the first batch under the shape is applied; no checkpoint names the shape
 * before. A crash between the two moves it again, no further than the checkpoints have come.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import { clockKey, type LiveStart, liveStartKey, missedUntil, shapeId } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { Instant } from "../../src/model/time.ts";
import {
  type CheckpointOptions,
  type Position,
  readCheckpoints,
  readPosition,
  writeCheckpoint,
} from "./checkpoint.ts";
import { untilDone } from "./effects.ts";
import type { ReplayClock } from "./replay-clock.ts";

export interface LiveStartOptions extends CheckpointOptions {
  readonly events: EventStream;
}

const clockPollMs = 200;

/**
 * Moves the starts of shapes behind the checkpoints that do not name them; then these do. On a replay stream it waits
 * for the replay's clock; returns without a start on abort.
 */
export async function ensureLiveStarts(options: LiveStartOptions): Promise<void> {
  for (;;) {
    const checkpoints = await readCheckpoints(options);
    for (const product of options.products) {
      const missed = checkpoints.flatMap(({ value }) => missedUntil(value, product) ?? []);
      if (!(await moveLiveStart(options, product, missed))) return;
    }
    const named = await Promise.all(checkpoints.map((each) => nameShapes(options, each.sk, each)));
    if (named.every(Boolean)) return;
  }
}

/** Where to go on in a shard. A consumer of other shapes may have gone on in it since the starts were decided. */
export async function enterShard(options: LiveStartOptions, shard: string): Promise<Position> {
  for (;;) {
    const position = await readPosition(options, shard);
    if (position === null || !isMissing(options, position) || options.effects.signal.aborted) return position;
    await ensureLiveStarts(options);
  }
}

/** Resolves to false when asked to stop before a start is known. */
async function moveLiveStart(
  options: LiveStartOptions,
  product: Product,
  missed: readonly Instant[],
): Promise<boolean> {
  const key = liveStartKey(product);
  for (;;) {
    const known = await get<LiveStart>(options, key);
    const last = known?.value.from ?? null;
    if (last !== null && missed.every((at) => at <= last)) return true;
    const from = missed.length === 0 ? await startOf(options) : Math.max(...missed, last ?? missed[0]!);
    if (from === null) return false;
    const written = await untilDone(options.effects, "Writing the live start", () =>
      options.control.put(key, { from } satisfies LiveStart, known?.revision ?? null),
    );
    // another consumer was first, or this very write was and its answer was lost: look again
    if (written === null) continue;
    options.effects.log.info({ product: product.name, from: new Date(from).toISOString() }, "live from");
    return true;
  }
}

/** A start that a product may move back to. */
export interface EarlierStart {
  readonly from: Instant;
  /** Of the start that it replaces. */
  readonly revision: number;
}

/**
 * The start that is right once the live items of a product hold all that was consumed since `from`: since when some
 * shape has seen every event, for that is in the archive. Null where that is no earlier than now, and where consumers
 * of other shapes go on or may come back unseen: the checkpoints have to have passed the start.
 */
export async function completedStart(
  options: CheckpointOptions,
  product: Product,
  from: Instant,
): Promise<EarlierStart | null> {
  const known = await get<LiveStart>(options, liveStartKey(product));
  if (known === null) return null;
  const read = (await readCheckpoints(options)).filter(({ value }) => value.sequence !== null);
  const arePast = read.every(
    ({ value }) => missedUntil(value, product) === null && value.arrival > known.value.from,
  );
  const starts = await Promise.all(options.products.map((each) => startsOf(options, each)));
  const earliest = Math.max(from, Math.min(...starts.flat()));
  return arePast && earliest < known.value.from ? { from: earliest, revision: known.revision } : null;
}

/** Of all shapes that a product has had. */
async function startsOf({ control, effects }: CheckpointOptions, product: Product): Promise<Instant[]> {
  const { pk } = liveStartKey(product);
  const starts = await untilDone(effects, "Reading live starts", () => control.list<LiveStart>(pk));
  return starts.map(({ value }) => value.from);
}

/** Resolves to false when it has moved meanwhile. */
export async function moveStartBack(
  { control }: CheckpointOptions,
  product: Product,
  { from, revision }: EarlierStart,
): Promise<boolean> {
  return (await control.put(liveStartKey(product), { from } satisfies LiveStart, revision)) !== null;
}

/** Resolves to false when the checkpoint has moved on without the shapes. */
async function nameShapes(
  options: LiveStartOptions,
  shard: string,
  known: NonNullable<Position>,
): Promise<boolean> {
  if (!isMissing(options, known)) return true;
  const shapes = [...new Set([...(known.value.shapes ?? []), ...options.products.map(shapeId)])];
  return (await writeCheckpoint(options, shard, { ...known.value, shapes }, known)) !== null;
}

function isMissing({ products }: LiveStartOptions, { value }: NonNullable<Position>): boolean {
  return products.some((product) => missedUntil(value, product) !== null);
}

/** The first shape of a stream sees it all. */
function startOf(options: LiveStartOptions): Promise<Instant | null> {
  return options.stream.replay ? replayStart(options) : streamStart(options);
}

async function replayStart(options: LiveStartOptions): Promise<Instant | null> {
  const { stream, effects } = options;
  for (let told = false; !effects.signal.aborted; told = true) {
    const found = await get<ReplayClock>(options, clockKey(stream));
    if (found !== null) return (found.value.from ?? found.value.at) - stream.latenessMs;
    if (!told)
      effects.log.warn({ stream: stream.name }, "The replay has not begun; micro-batches wait for it");
    await effects.wait(clockPollMs, effects.signal);
  }
  return null;
}

/** The arrival of the oldest record; of an empty stream, now; null when asked to stop before it is found. */
async function streamStart({ events, effects }: LiveStartOptions): Promise<Instant | null> {
  const shards = await untilDone(effects, "Listing shards", () => events.shards());
  const firsts = await Promise.all(
    shards.map(({ id }) =>
      untilDone(effects, "Reading the first record", () => firstRecord(events, id, effects.signal)),
    ),
  );
  if (effects.signal.aborted) return null;
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

function get<T>({ control, effects }: CheckpointOptions, key: Parameters<ControlStore["get"]>[0]) {
  return untilDone(effects, "Reading a control document", () => control.get<T>(key));
}
