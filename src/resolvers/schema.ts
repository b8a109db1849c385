/** The schema of a set of products. */
import type { GraphQLSchema } from "graphql";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import { schemaOf } from "../schema/build.ts";
import { growingMeasures } from "../schema/growth.ts";
import { checkNames, streamedSources } from "../schema/names.ts";
import { AdHocJobResolver } from "./ad-hoc-job.ts";
import { catalogueResolvers } from "./catalogue.ts";
import { eventFeedResolvers } from "./event-feed.ts";
import { growthResolver } from "./growth.ts";
import { groupsResolvers } from "./groups.ts";
import { insightResolver } from "./insight.ts";
import { insightUpdatesResolver } from "./insight-updates.ts";

/** Throws `DeclarationError` when two of them lead to one name. */
export function buildSluiceSchema(products: readonly Product[]): GraphQLSchema {
  checkNames(products);
  return schemaOf([
    ...catalogueResolvers(products),
    AdHocJobResolver,
    ...products.map(insightResolver),
    ...products.filter((product) => growingMeasures(product).length > 0).map(growthResolver),
    ...products.flatMap(groupsResolvers),
    ...products.filter((product) => product.source.stream !== null).map(insightUpdatesResolver),
    ...streamedSources(products).flatMap(eventFeedResolvers),
  ] as [Class, ...Class[]]);
}
