/** The engine over the lake (Athena): statements in, rows and bytes scanned out. */

export interface Statement {
  readonly sql: string;
  /** One SQL literal for each `?`. */
  readonly parameters: readonly string[];
  readonly database: string;
}

export interface StatementResult {
  readonly queryId: string;
  /** Cells as the warehouse writes them; null for NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
  readonly bytesScanned: number;
  readonly engineMs: number;
}

/** How an execution stands. */
export interface ExecutionStatus {
  readonly state: "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
  /** Scanned so far, also of what did not succeed. */
  readonly bytesScanned: number;
  readonly engineMs: number;
  /** Why it ended as it did. It may quote the statement and locations: for logs, not for clients. */
  readonly reason: string | null;
}

/** The steps of a run, for whoever keeps an execution beyond the process that started it. */
export interface Executions {
  /**
   * Starts a statement and resolves to the execution's id; with a token that was used before, to the id of the execution
   * that was started then. Rejects `AD_HOC_THROTTLED`, `AD_HOC_FAILED`, or `BACKEND_UNAVAILABLE`, when nobody knows
   * whether it was started.
   */
  start(statement: Statement, token: string): Promise<string>;
  /** Null when the warehouse is too busy to say. */
  look(queryId: string): Promise<ExecutionStatus | null>;
  /** What a SELECT that succeeded has found; null when the warehouse no longer has it. */
  rows(queryId: string): Promise<StatementResult["rows"] | null>;
  /** Idempotent: what is over stays as it is. */
  stop(queryId: string): Promise<void>;
}

export interface Warehouse {
  /**
   * Runs a statement to its end. Rejects with `AD_HOC_FAILED`, `AD_HOC_CANCELLED`, `AD_HOC_THROTTLED` or
   * `AD_HOC_TIMEOUT`; an aborted signal stops the execution.
   */
  run(
    statement: Statement,
    options?: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
  ): Promise<StatementResult>;
}
