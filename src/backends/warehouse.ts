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
