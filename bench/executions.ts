/** What Athena's history says of the executions of our workgroup. */
import {
  BatchGetQueryExecutionCommand,
  paginateListQueryExecutions,
  type QueryExecution,
} from "@aws-sdk/client-athena";
import type { Clients } from "../bin/clients.ts";
import { workgroup } from "../cloud/resources.ts";

/** Those that were submitted at or after an instant, in that order. */
export async function executionsSince(
  { athena }: Clients,
  since: number,
): Promise<readonly QueryExecution[]> {
  const found: QueryExecution[] = [];
  const pages = paginateListQueryExecutions({ client: athena }, { WorkGroup: workgroup });
  for await (const { QueryExecutionIds = [] } of pages) {
    if (QueryExecutionIds.length === 0) continue;
    const { QueryExecutions = [] } = await athena.send(
      new BatchGetQueryExecutionCommand({ QueryExecutionIds }),
    );
    found.push(...QueryExecutions.filter((execution) => submittedAt(execution) >= since));
  }
  return found.sort((a, b) => submittedAt(a) - submittedAt(b));
}

/** The most that were at Athena, waiting or running, at one time. */
export function mostAtOnce(executions: readonly QueryExecution[]): number {
  const changes = executions.flatMap((execution) => [
    { at: submittedAt(execution), by: 1 },
    { at: execution.Status?.CompletionDateTime?.getTime() ?? Number.POSITIVE_INFINITY, by: -1 },
  ]);
  // of one millisecond the ends come first: a start has waited for them
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let [now, most] = [0, 0];
  for (const { by } of changes) most = Math.max(most, (now += by));
  return most;
}

const submittedAt = ({ Status }: QueryExecution): number => Status?.SubmissionDateTime?.getTime() ?? 0;
