/**
 * Since when the live items of a product see every event: decided when its micro-batches first run, and moved on when
 * events were consumed without them, by a deployment of another shape in between. A rebuild that counts those, too, from
 * the archive moves it back.
 *
 * Delivery guarantee: decided before the first batch under the shape is applied; no checkpoint names the shape
 * before. A crash between the two moves it again, no further than the checkpoints have come.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
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
    const { from: last = null, sweptUntil } = known?.value ?? {};
    if (last !== null && sweptUntil !== undefined && missed.every((at) => at <= last)) return true;
    const begin = await startOf(options);
    if (begin === null) return false;
    const from = Math.max(...missed, last ?? missed[0] ?? begin);
    const start = { from, sweptUntil: sweptUntil ?? oldestEvent(options, begin), rollups: keyed(product) };
    const written = await untilDone(options.effects, "Writing the live start", () =>
      options.control.put(key, start satisfies LiveStart, known?.revision ?? null),
    );
    // another consumer was first, or this very write was and its answer was lost: look again
    if (written === null) continue;
    options.effects.log.info({ product: product.name, from: new Date(from).toISOString() }, "live from");
    return true;
  }
}

/** A start that a product may move back to, and the revision of the one that it replaces. */
export type EarlierStart = Versioned<LiveStart>;

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
  return arePast && earliest < known.value.from
    ? { ...known, value: { ...known.value, from: earliest } }
    : null;
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
  { value, revision }: EarlierStart,
): Promise<boolean> {
  return (await control.put(liveStartKey(product), value, revision)) !== null;
}

/** Until when the live items of a product were removed, since every manifest that is kept covers them; null where none were. */
export async function readSwept(options: CheckpointOptions, product: Product): Promise<Instant | null> {
  return (await get<LiveStart>(options, liveStartKey(product)))?.value.sweptUntil ?? null;
}

/** Has items removed once more that were written while others like them were being removed. */
export async function sweepAgain(
  options: CheckpointOptions,
  product: Product,
  since: Instant | null,
): Promise<void> {
  for (;;) {
    const known = await get<LiveStart>(options, liveStartKey(product));
    if (known === null || since === null || (known.value.sweptUntil ?? since) <= since) return;
    const again = { ...known.value, sweptUntil: since };
    const key = liveStartKey(product);
    const written = await untilDone(options.effects, "Writing the live start", () =>
      options.control.put(key, again, known.revision),
    );
    if (written !== null) return;
  }
}

/** No event that is applied is older, however far a shard lags behind. */
function oldestEvent({ stream }: LiveStartOptions, firstArrival: Instant): Instant {
  return firstArrival - stream.latenessMs - stream.skewMs;
}

function keyed({ rollups }: Product): NonNullable<LiveStart["rollups"]> {
  return rollups.filter(({ live }) => live).map(({ name, finest }) => ({ name, finest }));
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
