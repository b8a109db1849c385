/** Executions run in the order they came, a few at a time; a stop frees the slot at once. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type Engine, statementFailure } from "./engine.ts";
import { pathOf } from "./files.ts";
import { type Execution, type History, isOver } from "./history.ts";
import {
  type Running,
  runStatement,
  type StatementInput,
  type StatementOutcome,
  type StatementTools,
} from "./statements.ts";

export interface Executions {
  /** Resolves when the execution is on disk; it runs later. `cutoffBytes` is what it may scan. */
  submit(execution: Execution, cutoffBytes: number | undefined): Promise<void>;
  /** Resolves when the execution is CANCELLED; one that is over stays as it is. */
  stop(id: string): Promise<void>;
  /** The execution with what it has scanned so far, where it runs. */
  soFar(execution: Execution): Execution;
  /** The file of the result. */
  resultFile(execution: Execution): string;
  /** Stops what runs and what waits. */
  close(): Promise<void>;
}

// Executions at a time; the rest waits. Each holds one of libuv's 4 threads, and file access needs one as well
const maxRunning = 3;
const interruptEveryMs = 20; // an interrupt before DuckDB has begun is lost

export interface ExecutionTools extends StatementTools {
  readonly engine: Engine;
  readonly history: History;
  readonly folder: string;
}

interface Task {
  execution: Execution;
  readonly cutoffBytes: number | undefined;
  connection?: DuckDBConnection;
  stopped: boolean;
  /** Settles when the slot is free. */
  run?: Promise<void>;
}

class Stopped extends Error {}

/** The limit of the workgroup was exceeded. */
class CutOff extends Error {}

export function createExecutions(tools: ExecutionTools): Executions {
  const waiting: Task[] = [];
  const tasks = new Map<string, Task>();
  let running = 0;

  const startNext = (): void => {
    const task = running < maxRunning ? waiting.shift() : undefined;
    if (!task) return;
    running += 1;
    task.run = runTask(task, tools).finally(() => {
      running -= 1;
      tasks.delete(task.execution.id);
      startNext();
    });
    startNext();
  };

  const stop = async (id: string): Promise<void> => {
    const task = tasks.get(id);
    if (!task || task.stopped || isOver(task.execution)) return;
    task.stopped = true;
    const at = waiting.indexOf(task);
    if (at >= 0) waiting.splice(at, 1);
    const { scannedBytes } = scannedSoFar(task);
    await settle(task, { state: "CANCELLED", reason: "Query cancelled by user", scannedBytes }, tools);
    if (task.run) void interruptUntilDone(task, task.run);
    else tasks.delete(id);
  };

  return {
    stop,
    async submit(execution, cutoffBytes) {
      await tools.history.put(execution);
      const task: Task = { execution, cutoffBytes, stopped: false };
      tasks.set(execution.id, task);
      waiting.push(task);
      startNext();
    },
    soFar(execution) {
      const task = tasks.get(execution.id);
      return task === undefined || isOver(execution) ? execution : { ...execution, ...scannedSoFar(task) };
    },
    resultFile: (execution) => inputOf(execution, tools).files.result,
    async close() {
      const runs = [...tasks.values()].flatMap((task) => task.run ?? []);
      await Promise.all([...tasks.keys()].map(stop));
      await Promise.all(runs);
    },
  };
}

/** Of what it is going to scan the share that DuckDB has come to. */
function scannedSoFar({ execution, connection }: Task): Pick<Execution, "scannedBytes"> {
  const share = (connection?.progress.percentage ?? 0) / 100;
  return { scannedBytes: Math.floor(execution.scannedBytes * Math.min(1, Math.max(0, share))) };
}

async function interruptUntilDone(task: Task, run: Promise<void>): Promise<void> {
  const again = setInterval(() => task.connection?.interrupt(), interruptEveryMs);
  task.connection?.interrupt();
  await run.finally(() => clearInterval(again));
}

async function runTask(task: Task, tools: ExecutionTools): Promise<void> {
  const input = inputOf(task.execution, tools);
  try {
    await settle(task, { state: "RUNNING", startedAtMs: Date.now() }, tools);
    const outcome = await runStatement(input, tools, watch(task, tools.engine));
    if (!task.stopped) await settle(task, succeeded(outcome, task.execution), tools);
  } catch (error) {
    if (!task.stopped) await settle(task, failed(error), tools).catch(() => undefined);
  } finally {
    const { connection } = task;
    delete task.connection; // no interrupt may reach it any more
    connection?.closeSync();
    await rm(input.files.aside, { force: true }).catch(() => undefined);
  }
}

function watch(task: Task, engine: Engine): Running {
  return {
    willScan(bytes) {
      task.execution = { ...task.execution, scannedBytes: bytes };
      if (task.cutoffBytes !== undefined && bytes > task.cutoffBytes) throw new CutOff();
    },
    async connect() {
      if (task.stopped) throw new Stopped();
      const connection = await engine.connect();
      task.connection = connection;
      return connection;
    },
  };
}

function succeeded(outcome: StatementOutcome, execution: Execution): Partial<Execution> {
  const { columns, lines, updateCount } = outcome;
  const manifestLocation = outcome.hasManifest
    ? execution.outputLocation?.replace(/\.csv$/, "-manifest.csv")
    : undefined;
  return { state: "SUCCEEDED", columns, lines, updateCount, manifestLocation };
}

function failed(error: unknown): Partial<Execution> {
  if (error instanceof CutOff) {
    return { state: "CANCELLED", reason: "Query cancelled! : Bytes scanned limit was exceeded" };
  }
  const { message, category } = statementFailure(error);
  return { state: "FAILED", reason: message, errorCategory: category };
}

async function settle(task: Task, change: Partial<Execution>, tools: ExecutionTools): Promise<void> {
  const next: Execution = { ...task.execution, ...change };
  task.execution = isOver(next) ? { ...next, completedAtMs: Date.now() } : next;
  await tools.history.put(task.execution);
}

function inputOf(execution: Execution, tools: ExecutionTools): StatementInput {
  const { id, outputLocation } = execution;
  const own = join(tools.folder, "results", id);
  const result = outputLocation === undefined ? own : pathOf(tools.s3Folder, outputLocation);
  const manifest =
    outputLocation === undefined ? `${own}-manifest` : result.replace(/\.csv$/, "-manifest.csv");
  const aside = join(tools.stagingFolder, id);
  return {
    sql: execution.sql,
    parameters: execution.parameters,
    database: execution.database,
    files: { result, aside, manifest },
  };
}
