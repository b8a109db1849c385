/**
 * What a subscription may select: stored measures, since Athena does not answer once a second; and what it follows
 * besides its own range.
 */
import { type FieldNode, getArgumentValues, type GraphQLObjectType, type GraphQLResolveInfo } from "graphql";
import { SluiceError } from "../model/errors.ts";
import type { Period } from "../model/period.ts";
import type { Product } from "../model/product.ts";
import type { Grain } from "../model/time.ts";
import type { Insight } from "../schema/context.ts";
import { allBelow, fieldsBelow } from "./selection.ts";

/** Throws `NOT_LIVE`, naming the measures that can be subscribed to, when another one is selected at any depth. */
export function requireLiveFields(product: Product, info: GraphQLResolveInfo): void {
  const stored = product.measures.filter((measure) => measure.precomputed).map((measure) => measure.name);
  for (const { name } of allBelow(info.fieldNodes, info)) {
    const measure = product.measures.find((candidate) => candidate.name === name.value);
    if (measure !== undefined && !measure.precomputed)
      throw new SluiceError(
        "NOT_LIVE",
        `A subscription carries stored measures. "${measure.name}" of ${product.name} is computed by Athena when asked for. Subscribe to ${stored.join(", ") || "another product"}, and query "${measure.name}" on its own.`,
      );
  }
}

/**
 * The earlier ranges that the selection compares an insight with, at any depth: their numbers are part of what a
 * subscription shows.
 */
export function comparedWith(
  product: Product,
  info: GraphQLResolveInfo,
): (insight: Insight) => Promise<readonly Insight[]> {
  const fields = (info.schema.getType(product.name) as GraphQLObjectType).getFields();
  const argumentsOf = (field: FieldNode) =>
    getArgumentValues(fields[field.name.value]!, field, info.variableValues);
  const below = async (insight: Insight, selected: Selected): Promise<readonly Insight[]> =>
    (await Promise.all(fieldsBelow(selected, info).map((field) => behind(insight, field)))).flat();
  const behind = async (insight: Insight, field: FieldNode): Promise<readonly Insight[]> => {
    switch (field.name.value) {
      case "previous": {
        const before = await insight.previous(argumentsOf(field).period as Period);
        return [before, ...(await below(before, [field]))];
      }
      case "growth":
        return [await insight.previous(argumentsOf(field).over as Period)];
      case "series": {
        if (!allBelow([field], info).some(({ name }) => comparing.includes(name.value))) return [];
        const buckets = await insight.series(argumentsOf(field).grain as Grain);
        return (await Promise.all(buckets.map((bucket) => below(bucket, [field])))).flat();
      }
      default:
        return [];
    }
  };
  return (insight) => below(insight, info.fieldNodes);
}

const comparing = ["previous", "growth"];

/** The nodes of one field: their selections add up. */
type Selected = readonly FieldNode[];
