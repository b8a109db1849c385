/** `flightActivityUpdated(where, range)`: a snapshot, then its newer states; increasing, ending at the latest. */
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import type { Insight, Session } from "../schema/context.ts";
import { newResolver, subscription } from "../schema/derive.ts";
import { comparedWith, requireLiveFields } from "./live-fields.ts";
import { questionArguments, questionOf } from "./question.ts";

export function insightUpdatesResolver(product: Product): Class {
  const resolver = newResolver(product.target);
  subscription<{ session: Session; insight: Insight }>(resolver, {
    name: `${product.field}Updated`,
    type: () => product.target,
    nullable: true,
    description:
      "A snapshot of the slice, then its newer states; increasing, ending at the latest. Slices of live rollups and stored measures only. It also moves when a range that it selects by previous or growth does.",
    args: questionArguments(product),
    subscribe: (args, { live, newSession }, info) => {
      requireLiveFields(product, info);
      return live.insights(questionOf(product, args), newSession, comparedWith(product, info));
    },
    resolve: ({ session, insight }, _, context) => {
      context.session = session;
      return insight;
    },
  });
  return resolver;
}
