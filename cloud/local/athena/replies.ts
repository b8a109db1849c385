/** Executions and results in the structures of Athena's API. */
import type { Executions } from "./executions.ts";
import type { Execution } from "./history.ts";
import { type Input, InvalidRequest, optionalString } from "./protocol.ts";
import { readPage, type Row } from "./results.ts";
import type { ResultColumn } from "./statements.ts";

/** The structure QueryExecution. */
export function queryExecution(execution: Execution): Record<string, unknown> {
  const { id, sql, kind, parameters, database, workGroup, outputLocation } = execution;
  return {
    QueryExecutionId: id,
    Query: sql,
    StatementType: kind,
    ...(parameters.length > 0 && { ExecutionParameters: parameters }),
    QueryExecutionContext: { Database: database },
    WorkGroup: workGroup,
    EngineVersion: { SelectedEngineVersion: "AUTO", EffectiveEngineVersion: "Athena engine version 3" },
    ResultConfiguration: outputLocation === undefined ? {} : { OutputLocation: outputLocation },
    Status: status(execution),
    Statistics: statistics(execution),
  };
}

function status({
  state,
  reason,
  errorCategory,
  submittedAtMs,
  completedAtMs,
}: Execution): Record<string, unknown> {
  return {
    State: state,
    SubmissionDateTime: submittedAtMs / 1000,
    ...(completedAtMs !== undefined && { CompletionDateTime: completedAtMs / 1000 }),
    ...(reason !== undefined && { StateChangeReason: reason }),
    ...(errorCategory !== undefined && {
      AthenaError: {
        ErrorCategory: errorCategory,
        ErrorType: errorCategory === 2 ? 1001 : 1,
        Retryable: errorCategory === 1,
        ErrorMessage: reason,
      },
    }),
  };
}

function statistics(execution: Execution): Record<string, unknown> {
  const { submittedAtMs, startedAtMs, scannedBytes, manifestLocation } = execution;
  const endMs = execution.completedAtMs ?? Date.now();
  return {
    DataScannedInBytes: scannedBytes,
    EngineExecutionTimeInMillis: startedAtMs === undefined ? 0 : endMs - startedAtMs,
    QueryQueueTimeInMillis: (startedAtMs ?? endMs) - submittedAtMs,
    TotalExecutionTimeInMillis: endMs - submittedAtMs,
    ...(manifestLocation !== undefined && { DataManifestLocation: manifestLocation }),
  };
}

/** The structure QueryRuntimeStatistics: the timeline only. */
export function runtimeStatistics(execution: Execution): unknown {
  return { Timeline: statistics(execution) };
}

const maxRows = 1_000; // per page, Athena's limit

/** The reply of GetQueryResults. Throws `InvalidRequest` for an execution that has no results. */
export async function resultPage(
  execution: Execution,
  input: Input,
  executions: Executions,
): Promise<unknown> {
  requireSuccess(execution);
  const limit = Number(input["MaxResults"] ?? maxRows);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxRows)
    throw new InvalidRequest(`MaxResults is 1 to ${maxRows}, got ${limit}`);
  const offset = Number(optionalString(input, "NextToken") ?? 0);
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new InvalidRequest("NextToken is not one that GetQueryResults gave");
  const page = await readPage(executions.resultFile(execution), offset, limit, execution.lines).catch(
    missingResult,
  );
  const isUnload = execution.manifestLocation !== undefined || execution.updateCount > 0;
  return {
    UpdateCount: execution.updateCount,
    ResultSet: {
      Rows: isUnload ? [] : page.rows.map(dataRow),
      ResultSetMetadata: { ColumnInfo: execution.columns.map(columnInfo) },
    },
    ...(page.next !== undefined && { NextToken: String(page.next) }),
  };
}

function requireSuccess({ state, reason }: Execution): void {
  if (state === "SUCCEEDED") return;
  if (state === "QUEUED" || state === "RUNNING") {
    throw new InvalidRequest(`Query has not yet finished. Current state: ${state}`);
  }
  throw new InvalidRequest(`Query did not finish successfully. Final query state: ${state}. ${reason ?? ""}`);
}

function missingResult(error: unknown): never {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    throw new InvalidRequest("Could not find results: the result file was removed");
  }
  throw error;
}

function dataRow(row: Row): unknown {
  return { Data: row.map((value) => (value === null ? {} : { VarCharValue: value })) };
}

const precisions: Readonly<Record<string, number>> = {
  tinyint: 3,
  smallint: 5,
  integer: 10,
  bigint: 19,
  real: 17,
  double: 17,
  varchar: 2_147_483_647,
  timestamp: 3,
};

function columnInfo({ name, type }: ResultColumn): unknown {
  const decimal = type.kind === "decimal" ? type : undefined;
  return {
    CatalogName: "hive",
    SchemaName: "",
    TableName: "",
    Name: name,
    Label: name,
    Type: type.kind,
    Precision: decimal?.precision ?? precisions[type.kind] ?? 0,
    Scale: decimal?.scale ?? 0,
    Nullable: "UNKNOWN",
    CaseSensitive: type.kind === "varchar",
  };
}
