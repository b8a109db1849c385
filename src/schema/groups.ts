/** The types of grouped questions: a product's connection, edge, order and enums; `PageInfo` and `Direction`. */
import { GraphQLSafeInt } from "graphql-scalars";
import { Field, ObjectType, registerEnumType } from "type-graphql";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import type { GroupPage, Insight } from "./context.ts";
import { field, inputField, newInput, newResolver } from "./derive.ts";
import { enumValue } from "./names.ts";

export const DirectionEnum = Object.freeze({ ASC: "ASC", DESC: "DESC" } as const);

registerEnumType(DirectionEnum, {
  name: "Direction",
  description: "Which end of an order comes first. What is unknown (null) comes last either way.",
  valuesConfig: {
    ASC: { description: "Smallest first." },
    DESC: { description: "Largest first." },
  },
});

@ObjectType("PageInfo", { description: "Where a page stands among all groups." })
export class PageInfo {
  @Field(() => Boolean, { description: "Whether groups follow this page." })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: "Whether groups come before this page." })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: "The cursor of the first edge; null on an empty page.",
  })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      "The cursor of the last edge, for `after`; null on an empty page. Cursors pin the edition they page over.",
  })
  endCursor!: string | null;
}

export interface GroupEdge {
  readonly cursor: string;
  readonly node: Insight;
}

/** What a product's grouped question is declared with. */
export interface GroupTypes {
  /** `FlightActivityConnection`; its roots are `GroupPage`s. */
  readonly connection: Class;
  /** `FlightActivityOrder`. */
  readonly order: Class;
  /** `FlightActivityDimension`: enum values stand for properties. */
  readonly dimensions: object;
  readonly resolvers: readonly Class[];
}

const declared = new WeakMap<Product, GroupTypes>();

/** Declared once per product, however many schemas serve it. */
export function groupTypes(product: Product): GroupTypes {
  const types = declared.get(product) ?? declare(product);
  declared.set(product, types);
  return types;
}

function declare(product: Product): GroupTypes {
  const connection = class {};
  const edge = class {};
  ObjectType(`${product.name}Connection`, {
    description: `Groups of ${product.name}, in the order asked for.`,
  })(connection);
  ObjectType(`${product.name}Edge`, { description: `A group of ${product.name} and where it stands.` })(edge);
  return {
    connection,
    order: orderInput(product),
    dimensions: dimensionEnum(product),
    resolvers: [connectionResolver(product, connection, edge), edgeResolver(product, edge)],
  };
}

function dimensionEnum({ name, dimensions }: Product): object {
  return enumOf(
    `${name}Dimension`,
    `What ${name} can be grouped by.`,
    dimensions.map(({ property, description }) => [property, description ?? property]),
  );
}

function orderInput({ name, measures }: Product): Class {
  const measureEnum = enumOf(
    `${name}Measure`,
    `What groups of ${name} can be ordered by.`,
    measures.map((measure) => [measure.name, measure.description]),
  );
  const order = newInput(
    `${name}Order`,
    "By a measure, unknown values last; ties by the dimensions in the order asked for, texts by code point.",
  );
  inputField(order, "measure", { type: () => measureEnum, description: "What orders the groups." });
  Field(() => DirectionEnum, { defaultValue: "DESC", description: "Which end comes first." })(
    order.prototype as object,
    "direction",
  );
  return order;
}

/** An enum whose values are `properties` in SCREAMING_SNAKE_CASE and stand for them. */
function enumOf(
  name: string,
  description: string,
  properties: readonly (readonly [string, string])[],
): object {
  const values = Object.fromEntries(properties.map(([property]) => [enumValue(property), property]));
  registerEnumType(values, {
    name,
    description,
    valuesConfig: Object.fromEntries(
      properties.map(([property, text]) => [enumValue(property), { description: text }]),
    ),
  });
  return values;
}

function connectionResolver(product: Product, connection: Class, edge: Class): Class {
  const resolver = newResolver(connection);
  field<GroupPage>(resolver, {
    name: "edges",
    type: () => [edge],
    description: "The groups of this page, each with its cursor.",
    resolve: ({ nodes, cursors }) => nodes.map((node, i): GroupEdge => ({ node, cursor: cursors[i]! })),
  });
  field<GroupPage>(resolver, {
    name: "nodes",
    type: () => [product.target],
    description: "The groups of this page.",
    resolve: ({ nodes }) => nodes,
  });
  field<GroupPage>(resolver, {
    name: "pageInfo",
    type: () => PageInfo,
    description: "Where the page stands.",
    resolve: ({ hasNextPage, hasPreviousPage, cursors }): PageInfo => ({
      hasNextPage,
      hasPreviousPage,
      startCursor: cursors[0] ?? null,
      endCursor: cursors.at(-1) ?? null,
    }),
  });
  field<GroupPage>(resolver, {
    name: "totalCount",
    type: () => GraphQLSafeInt,
    nullable: true,
    description: "How many groups there are in all; null where only those that lead are known.",
    resolve: ({ totalCount }) => totalCount,
  });
  return resolver;
}

function edgeResolver(product: Product, edge: Class): Class {
  const resolver = newResolver(edge);
  field<GroupEdge>(resolver, {
    name: "cursor",
    type: () => String,
    description:
      "Ask for the groups behind this one with it as `after`. It pins the edition that is paged over.",
    resolve: ({ cursor }) => cursor,
  });
  field<GroupEdge>(resolver, {
    name: "node",
    type: () => product.target,
    description: "The group.",
    resolve: ({ node }) => node,
  });
  return resolver;
}
