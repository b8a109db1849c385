/**
 * Athena: a statement is started, polled to its end, and its result read page by page.
 *
 * Delivery guarantee: a call starts one execution, however often the SDK sends it (its token is the call's own); whoever
 * leaves early, by signal or timeout, stops it.
 */
import {
  type AthenaClient,
  type AthenaServiceException,
  GetQueryExecutionCommand,
  type GetQueryResultsCommandOutput,
  InvalidRequestException,
  paginateGetQueryResults,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import { SluiceError } from "../model/errors.ts";
import type { Executions, ExecutionStatus, Statement, StatementResult, Warehouse } from "./warehouse.ts";

export interface AthenaWarehouseOptions {
  readonly client: AthenaClient;
  readonly workgroup: string;
  /** Where results go: `s3://bucket/prefix/`. */
  readonly output: string;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
  /** A new random string of 32 to 128 characters. */
  readonly token: () => string;
}

const firstPollMs = 20;
const pollGrowth = 1.5;
const longestPollMs = 500;
const defaultTimeoutMs = 30 * 60_000; // Athena's own limit of a DML statement

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export function athenaWarehouse(options: AthenaWarehouseOptions): Warehouse & Executions {
  return {
    run: async (statement, limits = {}) => {
      if (limits.signal?.aborted === true) throw cancelled("nobody waits for it");
      const queryId = await start(options, statement, options.token());
      const { bytesScanned, engineMs } = await toItsEnd(options, queryId, limits);
      const rows = returnsRows(statement) ? await readRows(options, queryId, hasHeader(statement)) : [];
      if (rows === null) throw failed(`Athena has no result of ${queryId}.`);
      return { queryId, rows, bytesScanned, engineMs };
    },
    start: (statement, token) => start(options, statement, token),
    look: (queryId) => look(options, queryId),
    rows: (queryId) => readRows(options, queryId, true),
    stop: (queryId) => stop(options, queryId),
  };
}

async function start(
  { client, workgroup, output }: AthenaWarehouseOptions,
  { sql, parameters, database }: Statement,
  token: string,
): Promise<string> {
  const answer = await client
    .send(
      new StartQueryExecutionCommand({
        QueryString: sql,
        ClientRequestToken: token,
        QueryExecutionContext: { Database: database },
        WorkGroup: workgroup,
        ResultConfiguration: { OutputLocation: output },
        ...(parameters.length > 0 && { ExecutionParameters: [...parameters] }),
      }),
    )
    .catch(refused);
  if (answer.QueryExecutionId === undefined) throw failed("Athena started a statement without naming it.");
  return answer.QueryExecutionId;
}

function refused(cause: unknown): never {
  if (isThrottled(cause))
    throw new SluiceError(
      "AD_HOC_THROTTLED",
      "The warehouse is running as many statements as it may. Ask again in a minute.",
      { cause },
    );
  throw isAnswer(cause) ? failed(cause) : unavailable(cause);
}

/** Athena throttles under several names, not all of which its model has. */
const throttlingNames = new Set([
  "TooManyRequestsException",
  "ThrottlingException",
  "Throttling",
  "RequestLimitExceeded",
]);

function isThrottled(cause: unknown): boolean {
  return cause instanceof Error && throttlingNames.has(cause.name);
}

/** Athena has said no; anything else says nothing of what became of the call. */
function isAnswer(cause: unknown): boolean {
  const status = (cause as Partial<AthenaServiceException>).$metadata?.httpStatusCode;
  return status !== undefined && status < 500;
}

function unavailable(cause: unknown): SluiceError {
  return new SluiceError("BACKEND_UNAVAILABLE", "Athena does not answer. Ask again in a few seconds.", {
    cause,
  });
}

/** The reason may quote the statement and locations: it is the `cause`, for the log, not for clients. */
function failed(reason: unknown): SluiceError {
  return new SluiceError(
    "AD_HOC_FAILED",
    "The warehouse could not run the statement. Ask again; if it fails again, the gateway's log has the reason.",
    { cause: reason instanceof Error ? reason : new Error(String(reason)) },
  );
}

/** Resolves to how the execution stands when it has succeeded; rejects for any other end, having stopped what still runs. */
async function toItsEnd(
  options: AthenaWarehouseOptions,
  queryId: string,
  { signal, timeoutMs = defaultTimeoutMs }: RunOptions,
): Promise<ExecutionStatus> {
  const deadline = options.clock() + timeoutMs;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(longestPollMs, pollMs * pollGrowth)) {
    if (signal?.aborted === true) throw await stopped(options, queryId, cancelled("nobody waits for it"));
    const status = await look(options, queryId);
    if (status?.state === "SUCCEEDED") return status;
    if (status?.state === "FAILED") throw failed(status.reason);
    if (status?.state === "CANCELLED") throw cancelled(String(status.reason));
    if (options.clock() >= deadline) throw await stopped(options, queryId, timedOut(timeoutMs));
    await untilAborted(options.wait(pollMs), signal);
  }
}

