/** What a subscription may select: stored measures, since Athena does not answer once a second. */
import type { GraphQLResolveInfo } from "graphql";
import { SluiceError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import { selectedFields } from "./selection.ts";

/** Throws `NOT_LIVE`, naming the measures that can be subscribed to, when another one is selected at any depth. */
export function requireLiveFields(product: Product, info: GraphQLResolveInfo): void {
  const stored = product.measures.filter((measure) => measure.precomputed).map((measure) => measure.name);
  for (const { name } of selectedFields(info)) {
    const measure = product.measures.find((candidate) => candidate.name === name.value);
    if (measure !== undefined && !measure.precomputed)
      throw new SluiceError(
        "NOT_LIVE",
        `A subscription carries stored measures. "${measure.name}" of ${product.name} is computed by Athena when asked for. Subscribe to ${stored.join(", ") || "another product"}, and query "${measure.name}" on its own.`,
      );
  }
}
