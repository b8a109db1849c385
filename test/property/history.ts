/**
 * What happens in a world: events lie in the lake or come by the stream, some late and some too late to count;
 * refreshes come and go in between, and a rollback now and then.
 */
import type { Backends } from "../../bin/backends.ts";
import { refreshDeps } from "../../bin/system.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { Product } from "../../src/model/product.ts";
import { addParcels, writeFamilies, writeSightings } from "./lake.ts";
import { pick, type Random } from "./random.ts";
import { parcelAt, randomSpan, randomTimes, sightingAt, type Span, type Table } from "./rows.ts";
import { type Clock, isApplied, latenessMs, openClock, openProducer, type Sent, sentOf } from "./stream.ts";
import type { Row, Truth } from "./truth.ts";

export interface Setting {
  readonly products: readonly Product[];
  readonly stores: Backends;
  readonly broadcast: Broadcast;
  readonly truth: Truth<Table>;
  /** Where the lake's objects are files. */
  readonly lake: string;
}

export interface History {
  readonly span: Span;
  /** The stream saw every event from here on. */
  readonly liveFrom: number;
  /** What is still to come by the stream. */
  readonly ahead: readonly Sent[];
  /** Goes on to the next moment for questions, and says what has happened; null at the end. */
  next(): Promise<string | null>;
}

const day = 86_400_000;

/** Fills the lake and starts the stream's clock: micro-batches may run from then on. */
export async function historyOf(setting: Setting, random: Random): Promise<History> {
  const span = randomSpan(random);
  const liveFrom = startOfStream(random, span);
  const sightings = randomTimes(random, span, 900, 22).map((at) => sightingAt(random, at));
  const isOld = ({ at }: Row): boolean => Date.parse(String(at)) < liveFrom;
  await setting.truth.add("sightings", sightings.filter(isOld));
  await writeFamilies(setting);
  await writeSightings(setting);
  const { source } = setting.products.find(({ name }) => name === "SightingActivity")!;
  const clock = await openClock(setting.stores, source.stream!, liveFrom + latenessMs);
  const ahead = sentOf(
    random,
    sightings.filter((row) => !isOld(row)),
  );
  const parcels = parts(
    random,
    randomTimes(random, span, 400, 14).map((at) => parcelAt(random, at)),
    3,
  );
  const moments = happen({ ...setting, random, clock, ahead, parcels });
  const next = async (): Promise<string | null> => {
    const { value, done } = await moments.next();
    return done === true ? null : value;
  };
  return { span, liveFrom, ahead, next };
}

/** Where the lake ends and the stream begins: on the edge of a month, of a day, or anywhere. */
function startOfStream(random: Random, { from, until }: Span): number {
  const [first, last] = [Date.parse(from), Date.parse(until)];
  const at = first + (0.3 + 0.4 * random()) * (last - first);
  const how = random();
  if (how < 0.4) return Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth() + 1);
  return how < 0.8 ? Math.floor(at / day) * day : Math.floor(at / 1_000) * 1_000;
}

/** Some in each part, each row in one of them. */
function parts(random: Random, rows: readonly Row[], count: number): Row[][] {
  const result: Row[][] = Array.from({ length: count }, () => []);
  rows.forEach((row, i) => result[i === 0 ? 0 : Math.floor(random() * count)]!.push(row));
  return result;
}

interface Course extends Setting {
  readonly random: Random;
  readonly clock: Clock;
  /** Taken from the front as it is put. */
  readonly ahead: Sent[];
  /** Taken from the front as it is written. */
  readonly parcels: Row[][];
}

async function* happen(course: Course): AsyncGenerator<string> {
  const { random, ahead, products } = course;
  const put = openProducer(course.stores, products, random);
  await refreshAll(course, products);
  yield "the first refresh";
  while (ahead.length > 0) {
    const chunk = ahead.splice(0, 60 + Math.floor(random() * 240));
    await put(chunk);
    await course.truth.add(
      "sightings",
      chunk.filter(isApplied).map(({ row }) => row),
    );
    yield `${chunk.length} events by the stream`;
    await moveClock(course, chunk.at(-1)!.arrival);
    const chosen = products.filter(() => random() < 0.7);
    if (chosen.length === 0) continue;
    await refreshAll(course, chosen);
    yield `a refresh of ${chosen.map(({ name }) => name).join(" and ")}`;
    const streamed = chosen.filter(({ source }) => source.stream !== null);
    if (streamed.length > 0 && random() < 0.4) yield* rollBack(course, pick(random, streamed));
  }
}

/** To anywhere between what has come and what is to come; at the end so far that months are over. */
async function moveClock({ random, clock, ahead }: Course, last: number): Promise<void> {
  const next = ahead[0]?.arrival ?? last + 70 * day;
  await clock(last + Math.floor(random() * (next - last)));
}

async function refreshAll(course: Course, chosen: readonly Product[]): Promise<void> {
  for (const product of chosen) {
    if (product.source.stream === null) await addParcels(course, course.parcels.shift() ?? []);
    await refresh(product, depsOf(course, product));
    await announce(course, product);
  }
}

/** None takes place where numbers would go missing: from the earlier edition's end to where the stream began. */
async function* rollBack(course: Course, product: Product): AsyncGenerator<string> {
  const done = await rollback(product, {}, depsOf(course, product)).catch((error: unknown) => {
    if (!String(error).includes("would go missing")) throw error;
    return null;
  });
  if (done === null) return;
  await announce(course, product);
  yield `a rollback of ${product.name}`;
  await release(product, depsOf(course, product));
}

function depsOf({ stores }: Setting, product: Product) {
  return refreshDeps(product, stores, { progress: () => {}, retention: { editions: 10, ms: 0 } });
}

/** Readers look for a newer manifest every second only. */
const announce = ({ broadcast }: Setting, { name }: Product): Promise<void> =>
  broadcast.publish({ kind: "published", product: name, version: 0 });
