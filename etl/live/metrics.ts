/**
 * What the host of the micro-batches measures of them.
 *
 * Delivery guarantee: a batch is told when its checkpoint stands, so one that crashes is not, and its repetition is.
 * Approximate nevertheless: a crash right behind the checkpoint leaves a batch out, and of two consumers of one shard
 * both tell. What is exact are the dead letters and the archive.
 */

/** One micro-batch of one shard. */
export interface BatchMeasures {
  readonly source: string;
  readonly stream: string;
  readonly shard: string;
  readonly records: number;
  /** Of the records' data as it was in the stream. */
  readonly bytes: number;
  /** Events, barriers excepted: `in = applied + dead`. */
  readonly in: number;
  readonly applied: number;
  readonly dead: number;
  /** Live items touched. */
  readonly items: number;
  /** DynamoDB write units of live items. */
  readonly writeUnits: number;
  /** Writes of live items that found another version. */
  readonly conflicts: number;
  /** From the first step to the checkpoint. */
  readonly ms: number;
  /**
   * How long ago the last record of the batch had arrived when the batch was done, in milliseconds: by the record's own
   * stamp, also in a replay, whose events carry assumed arrivals.
   */
  readonly iteratorAgeMs: number;
}

export interface LiveMetrics {
  batch(measures: BatchMeasures): void;
}

export const unmeasured: LiveMetrics = { batch: () => {} };
