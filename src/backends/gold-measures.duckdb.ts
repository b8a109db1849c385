/** Stored measures in DuckDB, over a bucket's components. */
import { aggregateId, aggregatesOf, type Expression } from "../model/expression.ts";
import type { Product } from "../model/product.ts";

/** The measure as `readMeasure` of the model reads it; `component` names the column of a component by its position. */
export function measureSql(
  product: Product,
  expression: Expression,
  component: (position: number) => string,
): string {
  if (expression.kind === "ratio") {
    const [numerator, denominator] = [expression.numerator, expression.denominator].map((side) =>
      measureSql(product, product.measure(side).expression, component),
    );
    return quotientSql(numerator!, denominator!);
  }
  const parts = aggregatesOf(expression).map((part) => {
    const id = aggregateId(part);
    return component(product.components.findIndex((candidate) => candidate.id === id));
  });
  return expression.kind === "avg" ? quotientSql(parts[0]!, parts[1]!) : parts[0]!;
}

function quotientSql(a: string, b: string): string {
  return `(CAST(${a} AS DOUBLE) / nullif(${b}, 0))`;
}
