import type { Order } from "./ast.ts";

/** A sort key; NULL comes last both ways unless the query says otherwise, as in Trino. */
export function orderSql(order: Order, sql: string): string {
  const direction = order.type === "DESCENDING" ? "DESC" : "ASC";
  return `${sql} ${direction} ${order.null_order === "NULLS FIRST" ? "NULLS FIRST" : "NULLS LAST"}`;
}
