/** The micro-batches of all streams as one Lambda handler: each invocation is of one of them. */
import type { KinesisStreamEvent } from "aws-lambda";
import type { Logger } from "pino";
import { type MappingAnswer, type MappingHandler, mappingHandler } from "../etl/live/mapping.ts";
import type { LiveMetrics } from "../etl/live/metrics.ts";
import type { Broadcast } from "../src/backends/broadcast.ts";
import { SluiceError, suggestion } from "../src/model/errors.ts";
import type { Product } from "../src/model/product.ts";
import { streamedSources } from "../src/schema/names.ts";
import type { LiveBackends } from "./live-backends.ts";

export interface LiveHandlerSettings {
  readonly broadcast: Broadcast;
  readonly metrics: LiveMetrics;
  readonly log: Logger;
}

/** What of Lambda's context is read. */
export interface Invocation {
  getRemainingTimeInMillis(): number;
}

export type LiveHandler = (event: KinesisStreamEvent, invocation: Invocation) => Promise<MappingAnswer>;

/** Kept free to answer in: a call that is under way when the time is up is waited for. */
const marginMs = 10_000;

export function liveHandler(
  products: readonly Product[],
  backends: LiveBackends,
  settings: LiveHandlerSettings,
): LiveHandler {
  const handlers = new Map<string, MappingHandler>();
  for (const source of streamedSources(products)) {
    const stream = backends.streamOf(source)!;
    const effects = { clock: Date.now, random: Math.random };
    const options = { source, products, ...backends, stream, ...effects, ...settings };
    handlers.set(source.stream!.name, mappingHandler(options));
  }
  return async (event, invocation) => {
    const handle = handlerOf(handlers, event);
    return inTime(invocation, (signal) => handle(event, signal));
  };
}

/** The stream's name out of `arn:aws:kinesis:region:account:stream/name`, with or without `/consumer/…`. */
function handlerOf(handlers: ReadonlyMap<string, MappingHandler>, { Records }: KinesisStreamEvent) {
  const arn = Records[0]?.eventSourceARN ?? "";
  const name = /:stream\/([^/]+)/.exec(arn)?.[1] ?? "";
  const handler = handlers.get(name);
  if (handler !== undefined) return handler;
  const known = [...handlers.keys()];
  throw new SluiceError(
    "INTERNAL",
    `An event source mapping reads the stream of a product's source. Got records of "${arn}".${suggestion(name, known)}`,
  );
}

/** The timer ends with the invocation: nothing may wake up in the next one. */
async function inTime<T>(invocation: Invocation, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const remaining = invocation.getRemainingTimeInMillis();
  const timer = setTimeout(() => stopping.abort(), remaining - Math.min(marginMs, remaining / 2));
  try {
    return await run(stopping.signal);
  } finally {
    clearTimeout(timer);
  }
}
