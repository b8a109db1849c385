/** What a subscription may select: stored measures, since Athena does not answer once a second. */
import {
  type FieldNode,
  getDirectiveValues,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  Kind,
  type SelectionSetNode,
} from "graphql";
import { SluiceError } from "../model/errors.ts";
import type { Product } from "../model/product.ts";

/** Throws `NOT_LIVE`, naming the measures that can be subscribed to, when another one is selected at any depth. */
export function requireLiveFields(product: Product, info: GraphQLResolveInfo): void {
  const stored = product.measures.filter((measure) => measure.precomputed).map((measure) => measure.name);
  for (const { name } of selectedFields(info)) {
    const measure = product.measures.find((candidate) => candidate.name === name.value);
    if (measure !== undefined && !measure.precomputed)
      throw new SluiceError(
        "NOT_LIVE",
        `A subscription carries stored measures. "${measure.name}" of ${product.name} is computed by Athena when asked for. Subscribe to ${stored.join(", ") || "another product"}, and query "${measure.name}" on its own.`,
      );
  }
}

/** All fields below the resolved one, fragments opened, skipped ones left out. */
function* selectedFields(info: GraphQLResolveInfo): Generator<FieldNode> {
  for (const node of info.fieldNodes) if (node.selectionSet) yield* fieldsOf(node.selectionSet, info);
}

function* fieldsOf(selections: SelectionSetNode, info: GraphQLResolveInfo): Generator<FieldNode> {
  for (const selection of selections.selections) {
    if (getDirectiveValues(GraphQLSkipDirective, selection, info.variableValues)?.if === true) continue;
    if (getDirectiveValues(GraphQLIncludeDirective, selection, info.variableValues)?.if === false) continue;
    if (selection.kind === Kind.FIELD) yield selection;
    const below =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? info.fragments[selection.name.value]?.selectionSet
        : selection.selectionSet;
    if (below) yield* fieldsOf(below, info);
  }
}
