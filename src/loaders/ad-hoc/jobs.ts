/** The Athena fallback of one process. */
import type { AdHocJob } from "../../model/ad-hoc-job.ts";
import type { LakePage } from "../../model/control.ts";
import type { Aggregate } from "../../model/expression.ts";
import type { Scope } from "../../model/scope.ts";
import type { Source } from "../../model/source.ts";
import type { Range } from "../../model/time.ts";
import type { AdHocQuestion, AdHocResult } from "../../sql/statement.ts";

export interface AdHocAsk {
  readonly source: Source;
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
  /** The lake partitions that touch a range, by value, as the request's manifest has them. */
  readonly partitions: (range: Range) => Promise<LakePage>;
}

export interface AdHocAnswer {
  /** Aggregates by id, per bucket start (0 for a question over its whole range); a bucket without events is absent. */
  readonly buckets: AdHocResult;
  readonly queryId: string;
  /** Of the whole statement, which may have answered other questions too. */
  readonly bytesScanned: number;
}

export interface AdHocWait {
  /** 0: what is not known yet is pending at once. */
  readonly waitMs: number;
  /** Aborted when nobody waits any more. */
  readonly signal?: AbortSignal;
}

export class AdHocJobs {
  /** In the order asked: the answer, or the error of a question (`AdHocPendingError` with the id of its job). */
  answer(
    _scope: Scope,
    _asks: readonly AdHocAsk[],
    _wait: AdHocWait,
  ): Promise<readonly (AdHocAnswer | Error)[]> {
    throw new TypeError("to come");
  }

  /** Null for what is not there, or is another tenant's. */
  job(_scope: Scope, _id: string): Promise<AdHocJob | null> {
    throw new TypeError("to come");
  }

  /** Stops the job, whoever waits for it. Resolves to how it ended, also when that was before; null as for `job`. */
  cancel(_scope: Scope, _id: string): Promise<AdHocJob | null> {
    throw new TypeError("to come");
  }

  /**
   * The job now and whenever it has changed, its end last; nothing where `job` is null. Whoever follows it counts as
   * waiting for it, until the iteration ends or is returned from.
   */
  watch(_scope: Scope, _id: string): AsyncIterable<AdHocJob> {
    throw new TypeError("to come");
  }

  /** Leaves what it waits for, stops what nobody else wants, and leaves the rest to other processes. */
  close(): Promise<void> {
    throw new TypeError("to come");
  }
}
