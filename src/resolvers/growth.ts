/** `growth(over)` and the fields of its type: what a measure has changed by since one period before. */
import { Float } from "type-graphql";
import type { Period } from "../model/period.ts";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import type { Insight } from "../schema/context.ts";
import { field, newResolver } from "../schema/derive.ts";
import { growingMeasures, growthType } from "../schema/growth.ts";
import { PeriodEnum } from "../schema/period.ts";
import { responsePath } from "./response-path.ts";

/** A range and the one before it. */
interface Change {
  readonly now: Insight;
  readonly before: Insight;
}

export function growthField(resolver: Class, product: Product): void {
  field<Insight>(resolver, {
    name: "growth",
    type: () => growthType(product),
    nullable: true,
    description:
      "How much the measures have changed since one period before. Values of both ranges are told of in extensions.sluice.",
    args: [{ name: "over", type: () => PeriodEnum, description: "What is compared with." }],
    resolve: async (now, { over }): Promise<Change> => ({ now, before: await now.previous(over as Period) }),
  });
}

export function growthResolver(product: Product): Class {
  const resolver = newResolver(growthType(product));
  for (const { name, description } of growingMeasures(product))
    field<Change>(resolver, {
      name,
      type: () => Float,
      nullable: true,
      description: `Growth of: ${description}`,
      resolve: (change, _, __, info) => growthOf(change, name, responsePath(info.path)),
    });
  return resolver;
}

/** Nothing is asked of a backend for a growth that would compare a part with a whole. */
async function growthOf({ now, before }: Change, name: string, path: readonly string[]) {
  const complete = await Promise.all([now.complete(), before.complete()]);
  if (complete.includes(false)) return null;
  const [value, base] = await Promise.all([now.measure(name, path), before.measure(name, path)]);
  return value === null || base === null || base === 0 ? null : (value - base) / Math.abs(base);
}
