/**
 * Athena: a statement is started, polled to its end, and its result read page by page.
 *
 * Delivery guarantee: a call starts one execution, however often the SDK sends it (its token is the call's own); whoever
 * leaves early, by signal or timeout, stops it.
 */
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  type GetQueryResultsCommandOutput,
  paginateGetQueryResults,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
  TooManyRequestsException,
} from "@aws-sdk/client-athena";
import { SluiceError } from "../model/errors.ts";
import type { Statement, StatementResult, Warehouse } from "./warehouse.ts";

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

export function athenaWarehouse(options: AthenaWarehouseOptions): Warehouse {
  return {
    run: async (statement, limits = {}) => {
      if (limits.signal?.aborted === true) throw cancelled("nobody waits for it");
      const queryId = await start(options, statement);
      const execution = await toItsEnd(options, queryId, limits);
      return {
        queryId,
        rows: returnsRows(statement) ? await readRows(options, queryId, hasHeader(statement)) : [],
        bytesScanned: execution.Statistics?.DataScannedInBytes ?? 0,
        engineMs: execution.Statistics?.EngineExecutionTimeInMillis ?? 0,
      };
    },
  };
}

async function start(options: AthenaWarehouseOptions, statement: Statement): Promise<string> {
  const answer = await options.client
    .send(
      new StartQueryExecutionCommand({
        QueryString: statement.sql,
        ClientRequestToken: options.token(),
        QueryExecutionContext: { Database: statement.database },
        WorkGroup: options.workgroup,
        ResultConfiguration: { OutputLocation: options.output },
        ...(statement.parameters.length > 0 && { ExecutionParameters: [...statement.parameters] }),
      }),
    )
    .catch(refused);
  if (answer.QueryExecutionId === undefined) throw failed("Athena started a statement without naming it.");
  return answer.QueryExecutionId;
}

function refused(cause: unknown): never {
  if (cause instanceof TooManyRequestsException)
    throw new SluiceError(
      "AD_HOC_THROTTLED",
      "The warehouse is running as many statements as it may. Ask again in a minute.",
      { cause },
    );
  throw failed(cause);
}

/** The reason may quote the statement and locations: it is the `cause`, for the log, not for clients. */
function failed(reason: unknown): SluiceError {
  return new SluiceError(
    "AD_HOC_FAILED",
    "The warehouse could not run the statement. Ask again; if it fails again, the gateway's log has the reason.",
    { cause: reason instanceof Error ? reason : new Error(String(reason)) },
  );
}

/** Resolves to the execution that succeeded; rejects for any other end, having stopped what still runs. */
async function toItsEnd(
  options: AthenaWarehouseOptions,
  queryId: string,
  { signal, timeoutMs = defaultTimeoutMs }: RunOptions,
): Promise<QueryExecution> {
  const deadline = options.clock() + timeoutMs;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(longestPollMs, pollMs * pollGrowth)) {
    if (signal?.aborted === true) throw await stopped(options, queryId, cancelled("nobody waits for it"));
    const execution = await poll(options, queryId);
    const ended = execution === null ? null : endOf(execution);
    if (ended instanceof SluiceError) throw ended;
    if (ended !== null) return ended;
    if (options.clock() >= deadline) throw await stopped(options, queryId, timedOut(timeoutMs));
    await untilAborted(options.wait(pollMs), signal);
  }
}

/** The execution as it is now; null when Athena is too busy to say. */
async function poll(options: AthenaWarehouseOptions, queryId: string): Promise<QueryExecution | null> {
  try {
    const answer = await options.client.send(new GetQueryExecutionCommand({ QueryExecutionId: queryId }));
    return answer.QueryExecution ?? null;
  } catch (error) {
    if (error instanceof TooManyRequestsException || (error as Error).name === "ThrottlingException")
      return null;
    throw failed(error);
  }
}

/** The execution if it succeeded, the error if it ended otherwise, null while it runs. */
function endOf(execution: QueryExecution): QueryExecution | SluiceError | null {
  const reason = execution.Status?.StateChangeReason ?? "Athena gave no reason.";
  switch (execution.Status?.State) {
    case "SUCCEEDED":
      return execution;
    case "FAILED":
      return failed(reason);
    case "CANCELLED":
      return cancelled(reason);
    default:
      return null;
  }
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

/** Stops the execution and resolves to the error to throw: that it could not be stopped must not hide it. */
async function stopped(
  { client }: AthenaWarehouseOptions,
  queryId: string,
  error: SluiceError,
): Promise<SluiceError> {
  await client.send(new StopQueryExecutionCommand({ QueryExecutionId: queryId })).catch(() => {});
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
): Promise<StatementResult["rows"]> {
  const rows: (string | null)[][] = [];
  try {
    for await (const page of paginateGetQueryResults({ client }, { QueryExecutionId: queryId }))
      for (const row of cellsOf(page)) rows.push(row);
  } catch (error) {
    throw failed(error);
  }
  return header ? rows.slice(1) : rows;
}

function cellsOf(page: GetQueryResultsCommandOutput): (string | null)[][] {
  return (page.ResultSet?.Rows ?? []).map(({ Data }) =>
    (Data ?? []).map(({ VarCharValue }) => VarCharValue ?? null),
  );
}
