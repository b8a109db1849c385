/** How the tests of the embedded Athena ask: the real client, polled until a statement is over. */
import {
  AthenaClient,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  type QueryExecution,
  StartQueryExecutionCommand,
  type StartQueryExecutionCommandInput,
} from "@aws-sdk/client-athena";

export function athenaClient(endpoint: string): AthenaClient {
  return new AthenaClient({
    endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
}

export type Ask = Omit<StartQueryExecutionCommandInput, "QueryString">;

/** Starts a statement and resolves to its id. */
export async function start(client: AthenaClient, sql: string, ask: Ask = {}): Promise<string> {
  const { QueryExecutionId } = await client.send(
    new StartQueryExecutionCommand({ QueryString: sql, ...ask }),
  );
  if (QueryExecutionId === undefined) throw new Error("StartQueryExecution gave no id");
  return QueryExecutionId;
}

/** Resolves when the execution is over, to what it became. */
export async function outcome(client: AthenaClient, id: string): Promise<QueryExecution> {
  for (;;) {
    const { QueryExecution: execution } = await client.send(
      new GetQueryExecutionCommand({ QueryExecutionId: id }),
    );
    const state = execution?.Status?.State;
    if (execution && state !== "QUEUED" && state !== "RUNNING") return execution;
    await new Promise((resolve) => setTimeout(resolve, state === undefined ? 0 : 15));
  }
}

export interface Answer {
  readonly execution: QueryExecution;
  readonly columns: readonly string[];
  readonly types: readonly string[];
  /** Without the header row. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Runs a query to its end and reads all pages. Rejects with the reason where it does not succeed. */
export async function query(client: AthenaClient, sql: string, ask: Ask = {}): Promise<Answer> {
  const execution = await outcome(client, await start(client, sql, ask));
  if (execution.Status?.State !== "SUCCEEDED")
    throw new Error(execution.Status?.StateChangeReason ?? "no reason");
  return results(client, execution);
}

export async function results(client: AthenaClient, execution: QueryExecution): Promise<Answer> {
  const rows: (string | null)[][] = [];
  let columns: { name: string; type: string }[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new GetQueryResultsCommand({ QueryExecutionId: execution.QueryExecutionId, NextToken: token }),
    );
    const info = page.ResultSet?.ResultSetMetadata?.ColumnInfo ?? [];
    columns = info.map(({ Name = "", Type = "" }) => ({ name: Name, type: Type }));
    for (const row of page.ResultSet?.Rows ?? [])
      rows.push((row.Data ?? []).map((datum) => datum.VarCharValue ?? null));
    token = page.NextToken;
  } while (token !== undefined);
  const isQuery = execution.StatementType === "DML";
  return {
    execution,
    columns: columns.map(({ name }) => name),
    types: columns.map(({ type }) => type),
    rows: isQuery ? rows.slice(1) : rows,
  };
}

/** The reason for which a statement fails. Rejects where it succeeds. */
export async function failure(client: AthenaClient, sql: string, ask: Ask = {}): Promise<string> {
  const execution = await outcome(client, await start(client, sql, ask));
  if (execution.Status?.State === "SUCCEEDED") throw new Error(`succeeded: ${sql}`);
  return execution.Status?.StateChangeReason ?? "";
}