async function look({ client }: AthenaWarehouseOptions, queryId: string): Promise<ExecutionStatus | null> {
  try {
    const answer = await client.send(new GetQueryExecutionCommand({ QueryExecutionId: queryId }));
    return answer.QueryExecution === undefined ? null : statusOf(answer.QueryExecution);
  } catch (error) {
    if (isThrottled(error)) return null;
    return refused(error);
  }
}

function statusOf({ Status, Statistics }: QueryExecution): ExecutionStatus {
  const state = Status?.State ?? "QUEUED";
  return {
    state,
    bytesScanned: Statistics?.DataScannedInBytes ?? 0,
    engineMs: Statistics?.EngineExecutionTimeInMillis ?? 0,
    reason: Status?.StateChangeReason ?? null,
  };
}

function cancelled(reason: string): SluiceError {
  return new SluiceError(
    "AD_HOC_CANCELLED",
    "The statement was cancelled before its end: it was stopped, or reached a limit of the workgroup. Ask for less at once, or ask again.",
    { cause: new Error(reason) },
  );
}

function timedOut(timeoutMs: number): SluiceError {
  return new SluiceError(
    "AD_HOC_TIMEOUT",
    `The statement did not end within ${timeoutMs / 1_000} s and was stopped. Ask for a shorter range or fewer fields.`,
  );
}

async function stop({ client }: AthenaWarehouseOptions, queryId: string): Promise<void> {
  await client.send(new StopQueryExecutionCommand({ QueryExecutionId: queryId })).catch(refused);
}

/** Stops the execution and resolves to the error to throw: that it could not be stopped must not hide it. */
async function stopped(
  options: AthenaWarehouseOptions,
  queryId: string,
  error: SluiceError,
): Promise<SluiceError> {
  await stop(options, queryId).catch(() => {});
  return error;
}

async function untilAborted(waiting: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await waiting);
  let wake = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    wake = resolve;
    signal.addEventListener("abort", wake, { once: true });
  });
  await Promise.race([waiting, aborted]);
  signal.removeEventListener("abort", wake);
}

const selecting = /^\s*(?:SELECT|WITH|\()/i;
const showing = /^\s*(?:SHOW|DESCRIBE|EXPLAIN)/i;

function returnsRows({ sql }: Statement): boolean {
  return selecting.test(sql) || showing.test(sql);
}

/** The first row of a SELECT's first page repeats the column names (Athena API, GetQueryResults). */
function hasHeader({ sql }: Statement): boolean {
  return selecting.test(sql);
}

async function readRows(
  { client }: AthenaWarehouseOptions,
  queryId: string,
  header: boolean,
): Promise<StatementResult["rows"] | null> {
  const rows: (string | null)[][] = [];
  try {
    for await (const page of paginateGetQueryResults({ client }, { QueryExecutionId: queryId }))
      for (const row of cellsOf(page)) rows.push(row);
  } catch (error) {
    // its history or the file of its result has expired
    if (error instanceof InvalidRequestException) return null;
    return refused(error);
  }
  return header ? rows.slice(1) : rows;
}

function cellsOf(page: GetQueryResultsCommandOutput): (string | null)[][] {
  return (page.ResultSet?.Rows ?? []).map(({ Data }) =>
    (Data ?? []).map(({ VarCharValue }) => VarCharValue ?? null),
  );
}
