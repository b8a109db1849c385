/**
 * The micro-batches as a Lambda function behind Kinesis event source mappings, one per stream.
 *
 * The function: SLUICE_CLOUD=aws, a timeout of a few minutes. Each mapping:
 *
 *     StartingPosition                TRIM_HORIZON
 *     FunctionResponseTypes           ReportBatchItemFailures
 *     BatchSize                       10000
 *     MaximumBatchingWindowInSeconds  the width of a micro-batch: 60
 *     MaximumRetryAttempts            -1 (unlimited)
 *     MaximumRecordAgeInSeconds       -1 (unlimited)
 *     BisectBatchOnFunctionError      false
 *     ParallelizationFactor           1
 *     TumblingWindowInSeconds         none
 *
 * and the stream keeps its records for at least 7 days (docs/micro-batches.md says why).
 *
 * Delivery guarantee: see etl/live/mapping.ts.
 */
import { outwardBroadcast } from "./broadcast.ts";
import { connect } from "./clients.ts";
import { readEnvironment } from "./environment.ts";
import { liveBackends } from "./live-backends.ts";
import { liveHandler } from "./live-handler.ts";
import { emfMetrics } from "./live-metrics.emf.ts";
import { loadProducts } from "./load-products.ts";
import { logger } from "./log.ts";

const environment = readEnvironment(process.env, process.cwd());
const log = logger(environment);

// built once per container: clients and caches serve all of its invocations
export const handler = liveHandler(
  await loadProducts(environment.products),
  liveBackends(connect(environment)),
  { broadcast: await outwardBroadcast(environment, log), metrics: emfMetrics(), log },
);
