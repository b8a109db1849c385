/** What the micro-batches of this process do, as Prometheus reads it. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { BatchMeasures, LiveMetrics } from "../etl/live/metrics.ts";

export interface PrometheusMetrics extends LiveMetrics {
  readonly contentType: string;
  /** The text that a scrape reads. */
  text(): Promise<string>;
}

const batchEvents = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const batchSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function prometheusMetrics(): PrometheusMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const measured = liveMetrics(registry);
  return {
    batch: (measures) => observe(measured, measures),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

type Measured = ReturnType<typeof liveMetrics>;

function liveMetrics(registry: Registry) {
  const registers = [registry];
  const byStream = ["stream"] as const;
  const counter = (name: string, help: string) =>
    new Counter({ name: `sluice_live_${name}`, help, labelNames: byStream, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `sluice_live_${name}`, help, labelNames: byStream, buckets, registers });
  return {
    events: new Counter({
      name: "sluice_live_events_total",
      help: "Events applied, and those that became dead letters.",
      labelNames: ["stream", "outcome"] as const,
      registers,
    }),
    iteratorAge: new Gauge({
      name: "sluice_live_iterator_age_seconds",
      help: "Age of the last record of a shard's last micro-batch when that was done.",
      labelNames: ["stream", "shard"] as const,
      registers,
    }),
    records: counter("records_total", "Records read, barriers included."),
    bytes: counter("bytes_total", "Bytes of the records as they are in the stream."),
    items: counter("items_touched_total", "Live items touched, once for every micro-batch."),
    writeUnits: counter("write_units_total", "DynamoDB write units of live items."),
    conflicts: counter("write_conflicts_total", "Writes of live items that found another version."),
    batchEvents: histogram("batch_events", "Events of a micro-batch.", batchEvents),
    batchDuration: histogram("batch_duration_seconds", "From decoding to the checkpoint.", batchSeconds),
  };
}

function observe(to: Measured, { stream, shard, ...batch }: BatchMeasures): void {
  to.events.inc({ stream, outcome: "applied" }, batch.applied);
  to.events.inc({ stream, outcome: "dead" }, batch.dead);
  to.iteratorAge.set({ stream, shard }, batch.iteratorAgeMs / 1_000);
  to.records.inc({ stream }, batch.records);
  to.bytes.inc({ stream }, batch.bytes);
  to.items.inc({ stream }, batch.items);
  to.writeUnits.inc({ stream }, batch.writeUnits);
  to.conflicts.inc({ stream }, batch.conflicts);
  to.batchEvents.observe({ stream }, batch.in);
  to.batchDuration.observe({ stream }, batch.ms / 1_000);
}
