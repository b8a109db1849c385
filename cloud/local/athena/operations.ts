/** The operations of Athena that are answered, between their JSON and the executions. */
import { randomUUID } from "node:crypto";
import type { Catalogue } from "./catalogue.ts";
import type { Executions } from "./executions.ts";
import { StatementFailed } from "./failure.ts";
import { pathOf } from "./files.ts";
import type { Execution, History } from "./history.ts";
import { parameterFault } from "./parameters.ts";
import {
  type Input,
  InvalidRequest,
  type Operation,
  optionalString,
  stringField,
  stringsField,
  structField,
} from "./protocol.ts";
import { queryExecution, resultPage, runtimeStatistics } from "./replies.ts";
import { statementKind } from "./statements.ts";
import type { WorkGroup, WorkGroupConfiguration, WorkGroups } from "./workgroups.ts";

export interface OperationTools {
  readonly history: History;
  readonly executions: Executions;
  readonly workGroups: WorkGroups;
  readonly catalogue: Catalogue;
  readonly s3Folder: string;
}

/** Operations by name. Each throws `InvalidRequest` for what Athena answers with HTTP 400. */
export function athenaOperations(tools: OperationTools): ReadonlyMap<string, Operation> {
  return new Map<string, Operation>([
    ["StartQueryExecution", starter(tools)],
    ["GetQueryExecution", async (input) => ({ QueryExecution: queryExecution(known(input, tools)) })],
    ["BatchGetQueryExecution", async (input) => batchGetQueryExecution(input, tools)],
    ["ListQueryExecutions", async (input) => listQueryExecutions(input, tools)],
    ["GetQueryResults", (input) => resultPage(known(input, tools), input, tools.executions)],
    [
      "GetQueryRuntimeStatistics",
      async (input) => ({ QueryRuntimeStatistics: runtimeStatistics(known(input, tools)) }),
    ],
    ["StopQueryExecution", (input) => tools.executions.stop(known(input, tools).id)],
    ["CreateWorkGroup", (input) => createWorkGroup(input, tools)],
    [
      "GetWorkGroup",
      async (input) => ({ WorkGroup: describe(tools.workGroups.get(stringField(input, "WorkGroup"))) }),
    ],
    ["DeleteWorkGroup", async (input) => tools.workGroups.delete(stringField(input, "WorkGroup"))],
    ["ListWorkGroups", async () => ({ WorkGroups: tools.workGroups.list().map(summary) })],
  ]);
}

function known(input: Input, tools: OperationTools): Execution {
  const id = stringField(input, "QueryExecutionId");
  const found = tools.history.get(id);
  if (!found) throw new InvalidRequest(`QueryExecution ${id} was not found`);
  return tools.executions.soFar(found);
}

const maxQueryBytes = 262_144; // Athena's limit

function starter(tools: OperationTools): Operation {
  // executions on their way to disk, by token: two equal requests at once are one execution
  const pending = new Map<string, { readonly execution: Execution; readonly submitted: Promise<void> }>();
  return async (input) => {
    const execution = requestedExecution(input, tools);
    const { token } = execution;
    if (token === undefined) {
      await tools.executions.submit(execution, cutoffOf(execution, tools));
      return { QueryExecutionId: execution.id };
    }
    const earlier = tools.history.byToken(token);
    if (earlier) return { QueryExecutionId: sameRequest(earlier, execution) };
    const underWay = pending.get(token) ?? {
      execution,
      submitted: tools.executions.submit(execution, cutoffOf(execution, tools)),
    };
    pending.set(token, underWay);
    await underWay.submitted.finally(() => pending.delete(token));
    return { QueryExecutionId: sameRequest(underWay.execution, execution) };
  };
}

function cutoffOf(execution: Execution, tools: OperationTools): number | undefined {
  return tools.workGroups.get(execution.workGroup).configuration.BytesScannedCutoffPerQuery;
}

function sameRequest(earlier: Execution, requested: Execution): string {
  const identity = ({ sql, parameters, database, workGroup }: Execution) =>
    JSON.stringify([sql, parameters, database, workGroup]);
  if (identity(earlier) === identity(requested)) return earlier.id;
  throw new InvalidRequest(
    "Idempotent parameters do not match: a ClientRequestToken belongs to one query string, its parameters, database and workgroup",
  );
}

