/** A consumer that runs beside a test, and how to know what it has come to. */
import { setTimeout as wait } from "node:timers/promises";
import { type ConsumerOptions, runConsumer } from "../../etl/live/consumer.ts";
import { waitFor } from "../../etl/live/effects.ts";
import { encodeBarrier } from "../../etl/live/wire.ts";
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { type ArchiveRecord, archiveKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { EmbeddedCloud } from "./embedded-cloud.ts";

export const silent = { info: () => {}, warn: () => {}, error: () => {} };

export interface LiveRun {
  readonly updates: LiveUpdate[];
  /** Sums of what the micro-batches said they did. */
  readonly counts: { in: number; applied: number; dead: number };
  stop(): Promise<void>;
}

/** Windows of 12 records, so that a batch boundary falls everywhere. */
export function startConsumer(
  cloud: Pick<EmbeddedCloud, "control" | "insights" | "lake" | "deadLetters">,
  stream: EventStream,
  products: readonly Product[],
  overrides: Partial<ConsumerOptions> = {},
): LiveRun {
  const stopping = new AbortController();
  const broadcast = memoryBroadcast({ retainMs: 60_000, retainMax: 10_000, clock: Date.now, epoch: "e" });
  const updates: LiveUpdate[] = [];
  broadcast.subscribe(({ message }) => {
    if (message.kind === "live") updates.push(message);
  });
  const counts = { in: 0, applied: 0, dead: 0 };
  const count = (details: object, message: string): void => {
    if (message !== "micro-batch") return;
    const batch = details as typeof counts;
    counts.in += batch.in;
    counts.applied += batch.applied;
    counts.dead += batch.dead;
  };
  const running = runConsumer({
    source: products[0]!.source,
    products,
    stream,
    control: cloud.control,
    insights: cloud.insights,
    lake: cloud.lake,
    broadcast,
    deadLetters: cloud.deadLetters,
    window: { ageMs: 50, records: 12, bytes: 1_000_000 },
    clock: Date.now,
    random: Math.random,
    wait: (ms, signal) => waitFor(Math.min(ms, 20), signal),
    signal: stopping.signal,
    log: { ...silent, info: count },
    ...overrides,
  });
  running.catch(() => {});
  return {
    updates,
    counts,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** Resolves when everything that is in the stream now is applied and archived. */
export async function caughtUp(
  cloud: Pick<EmbeddedCloud, "control">,
  stream: EventStream,
  { source }: Product,
  arrival?: number,
): Promise<void> {
  const open = (await stream.shards()).filter(({ closed }) => !closed);
  const data = encodeBarrier({ id: "caught up", ...(arrival !== undefined && { arrival }) });
  const put = await stream.put(open.map(({ id }) => ({ partitionKey: "b", data, shard: id })));
  for (const { shard, sequence } of put)
    await until(async () => {
      const record = await cloud.control.get<ArchiveRecord>(archiveKey(source.stream!, shard));
      return (record?.value.barrier?.sequence ?? "") >= sequence;
    });
}

export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await wait(10);
}
