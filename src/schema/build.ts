/** From resolver classes to a schema, and from a schema to its text. */
import { type GraphQLNamedType, type GraphQLSchema, lexicographicSortSchema, printSchema } from "graphql";
import { buildSchemaSync, type NonEmptyArray } from "type-graphql";
import type { Class } from "../model/source.ts";

/** The schema that these resolver classes serve; what other schemas of the process declare stays out of it. */
export function schemaOf(resolvers: Readonly<NonEmptyArray<Class>>): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [...resolvers],
    orphanedTypes: [],
    validate: false,
    disableInferringDefaultValues: true,
    pubSub: neverUsed,
  });
  describeRoot(schema.getQueryType(), "Questions. Each is answered from one version of what is published.");
  describeRoot(
    schema.getMutationType(),
    "What clients may change: only what they have set going themselves.",
  );
  describeRoot(
    schema.getSubscriptionType(),
    "What moves, over WebSocket (graphql-transport-ws). Sources without a stream have none of their own.",
  );
  return schema;
}

/** type-graphql asks for one wherever there are subscriptions; ours bring their own `subscribe`. */
const neverUsed = {
  publish: () => {},
  subscribe: () => {
    throw new TypeError("Subscriptions follow the broadcast.");
  },
};

/** type-graphql cannot describe root types. */
function describeRoot(type: GraphQLNamedType | null | undefined, description: string): void {
  if (type) type.description = description;
}

/** The schema's text in an order that depends on names only: what is committed as schema.graphql. */
export function printSluiceSchema(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}
