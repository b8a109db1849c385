/**
 * Every table, bucket and workgroup of Sluice, named once. The embedded cloud creates them in the data folder, the
 * CDK app creates them in an account. Streams and lake tables are named by the sources in `products/`.
 */
export const tables = {
  /** Immutable segments: pk = product, shape, rollup, grain and key; sk = period and edition. */
  insights: "sluice-insights",
  /** Live items: pk = product, shape, rollup and period; sk = key. */
  live: "sluice-live",
  /** Manifests, pages, editions, lake partitions, archive records, checkpoints, clocks. */
  control: "sluice-control",
  /** The ad-hoc fallback: questions, executions, slots, budgets. Its items expire. */
  jobs: "sluice-jobs",
  /** Records that could not be applied: pk = stream and shard; sk = sequence and index. What became of them beside it. */
  deadLetters: "sluice-dead-letters",
} as const;

export type TableName = (typeof tables)[keyof typeof tables];

/** All tables have the same key schema: a string partition key `pk` and a string sort key `sk`, on demand. */
export const tableKey = { partition: "pk", sort: "sk" } as const;

export const buckets = {
  /** Source tables, archive, compacted partitions and the gold zone. */
  lake: "sluice-lake",
  /** Results of Athena statements. */
  results: "sluice-results",
} as const;

export const workgroup = "sluice";
