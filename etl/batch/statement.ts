/** Statements of a refresh. Its operator is told why one failed, which clients of the gateway are not. */
import type { StatementResult, Warehouse } from "../../src/backends/warehouse.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Source } from "../../src/model/source.ts";
import type { RefreshOptions } from "./deps.ts";

/** Rejects `REFRESH` with the warehouse's reason. */
export async function runStatement(
  source: Source,
  sql: string,
  warehouse: Warehouse,
  { signal }: Pick<RefreshOptions, "signal"> = {},
): Promise<StatementResult> {
  const statement = { sql, parameters: [], database: source.database };
  try {
    return await warehouse.run(statement, signal === undefined ? {} : { signal });
  } catch (error) {
    throw refused(sql, error);
  }
}

/** Runs statements one after another. */
export async function runStatements(
  source: Source,
  statements: readonly string[],
  warehouse: Warehouse,
): Promise<void> {
  for (const sql of statements) await runStatement(source, sql, warehouse);
}

const shownCharacters = 2_000;

function refused(sql: string, error: unknown): SluiceError {
  const cause = error instanceof SluiceError ? (error.cause ?? error) : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(
    "REFRESH",
    `The warehouse refused a statement of the refresh: ${reason}\n${sql.slice(0, shownCharacters)}`,
    { cause: error },
  );
}