function requestedExecution(input: Input, tools: OperationTools): Execution {
  const sql = stringField(input, "QueryString");
  const parameters = stringsField(input, "ExecutionParameters");
  const workGroup = tools.workGroups.get(optionalString(input, "WorkGroup") ?? "primary");
  checkRequest(sql, parameters);
  const id = randomUUID();
  return {
    id,
    sql,
    parameters,
    kind: statementKind(sql),
    database: (
      optionalString(structField(input, "QueryExecutionContext"), "Database") ?? "default"
    ).toLowerCase(),
    workGroup: workGroup.name,
    outputLocation: outputLocation(input, workGroup, id, tools),
    token: optionalString(input, "ClientRequestToken"),
    submittedAtMs: Date.now(),
    state: "QUEUED",
    scannedBytes: 0,
    columns: [],
    lines: false,
    updateCount: 0,
  };
}

function checkRequest(sql: string, parameters: readonly string[]): void {
  const bytes = Buffer.byteLength(sql);
  if (bytes < 1 || bytes > maxQueryBytes)
    throw new InvalidRequest(`QueryString has 1 to ${maxQueryBytes} bytes, this one ${bytes}`);
  for (const parameter of parameters) {
    const fault = parameterFault(parameter);
    if (fault !== undefined) throw new InvalidRequest(`INVALID_PARAMETER: ${fault}`);
  }
}

function outputLocation(
  input: Input,
  workGroup: WorkGroup,
  id: string,
  { s3Folder }: OperationTools,
): string | undefined {
  const own = optionalString(structField(input, "ResultConfiguration"), "OutputLocation");
  const ofGroup = workGroup.configuration.ResultConfiguration?.OutputLocation;
  const chosen = workGroup.configuration.EnforceWorkGroupConfiguration ? (ofGroup ?? own) : (own ?? ofGroup);
  if (chosen === undefined) return undefined;
  try {
    pathOf(s3Folder, chosen);
  } catch (error) {
    if (error instanceof StatementFailed) throw new InvalidRequest(`OutputLocation: ${error.message}`);
    throw error;
  }
  return `${chosen.replace(/\/?$/, "/")}${id}.csv`;
}

const maxBatch = 50; // ids, Athena's limit

function batchGetQueryExecution(input: Input, tools: OperationTools): unknown {
  const ids = stringsField(input, "QueryExecutionIds");
  if (ids.length < 1 || ids.length > maxBatch)
    throw new InvalidRequest(`QueryExecutionIds has 1 to ${maxBatch} ids, got ${ids.length}`);
  const found = ids.flatMap((id) => tools.history.get(id) ?? []);
  const missing = ids.filter((id) => !tools.history.get(id));
  return {
    QueryExecutions: found.map((one) => queryExecution(tools.executions.soFar(one))),
    UnprocessedQueryExecutionIds: missing.map((id) => ({
      QueryExecutionId: id,
      ErrorCode: "INVALID_INPUT",
      ErrorMessage: `QueryExecution ${id} was not found`,
    })),
  };
}

function listQueryExecutions(input: Input, tools: OperationTools): unknown {
  const workGroup = optionalString(input, "WorkGroup") ?? "primary";
  const limit = Math.min(50, Math.max(1, Number(input["MaxResults"] ?? 50)));
  const from = Number(optionalString(input, "NextToken") ?? 0);
  if (!Number.isSafeInteger(from) || from < 0)
    throw new InvalidRequest("NextToken is not one that ListQueryExecutions gave");
  const ids = tools.history
    .list()
    .filter((one) => one.workGroup === workGroup)
    .map((one) => one.id);
  const next = from + limit < ids.length ? { NextToken: String(from + limit) } : {};
  return { QueryExecutionIds: ids.slice(from, from + limit), ...next };
}

async function createWorkGroup(input: Input, tools: OperationTools): Promise<void> {
  const name = stringField(input, "Name");
  if (!/^[\w.-]{1,128}$/.test(name))
    throw new InvalidRequest(`Name has 1 to 128 of letters, digits, "_", "." and "-", got ${name}`);
  const configuration = structField(input, "Configuration") as WorkGroupConfiguration;
  await tools.workGroups.create({
    name,
    configuration,
    createdAt: Date.now(),
    description: optionalString(input, "Description"),
  });
}

function describe(group: WorkGroup): unknown {
  return { ...summary(group), Configuration: group.configuration };
}

function summary(group: WorkGroup): Record<string, unknown> {
  return {
    Name: group.name,
    State: "ENABLED",
    Description: group.description,
    CreationTime: group.createdAt / 1000,
  };
}
