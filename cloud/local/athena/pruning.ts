/**
 * Which partitions a condition can select. A condition is weakened to what it says about the partition columns of
 * one scan: `day = 'a' OR (day = 'b' AND n > 5)` becomes `day = 'a' OR day = 'b'`, and what says nothing becomes TRUE.
 */
import type { ExpressionContext, Scan } from "./analysis.ts";
import type { Expr } from "./ast.ts";
import { analyse } from "./expressions.ts";
import { NotAPartition, partitionScope, type Relation } from "./scope.ts";

/** Narrows the scans behind `relations` by a condition that every row of the result must meet. */
export function prune(expr: Expr, relations: readonly Relation[], context: ExpressionContext): void {
  const numbers = new Set(
    relations.flatMap((relation) => relation.columns.flatMap((c) => [...c.partitions.keys()])),
  );
  for (const number of numbers) {
    const scan = context.analysis.scans[number];
    const weakened = scan && weaken(expr, scan, context);
    if (scan && weakened !== undefined) scan.partitionConditions.add(weakened);
  }
}

function weaken(expr: Expr, scan: Scan, context: ExpressionContext): string | undefined {
  if (expr.class !== "CONJUNCTION") return overPartitions(expr, scan, context);
  const parts = expr.children.map((child) => weaken(child, scan, context));
  const known = parts.filter((part) => part !== undefined);
  if (expr.type === "CONJUNCTION_AND") return known.length > 0 ? `(${known.join(" AND ")})` : undefined;
  return known.length === parts.length ? `(${known.join(" OR ")})` : undefined;
}

function overPartitions(expr: Expr, scan: Scan, context: ExpressionContext): string | undefined {
  const scope = partitionScope(context.scope, scan.number);
  try {
    return analyse(expr, { ...context, scope, partitionsOnly: true, onColumn: () => undefined }).sql;
  } catch (error) {
    if (error instanceof NotAPartition) return undefined;
    throw error;
  }
}

/** The same relations where a row may be missing (the far side of an outer join): later conditions must not prune them. */
export function unprunable(relations: readonly Relation[]): Relation[] {
  return relations.map((relation) => ({
    ...relation,
    columns: relation.columns.map((column) => ({ ...column, partitions: new Map() })),
  }));
}
