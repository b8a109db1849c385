/** One statement, from its text to its outcome: which kind it is decides what runs. Other kinds are refused. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { createTableAs } from "./create-table-as.ts";
import { runDdl } from "./ddl.ts";
import { silent } from "./ddl-syntax.ts";
import { unsupported } from "./failure.ts";
import { bindParameters } from "./parameters.ts";
import { planQuery, type QueryPlan } from "./query-plan.ts";
import { csvLine, writeResult } from "./results.ts";
import type { ScanTools } from "./scans.ts";
import { isSymbol, isWord, type Token, tokenize, TokenReader } from "./tokens.ts";
import { type Type, typeText } from "./types.ts";
import { parseUnload, requireEmpty, unload, type UnloadTarget } from "./unload.ts";

export type StatementKind = "DDL" | "DML" | "UTILITY";

export interface StatementInput {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly database: string;
  /** Where the result goes, and where it is written before it is whole. */
  readonly files: { readonly result: string; readonly aside: string; readonly manifest: string };
}

export interface StatementTools extends ScanTools {
  readonly stagingFolder: string;
  /** Runs definitions one after the other. */
  exclusively<T>(change: () => Promise<T>): Promise<T>;
}

/** How a statement is watched and stopped while it runs. */
export interface Running {
  /** Opens the connection that a stop interrupts. Rejects when the statement was stopped. */
  connect(): Promise<DuckDBConnection>;
  /** Told before anything is scanned; throws where the workgroup's limit forbids it. */
  willScan(bytes: number): void;
}

export interface ResultColumn {
  readonly name: string;
  readonly type: Type | { readonly kind: "string" };
}

export interface StatementOutcome {
  readonly columns: readonly ResultColumn[];
  /** Whether the file is lines of text and not CSV with a header. */
  readonly lines: boolean;
  readonly updateCount: number;
  readonly hasManifest: boolean;
}

/** What Athena calls the statement, from its first word. */
export function statementKind(sql: string): StatementKind {
  const word = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? "";
  if (["create", "drop", "alter", "msck"].includes(word))
    return /\bas\s+(select|with)\b/i.test(sql) ? "DML" : "DDL";
  return ["show", "explain", "describe"].includes(word) ? "UTILITY" : "DML";
}

/** Runs one statement. Rejects `StatementFailed`, or with what DuckDB said. */
export async function runStatement(
  input: StatementInput,
  tools: StatementTools,
  running: Running,
): Promise<StatementOutcome> {
  const tokens = withoutSemicolon(tokenize(input.sql));
  const [first] = tokens;
  if (isWord(first, "select", "with", "values") || isSymbol(first, "("))
    return runQuery(tokens, input, tools, running);
  if (isWord(first, "unload")) return runUnload(tokens, input, tools, running);
  if (isWord(first, "create", "drop", "alter", "msck", "show"))
    return runDefinition(tokens, input, tools, running);
  throw unsupported(
    `the statement ${first?.text ?? "without words"}`,
    "Admitted: SELECT, UNLOAD, CREATE, DROP, ALTER TABLE, SHOW, MSCK",
  );
}

function withoutSemicolon(tokens: Token[]): Token[] {
  return isSymbol(tokens.at(-1), ";") ? tokens.slice(0, -1) : tokens;
}

async function runQuery(
  tokens: readonly Token[],
  input: StatementInput,
  tools: StatementTools,
  running: Running,
): Promise<StatementOutcome> {
  const plan = await planQuery(bindParameters(tokens, input.parameters), input.database, tools);
  running.willScan(plan.scannedBytes);
  const connection = await running.connect();
  const columns = plan.columns.map(({ name, type }, index) => ({
    name: name ?? `_col${index}`,
    type: known(type),
  }));
  const names = columns.map((column) => column.name);
  const { result, aside } = input.files;
  await writeResult(connection, plan, names, { final: result, aside });
  return { columns, lines: false, updateCount: 0, hasManifest: false };
}

// a column of NULLs only: Athena shows it as varchar
function known(type: Type): Type {
  return typeText(type) === "unknown" ? { kind: "varchar" } : type;
}

async function runUnload(
  tokens: readonly Token[],
  input: StatementInput,
  tools: StatementTools,
  running: Running,
): Promise<StatementOutcome> {
  const { query, target } = parseUnload(new TokenReader(bindParameters(tokens, input.parameters)));
  await requireEmpty(tools.s3Folder, target.location);
  const plan = await planQuery(query, input.database, tools);
  return writeParquet(plan, target, input, tools, running);
}

async function writeParquet(
  plan: QueryPlan,
  target: UnloadTarget,
  input: StatementInput,
  tools: StatementTools,
  running: Running,
): Promise<StatementOutcome> {
  running.willScan(plan.scannedBytes);
  const connection = await running.connect();
  const { rows, files } = await unload(connection, plan, target, {
    s3: tools.s3Folder,
    staging: tools.stagingFolder,
  });
  await writeLines(input.files.manifest, input.files.aside, files);
  await writeLines(input.files.result, input.files.aside, [csvLine(["rows"]).trim()]);
  return {
    columns: [{ name: "rows", type: { kind: "bigint" } }],
    lines: false,
    updateCount: rows,
    hasManifest: true,
  };
}

async function runDefinition(
  tokens: readonly Token[],
  input: StatementInput,
  tools: StatementTools,
  running: Running,
): Promise<StatementOutcome> {
  if (isWord(tokens[0], "create") && isWord(tokens[1], "table")) {
    const bound = bindParameters(tokens, input.parameters);
    const statement = await createTableAs(new TokenReader(bound), input, tools);
    if (!statement) return defined(silent, input);
    const outcome = await writeParquet(statement.plan, statement.target, input, tools, running);
    await tools.exclusively(() => statement.register());
    return outcome;
  }
  if (input.parameters.length > 0) throw unsupported("execution parameters in a definition");
  const result = await tools.exclusively(() =>
    runDdl(new TokenReader(tokens), { ...tools, database: input.database }),
  );
  return defined(result, input);
}

async function defined(
  result: { column: string; lines: readonly string[] },
  input: StatementInput,
): Promise<StatementOutcome> {
  await writeLines(input.files.result, input.files.aside, result.lines);
  return {
    columns: [{ name: result.column, type: { kind: "string" } }],
    lines: true,
    updateCount: 0,
    hasManifest: false,
  };
}

async function writeLines(path: string, aside: string, lines: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(aside, lines.map((line) => `${line}\n`).join(""));
  await rename(aside, path);
}
