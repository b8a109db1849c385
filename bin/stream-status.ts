/** What `sluice stream` tells of itself: a line that is redrawn on a terminal, and a summary at the end. */
import type { BatchMeasures, LiveMetrics } from "../etl/live/metrics.ts";
import type { EventStream } from "../src/backends/event-stream.ts";

export interface StreamStatus extends LiveMetrics {
  /** The same stream, whose open shards are counted when they are listed. */
  watching(name: string, stream: EventStream): EventStream;
  /** `1,234 events/s, 1.2 s behind, 4 shards, 50,000 events, 12 dead letters`; the pace is that since the last line. */
  line(): string;
  summary(): StreamSummary;
}

/** `in = applied + dead`, of this run. */
export interface StreamSummary {
  readonly batches: number;
  readonly in: number;
  readonly applied: number;
  readonly dead: number;
  readonly durationMs: number;
}

export function streamStatus(clock: () => number): StreamStatus {
  const startedAt = clock();
  const total = { batches: 0, in: 0, applied: 0, dead: 0 };
  const shards = new Map<string, number>();
  const ages = new Map<string, number>();
  let drawn = { at: startedAt, in: 0 };
  return {
    batch: (batch) => {
      add(total, batch);
      ages.set(`${batch.stream} ${batch.shard}`, batch.iteratorAgeMs);
    },
    watching: (name, stream) => ({
      ...stream,
      shards: async () => {
        const listed = await stream.shards();
        shards.set(name, listed.filter(({ closed }) => !closed).length);
        return listed;
      },
    }),
    line: () => {
      const now = clock();
      const pace = ((total.in - drawn.in) * 1_000) / Math.max(1, now - drawn.at);
      drawn = { at: now, in: total.in };
      const behind = ages.size === 0 ? [] : [`${seconds(Math.max(...ages.values()))} behind`];
      ages.clear();
      return [`${shown(Math.round(pace))} events/s`, ...behind, open(shards), ...totals(total)].join(", ");
    },
    summary: () => ({ ...total, durationMs: clock() - startedAt }),
  };
}

export function summaryLine({ batches, in: all, applied, dead, durationMs }: StreamSummary): string {
  return `${shown(all)} events in ${shown(batches)} micro-batches: ${shown(applied)} applied, ${shown(dead)} dead letters, ${seconds(durationMs)}.`;
}

type Total = { -readonly [key in "batches" | "in" | "applied" | "dead"]: number };

function add(total: Total, batch: BatchMeasures): void {
  total.batches++;
  total.in += batch.in;
  total.applied += batch.applied;
  total.dead += batch.dead;
}

function open(shards: ReadonlyMap<string, number>): string {
  const count = [...shards.values()].reduce((sum, each) => sum + each, 0);
  return `${count} ${count === 1 ? "shard" : "shards"}`;
}

const totals = (total: Total): string[] => [`${shown(total.in)} events`, `${shown(total.dead)} dead letters`];

const shown = (count: number): string => count.toLocaleString("en");
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
