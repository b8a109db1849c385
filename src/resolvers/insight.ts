/** `flightActivity(where, range)` and the fields of its type. */
import { GraphQLDateTime } from "graphql-scalars";
import { ID } from "type-graphql";
import type { Period } from "../model/period.ts";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import type { Grain } from "../model/time.ts";
import type { Insight } from "../schema/context.ts";
import { field, newResolver, query, resolverOf } from "../schema/derive.ts";
import { GrainEnum } from "../schema/grain.ts";
import { growingMeasures } from "../schema/growth.ts";
import { PeriodEnum } from "../schema/period.ts";
import { growthField } from "./growth.ts";
import { questionArguments, questionOf } from "./question.ts";
import { responsePath } from "./response-path.ts";

export function insightResolver(product: Product): Class {
  const resolver = newResolver(product.target);
  query(resolver, {
    name: product.field,
    type: () => product.target,
    nullable: true,
    description: `${product.description} The measures of one slice over one range.`,
    args: questionArguments(product),
    resolve: (_, args, { session }) => session.insight(questionOf(product, args)),
  });
  for (const { property } of product.dimensions)
    resolverOf<Insight>(resolver, property, (insight) => insight.pinned[property] ?? null);
  for (const { name } of product.measures)
    resolverOf<Insight>(resolver, name, (insight, _, __, info) =>
      insight.measure(name, responsePath(info.path)),
    );
  rangeFields(resolver);
  seriesField(resolver, product);
  previousField(resolver, product);
  if (growingMeasures(product).length > 0) growthField(resolver, product);
  return resolver;
}

/** What every product has besides its dimensions and measures. */
function rangeFields(resolver: Class): void {
  field<Insight>(resolver, {
    name: "id",
    type: () => ID,
    description: "Product, slice and range: client caches merge updates by it.",
    resolve: (insight) => insight.id,
  });
  field<Insight>(resolver, {
    name: "from",
    type: () => GraphQLDateTime,
    description: "Where the range answered begins, UTC: its first instant.",
    resolve: (insight) => insight.range.from,
  });
  field<Insight>(resolver, {
    name: "to",
    type: () => GraphQLDateTime,
    description: "Where the range answered ends, UTC: the first instant after it.",
    resolve: (insight) => insight.range.to,
  });
  field<Insight>(resolver, {
    name: "complete",
    type: () => Boolean,
    description:
      "false where the range reaches before the coverage, past what is known live, or into a bucket whose beginning was not seen. It speaks of the stored fields; ad-hoc fields end at the coverage, `through` in extensions.sluice says where.",
    resolve: (insight) => insight.complete(),
  });
}

function seriesField(resolver: Class, product: Product): void {
  field<Insight>(resolver, {
    name: "series",
    type: () => [product.target],
    nullable: true,
    description:
      "The same slice, one entry per bucket, oldest first; empty buckets included, the edges cut to the range.",
    args: [{ name: "grain", type: () => GrainEnum, description: "How wide the buckets are." }],
    resolve: (insight, { grain }) => insight.series(grain as Grain),
  });
}

function previousField(resolver: Class, product: Product): void {
  field<Insight>(resolver, {
    name: "previous",
    type: () => product.target,
    nullable: true,
    description: "The same slice, the range one period earlier.",
    args: [{ name: "period", type: () => PeriodEnum, description: "How far back." }],
    resolve: (insight, { period }) => insight.previous(period as Period),
  });
}
