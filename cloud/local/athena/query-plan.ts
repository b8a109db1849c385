/** From the text of a query to what DuckDB runs, with its columns and the bytes it will scan. */
import type { Analysis } from "./analysis.ts";
import { scanPlaceholder } from "./analysis.ts";
import { parseTree } from "./ast.ts";
import { shapeOf } from "./catalogue.ts";
import { analyseQuery } from "./query.ts";
import { planScan, type ScanTools } from "./scans.ts";
import { admitTrino } from "./syntax.ts";
import { type Token, untokenize } from "./tokens.ts";
import type { Type } from "./types.ts";

export interface QueryPlan {
  /** Columns are named `c0`, `c1`, …. */
  readonly sql: string;
  readonly columns: readonly { readonly name: string | undefined; readonly type: Type }[];
  readonly scannedBytes: number;
}

/** `tokens` are one query, parameters bound. Rejects `StatementFailed`. */
export async function planQuery(
  tokens: readonly Token[],
  database: string,
  tools: ScanTools,
): Promise<QueryPlan> {
  const sql = untokenize(admitTrino(tokens));
  const tree = await parseTree(tools.planner, sql);
  const analysis = newAnalysis(sql, database, tools);
  const query = analyseQuery(tree, { analysis, named: new Map() });
  query.readAll();
  const scans = await Promise.all(analysis.scans.map((scan) => planScan(scan, tools)));
  return {
    // the function keeps `$` in file names from being read as a pattern
    sql: scans.reduce(
      (written, scan, number) => written.replace(scanPlaceholder(number), () => scan.sql),
      query.sql,
    ),
    columns: query.columns.map(({ name, type }) => ({ name, type })),
    scannedBytes: scans.reduce((sum, scan) => sum + scan.scannedBytes, 0),
  };
}

function newAnalysis(sql: string, database: string, tools: ScanTools): Analysis {
  let aliases = 0;
  return {
    sql,
    database,
    now: new Date(),
    scans: [],
    table: (of, name) => shapeOf(tools.catalogue.table(of, name)),
    freshAlias: () => `r${(aliases += 1)}`,
  };
}
