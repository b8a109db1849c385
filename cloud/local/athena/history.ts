/**
 * The executions: what was asked, how far it came. One JSON file each.
 *
 * Delivery guarantee: an execution is on disk before its id is given away, and its end before it is shown. One that
 * was queued or running when the process died is FAILED afterwards.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "./files.ts";
import type { ResultColumn, StatementKind } from "./statements.ts";

export type State = "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export interface Execution {
  readonly id: string;
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly kind: StatementKind;
  readonly database: string;
  readonly workGroup: string;
  /** The file of the result as `s3://…`; absent where it stays with the service. */
  readonly outputLocation?: string | undefined;
  readonly token?: string | undefined;
  readonly submittedAtMs: number;
  readonly state: State;
  readonly startedAtMs?: number | undefined;
  readonly completedAtMs?: number | undefined;
  readonly reason?: string | undefined;
  readonly errorCategory?: 1 | 2 | undefined;
  readonly scannedBytes: number;
  readonly columns: readonly ResultColumn[];
  readonly lines: boolean;
  readonly updateCount: number;
  readonly manifestLocation?: string | undefined;
}

export interface History {
  get(id: string): Execution | undefined;
  byToken(token: string): Execution | undefined;
  /** The newest first. */
  list(): Execution[];
  /** Resolves when it is on disk; readers see it from then on. */
  put(execution: Execution): Promise<void>;
}

const retentionMs = 45 * 24 * 3_600_000; // as long as Athena keeps its history

export async function openHistory(folder: string, nowMs: number): Promise<History> {
  await mkdir(folder, { recursive: true });
  const executions = new Map<string, Execution>();
  const tokens = new Map<string, string>();
  const remember = (execution: Execution): void => {
    executions.set(execution.id, execution);
    if (execution.token !== undefined) tokens.set(execution.token, execution.id);
  };
  const put = async (execution: Execution): Promise<void> => {
    await writeWhole(join(folder, `${execution.id}.json`), JSON.stringify(execution));
    remember(execution);
  };
  for (const stored of await readStored(folder, nowMs)) {
    if (isOver(stored)) remember(stored);
    else
      await put({ ...stored, state: "FAILED", errorCategory: 1, completedAtMs: nowMs, reason: interrupted });
  }
  return {
    put,
    get: (id) => executions.get(id),
    byToken: (token) => executions.get(tokens.get(token) ?? ""),
    list: () => [...executions.values()].sort((a, b) => b.submittedAtMs - a.submittedAtMs),
  };
}

const interrupted =
  "GENERIC_INTERNAL_ERROR: the service stopped while the statement was queued or running. Start it again";

export function isOver(execution: Execution): boolean {
  return execution.state !== "QUEUED" && execution.state !== "RUNNING";
}

async function readStored(folder: string, nowMs: number): Promise<Execution[]> {
  const read: Execution[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // left by a write that a crash cut off
    if (name.startsWith(".")) await rm(path, { force: true });
    if (name.startsWith(".") || !name.endsWith(".json")) continue;
    const execution = JSON.parse(await readFile(path, "utf8")) as Execution;
    if (execution.submittedAtMs < nowMs - retentionMs) await rm(path, { force: true });
    else read.push(execution);
  }
  return read;
}
