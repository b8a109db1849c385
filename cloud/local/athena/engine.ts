/**
 * DuckDB, locked: two databases in memory that can read and write below the given folders and nothing else. One runs
 * statements, the other parses them, reads footers and selects partitions, so that planning never waits for a query.
 */
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { StatementFailed } from "./failure.ts";
import { text } from "./scope.ts";

/** Where statements are parsed, partitions selected and footers read. Calls queue, so they hold one thread at most. */
export interface Planner {
  rows(sql: string, values?: DuckDBValue[]): Promise<DuckDBValue[][]>;
}

export interface Engine {
  /** A connection for one statement. */
  connect(): Promise<DuckDBConnection>;
  readonly planner: Planner;
  close(): void;
}

/** `folders` are absolute paths without symbolic links. */
export async function openEngine(
  folders: readonly string[],
  threads: number,
  spill: string,
): Promise<Engine> {
  const executing = await lockedInstance(folders, threads, spill);
  const planning = await lockedInstance(folders, 1, spill);
  const connection = await planning.connect();
  let last: Promise<unknown> = Promise.resolve();
  return {
    planner: {
      rows(sql, values) {
        const run = async (): Promise<DuckDBValue[][]> =>
          (await connection.runAndReadAll(sql, values)).getRows();
        const next = last.then(run, run);
        last = next.catch(() => undefined);
        return next;
      },
    },
    async connect() {
      const statement = await executing.connect();
      for (const [setting, value] of progressSettings) await statement.run(`SET ${setting} = ${value}`);
      return statement;
    },
    close() {
      connection.closeSync();
      planning.closeSync();
      executing.closeSync();
    },
  };
}

/** DuckDB tells how far a statement has come when it thinks that it draws a bar. */
const progressSettings = [
  ["enable_progress_bar", "true"],
  ["enable_progress_bar_print", "false"],
  ["progress_bar_time", "0"],
] as const;

async function lockedInstance(
  folders: readonly string[],
  threads: number,
  spill: string,
): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(threads),
    temp_directory: spill,
  });
  const connection = await instance.connect();
  const allowed = folders.map((folder) => text(folder.endsWith("/") ? folder : `${folder}/`));
  for (const setting of [
    // planning counts on it that every scan of the statement is one scan of the plan, and results are in UTC
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL default_null_order = 'nulls_last'",
    "SET GLOBAL scalar_subquery_error_on_multiple_rows = true",
    "SET GLOBAL ieee_floating_point_ops = true",
    `SET GLOBAL allowed_directories = [${allowed.join(", ")}]`,
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL enable_external_access = false",
    `SET GLOBAL allowed_configs = [${progressSettings.map(([name]) => text(name)).join(", ")}]`,
    "SET GLOBAL lock_configuration = true",
  ]) {
    await connection.run(setting);
  }
  connection.closeSync();
  return instance;
}

/** An error of DuckDB as the reason of a failed statement: errors of our own making without DuckDB's prefix. */
export function statementFailure(error: unknown): StatementFailed {
  if (error instanceof StatementFailed) return error;
  const message = error instanceof Error ? error.message : String(error);
  const own = /(?:Invalid Input Error: )?((?:INVALID_\w+|DIVISION_BY_ZERO|NOT_SUPPORTED): [\s\S]*)/.exec(
    message,
  )?.[1];
  if (own !== undefined) return new StatementFailed(own, 2, { cause: error });
  if (/More than one row returned by a subquery/.test(message)) {
    return new StatementFailed("SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows", 2, {
      cause: error,
    });
  }
  if (/out of range|overflow/i.test(message)) return failure("NUMERIC_VALUE_OUT_OF_RANGE", message, error);
  if (/^Binder Error|^Catalog Error|^Parser Error/.test(message))
    return failure("SYNTAX_ERROR", message, error);
  if (/^(Invalid Input|Conversion|Constraint|Out of Range) Error/.test(message))
    return failure("USER_ERROR", message, error);
  return new StatementFailed(`GENERIC_INTERNAL_ERROR: ${message}`, 1, { cause: error });
}

function failure(name: string, message: string, cause: unknown): StatementFailed {
  return new StatementFailed(`${name}: ${message}`, 2, { cause });
}
