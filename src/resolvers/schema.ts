/** The schema of a set of products. */
import type { GraphQLSchema } from "graphql";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import { schemaOf } from "../schema/build.ts";
import { checkNames, streamedSources } from "../schema/names.ts";
import { catalogueResolvers } from "./catalogue.ts";
import { eventFeedResolvers } from "./event-feed.ts";
import { groupsResolvers } from "./groups.ts";
import { insightResolver } from "./insight.ts";
import { insightUpdatesResolver } from "./insight-updates.ts";

/** Throws `DeclarationError` when two of them lead to one name. */
export function buildSluiceSchema(products: readonly Product[]): GraphQLSchema {
  checkNames(products);
  return schemaOf([
    ...catalogueResolvers(products),
    ...products.map(insightResolver),
    ...products.flatMap(groupsResolvers),
    ...products.filter((product) => product.source.stream !== null).map(insightUpdatesResolver),
    ...streamedSources(products).flatMap(eventFeedResolvers),
  ] as [Class, ...Class[]]);
}
