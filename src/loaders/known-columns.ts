/** The columns that Athena knows: those of the declaration that the published edition was made from. */
import { SluiceError } from "../model/errors.ts";
import { columnsOf } from "../model/expression.ts";
import { aggregatesBehind } from "../model/fold.ts";
import type { Measure, Product } from "../model/product.ts";
import type { Serving } from "../model/serving.ts";

export function columnsBehind(product: Product, { expression }: Measure): string[] {
  return aggregatesBehind(product, expression).flatMap(columnsOf);
}

/** One question that Athena cannot answer must not spoil the statement that others share: `BACKEND_UNAVAILABLE`. */
export function assertKnown(
  product: Product,
  serving: Serving,
  columns: readonly string[],
  asked: string,
): void {
  const unknown = columns.find((property) => !serving.isCatalogued(property));
  if (unknown === undefined) return;
  throw new SluiceError(
    "BACKEND_UNAVAILABLE",
    `What is asked of Athena reads columns that the published edition knows. ${asked} of "${product.name}" needs "${unknown}", which it does not. Run "sluice refresh ${product.name}".`,
  );
}
