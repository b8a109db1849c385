/** The state of one planned slice: its segments and live items, merged. */
import { emptyState, type State } from "../model/fold.ts";
import { liveKey, mergeBuckets, segmentKey } from "../model/layout.ts";
import type { Product } from "../model/product.ts";
import type { Scope } from "../model/scope.ts";
import type { Serving } from "../model/serving.ts";
import type { Piece, StoredPlan } from "../sql/plan.ts";
import type { SegmentPart } from "./segment-parts.ts";
import type { SegmentLoader, Wanted } from "./segments.ts";

export interface StateOptions {
  readonly product: Product;
  readonly serving: Serving;
  readonly scope: Scope;
  readonly loader: SegmentLoader;
}

/**
 * In the product's order of components, whatever the order in the segments. A component that the segments do not hold
 * counts what is live only.
 */
export async function readState(
  options: StateOptions,
  plan: StoredPlan,
  segments: readonly SegmentPart[],
): Promise<State> {
  const { loader, product, serving } = options;
  const { components } = product;
  const wanted = itemsOf(options, plan, segments);
  const items = await Promise.all(wanted.map((item) => loader.load(item)));
  const state = emptyState(components);
  items.forEach((columns, i) => {
    const { live, piece } = wanted[i]!;
    if (columns !== null)
      mergeBuckets(components, state, live ? columns : serving.arranged(columns), piece.first, piece.end);
  });
  return state;
}

/** The items that a plan is read from, key by key. */
export function itemsOf(
  { product, serving: { shape }, scope }: Omit<StateOptions, "loader">,
  { keys, rollup, live }: StoredPlan,
  segments: readonly SegmentPart[],
): (Wanted & { readonly piece: Piece })[] {
  const stored = { name: product.name, shape };
  return keys.flatMap((key) => [
    ...segments.map((piece) => ({
      piece,
      live: false,
      key: segmentKey(scope, stored, rollup, piece.grain, key, piece.period, piece.edition),
    })),
    ...live.map((piece) => ({ piece, live: true, key: liveKey(scope, product, rollup, key, piece.period) })),
  ]);
}
