/** The values of a dimension that has a rollup of its own, as its leaderboards and live items name them. */
import type { Product } from "../model/product.ts";
import type { Value } from "../model/values.ts";
import { planGroups } from "../sql/plan-groups.ts";
import { knownKeys } from "./group-keys.ts";
import type { Workings } from "./insight.ts";
import { resolveRange, type Sights } from "./sight.ts";

/** As text, in no order; null where not all of them are known, or their text is the warehouse's. */
export async function storedValues(
  workings: Workings,
  sights: Sights,
  product: Product,
  dimension: string,
): Promise<readonly string[] | null> {
  const { type } = product.dimensions.find(({ property }) => property === dimension)!;
  if (type === "float" || type === "datetime") return null;
  const sight = await sights.of(product);
  const range = resolveRange(product, sight, [], [dimension], undefined);
  const plan = planGroups(sight.snapshot.serving, [], [dimension], range, sight.view);
  if (plan.kind === "unstored") return null;
  const known = await knownKeys(workings, product, sight.snapshot, plan);
  if (known.kind === "unstored" || !known.whole) return null;
  return known.keys.flatMap(([value]): string[] => textOf(value ?? null));
}

function textOf(value: Value): string[] {
  return value === null ? [] : [String(value)];
}
