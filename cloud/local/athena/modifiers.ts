/** DISTINCT, ORDER BY, OFFSET and LIMIT of one query. */
import { type ExpressionContext, markRead, type OutputColumn } from "./analysis.ts";
import type { Expr, Modifier, Order } from "./ast.ts";
import { StatementFailed, unsupported } from "./failure.ts";
import { analyse } from "./expressions.ts";
import { orderSql } from "./order.ts";
import type { Scope } from "./scope.ts";

export interface Modifiers {
  /** `DISTINCT ` or nothing. */
  readonly distinct: string;
  /** What follows the query. */
  readonly sql: string;
  /** Whether rows are left out, so that conditions from outside must not reach the scans. */
  readonly limited: boolean;
}

type Item = OutputColumn & { readonly sql: string };

/** `items` are the columns of the query, `context` what its expressions may name besides them. */
export function modifiersSql(
  modifiers: readonly Modifier[],
  items: readonly Item[],
  context: ExpressionContext,
): Modifiers {
  let [distinct, sql, limited] = ["", "", false];
  for (const modifier of modifiers) {
    if (modifier.type === "DISTINCT_MODIFIER") {
      if (modifier.distinct_on_targets.length > 0) throw unsupported("DISTINCT ON");
      distinct = "DISTINCT ";
    } else if (modifier.type === "ORDER_MODIFIER") {
      sql += ` ORDER BY ${modifier.orders.map((order) => sortKey(order, items, context)).join(", ")}`;
    } else if (modifier.type === "LIMIT_MODIFIER") {
      limited = true;
      sql += rowCount("LIMIT", modifier.limit) + rowCount("OFFSET", modifier.offset);
    } else throw unsupported(modifier.type);
  }
  return { distinct, sql, limited };
}

function rowCount(word: string, expr: Expr | null): string {
  if (!expr) return "";
  if (expr.class !== "CONSTANT" || (!expr.value.is_null && !/^\d+$/.test(String(expr.value.value)))) {
    throw new StatementFailed(`SYNTAX_ERROR: ${word} takes a whole number`);
  }
  return expr.value.is_null ? "" : ` ${word} ${String(expr.value.value)}`;
}

/** A position, a column of the result, or an expression over either side, in which the result's names come first. */
function sortKey(order: Order, items: readonly Item[], context: ExpressionContext): string {
  const expr = order.expression;
  const position = positionOf(expr, items);
  if (position !== undefined) {
    markRead(context.analysis, items[position - 1]?.reads ?? []);
    return orderSql(order, String(position));
  }
  return orderSql(order, analyse(expr, { ...context, scope: resultScope(items, context.scope) }).sql);
}

function positionOf(expr: Expr, items: readonly Item[]): number | undefined {
  if (expr.class === "CONSTANT") {
    const position = Number(expr.value.value);
    if (expr.value.type.id === "INTEGER" && items[position - 1]) return position;
    throw new StatementFailed(
      `INVALID_COLUMN_REFERENCE: ORDER BY position ${String(expr.value.value)} is not in select list`,
    );
  }
  if (expr.class !== "COLUMN_REF" || expr.column_names.length !== 1) return undefined;
  const found = named(items, expr.column_names);
  return found.length > 0 ? items.indexOf(found[0] as Item) + 1 : undefined;
}

function named(items: readonly Item[], names: readonly string[]): Item[] {
  if (names.length !== 1) return [];
  const found = items.filter((item) => item.name?.toLowerCase() === names[0]?.toLowerCase());
  if (new Set(found.map((item) => item.sql)).size > 1) {
    throw new StatementFailed(`AMBIGUOUS_NAME: Column '${names[0]}' is ambiguous`);
  }
  return found;
}

function resultScope(items: readonly Item[], source: Scope): Scope {
  return {
    column(names, location) {
      const [item] = named(items, names);
      return item ? { ...item, name: item.name ?? "" } : source.column(names, location);
    },
  };
}
