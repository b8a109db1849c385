/** What is measured of micro-batches, as CloudWatch reads it off a Lambda's output (embedded metric format). */
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { BatchMeasures, LiveMetrics } from "../etl/live/metrics.ts";

const { Count, Bytes, Milliseconds } = MetricUnit;

/** Shard and source are no dimensions: CloudWatch takes money for every value of one. */
const measured = {
  records: ["Records", Count],
  bytes: ["RecordBytes", Bytes],
  in: ["Events", Count],
  applied: ["EventsApplied", Count],
  dead: ["DeadLetters", Count],
  items: ["ItemsTouched", Count],
  writeUnits: ["WriteUnits", Count],
  conflicts: ["ConditionalFailures", Count],
  ms: ["BatchTime", Milliseconds],
  iteratorAgeMs: ["IteratorAge", Milliseconds],
} as const satisfies Record<Exclude<keyof BatchMeasures, "source" | "stream" | "shard">, readonly unknown[]>;

export function emfMetrics(): LiveMetrics {
  const metrics = new Metrics({ namespace: "Sluice", serviceName: "sluice" });
  return {
    batch: (measures) => {
      metrics.addDimension("stream", measures.stream);
      for (const key of Object.keys(measured) as (keyof typeof measured)[]) {
        const [name, unit] = measured[key];
        metrics.addMetric(name, unit, measures[key]);
      }
      metrics.publishStoredMetrics();
    },
  };
}
