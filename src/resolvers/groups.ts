/** `flightActivityBy(dimensions, where, range, orderBy, first, after)`: a product's measures by group. */
import type { GraphQLResolveInfo } from "graphql";
import { Int } from "type-graphql";
import { UserInputError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";
import type { GroupsQuestion } from "../schema/context.ts";
import { type Argument, type Arguments, newResolver, query } from "../schema/derive.ts";
import { type GroupTypes, groupTypes } from "../schema/groups.ts";
import { groupsField } from "../schema/names.ts";
import { questionArguments, questionOf } from "./question.ts";
import { responsePath } from "./response-path.ts";
import { fieldsAt } from "./selection.ts";

/** Of a product without dimensions there is nothing to group by. */
export function groupsResolvers(product: Product): readonly Class[] {
  if (product.dimensions.length === 0) return [];
  const types = groupTypes(product);
  const resolver = newResolver(types.connection);
  query(resolver, {
    name: groupsField(product),
    type: () => types.connection,
    nullable: true,
    description: `${product.description} Grouped: one node per distinct combination of the dimensions that has events; an unknown (null) dimension is a group of its own.`,
    args: [...groupArguments(types), ...questionArguments(product), ...pageArguments(types)],
    resolve: (_, args, { session }, info) => session.groups(groupsQuestion(product, args, info)),
  });
  return [resolver, ...types.resolvers];
}

function groupArguments({ dimensions }: GroupTypes): readonly Argument[] {
  return [
    {
      name: "dimensions",
      type: () => [dimensions],
      description: "What is grouped by: at least one. Ties are broken by these, in this order.",
    },
  ];
}

function pageArguments({ order }: GroupTypes): readonly Argument[] {
  return [
    {
      name: "orderBy",
      type: () => order,
      nullable: true,
      description:
        "What orders the groups. Without it: the dimensions, texts by code point, unknown ones last.",
    },
    {
      name: "first",
      type: () => Int,
      nullable: true,
      defaultValue: 10,
      description: `How many groups, 1 to ${largestPage}.`,
    },
    {
      name: "after",
      type: () => String,
      nullable: true,
      description: "The cursor behind which the page begins. Without it: at the first group.",
    },
  ];
}

const largestPage = 1_000;

/** Throws `UserInputError` for no dimensions and for a page of a size that there is not. */
function groupsQuestion(product: Product, args: Arguments, info: GraphQLResolveInfo): GroupsQuestion {
  const dimensions = [...new Set(args.dimensions as readonly string[])];
  if (dimensions.length === 0)
    throw new UserInputError(
      `Groups are by at least one dimension. Got dimensions: []. Ask ${product.field} for all of them together.`,
    );
  const first = (args.first as number | null | undefined) ?? 10;
  if (first < 1 || first > largestPage)
    throw new UserInputError(`A page holds 1 to ${largestPage} groups. Got first: ${first}.`);
  return {
    ...questionOf(product, args),
    dimensions,
    order: orderOf(args.orderBy as Order | null | undefined),
    first,
    after: (args.after as string | null | undefined) ?? null,
    measures: selectedMeasures(product, info),
    path: responsePath(info.path),
  };
}

interface Order {
  readonly measure: string;
  readonly direction: "ASC" | "DESC";
}

function orderOf(order: Order | null | undefined): GroupsQuestion["order"] {
  return order == null ? null : { measure: order.measure, direction: order.direction };
}

/** Which measures the groups will be asked for: they come from the statement that tells the groups. */
function selectedMeasures(product: Product, info: GraphQLResolveInfo): string[] {
  const paths = [["nodes"], ["edges", "node"]];
  const selected = paths.flatMap((path) => fieldsAt(path, info)).map(({ name }) => name.value);
  return product.measures.map(({ name }) => name).filter((name) => selected.includes(name));
}
