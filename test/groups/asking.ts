/** Grouped questions asked over GraphQL, and the same of plain DuckDB. */
import { type ExecutionResult, graphql, type GraphQLSchema } from "graphql";
import { openSession, type SessionOptions, type Shared } from "../../src/loaders/session.ts";
import { analystScope, type Scope } from "../../src/model/scope.ts";
import type { Provenance, Session } from "../../src/schema/context.ts";
import type { Cloud } from "../batch/cloud.ts";

// answers are held against expectations, not against types
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Answer {
  readonly data: Json;
  readonly codes: readonly unknown[];
  readonly messages: readonly string[];
  readonly provenance: readonly Provenance[];
  /** Statements that the warehouse ran for it. */
  readonly statements: readonly string[];
}

export type Asking = (query: string, variables?: object, scope?: Scope) => Promise<Answer>;

export function asking(
  cloud: Cloud,
  schema: GraphQLSchema,
  shared: Shared,
  options: Pick<SessionOptions, "reads"> = {},
): Asking {
  return async (source, variables = {}, scope = analystScope) => {
    const before = cloud.statements.length;
    const session: Session = openSession(shared, { scope, adHocWaitMs: 60_000, ...options });
    const result: ExecutionResult = await graphql({
      schema,
      source,
      variableValues: variables as Record<string, unknown>,
      contextValue: { scope, session },
    });
    const errors = result.errors ?? [];
    return {
      data: plain(result.data),
      codes: errors.map(({ originalError, extensions }) => codeOf(originalError) ?? extensions["code"]),
      messages: errors.map(({ message }) => message),
      provenance: session.extensions().provenance,
      statements: cloud.statements.slice(before),
    };
  };
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

/** As it goes over the wire. */
function plain(data: unknown): Json {
  return JSON.parse(JSON.stringify(data ?? null));
}

/** Where the fields of an object came from. */
export function sourcesOf({ provenance }: Answer, path: string): string[] {
  return [...new Set(provenance.filter((entry) => entry.path === path).map(({ source }) => source))].sort();
}

/** Rows of plain DuckDB: integers as numbers, timestamps as ISO text. */
export async function rowsOf(cloud: Cloud, sql: string): Promise<Json[]> {
  const result = await cloud.duck.runAndReadAll(sql);
  const names = result.columnNames();
  const types = result.columnTypes().map(String);
  return result
    .getRows()
    .map((row) => Object.fromEntries(names.map((name, i) => [name, plainCell(row[i] as Json, types[i]!)])));
}

function plainCell(cell: Json, type: string): Json {
  if (cell === null) return null;
  if (type === "TIMESTAMP") return new Date(Number(cell.micros / 1000n)).toISOString();
  if (typeof cell === "bigint") return Number(cell);
  return typeof cell === "number" ? cell + 0 : cell;
}
