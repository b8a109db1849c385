/** What a query selects below a field, fragments opened, skipped fields left out. */
import {
  type FieldNode,
  getDirectiveValues,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  Kind,
  type SelectionSetNode,
} from "graphql";

/** All fields below these nodes of one field, at any depth. */
export function allBelow(nodes: readonly FieldNode[], info: GraphQLResolveInfo): FieldNode[] {
  return fieldsBelow(nodes, info).flatMap((node) => [node, ...allBelow([node], info)]);
}

/** The fields that stand at a path below the resolved one: `["edges", "node"]`. */
export function fieldsAt(path: readonly string[], info: GraphQLResolveInfo): FieldNode[] {
  let nodes: readonly FieldNode[] = info.fieldNodes;
  for (const name of path) nodes = fieldsBelow(nodes, info).filter((node) => node.name.value === name);
  return fieldsBelow(nodes, info);
}

/** The fields that are selected on these nodes of one field: their selections add up. */
export function fieldsBelow(nodes: readonly FieldNode[], info: GraphQLResolveInfo): FieldNode[] {
  return nodes.flatMap(({ selectionSet }) => (selectionSet === undefined ? [] : opened(selectionSet, info)));
}

function opened({ selections }: SelectionSetNode, info: GraphQLResolveInfo): FieldNode[] {
  return selections.flatMap((selection) => {
    if (getDirectiveValues(GraphQLSkipDirective, selection, info.variableValues)?.if === true) return [];
    if (getDirectiveValues(GraphQLIncludeDirective, selection, info.variableValues)?.if === false) return [];
    if (selection.kind === Kind.FIELD) return [selection];
    const fragment =
      selection.kind === Kind.FRAGMENT_SPREAD ? info.fragments[selection.name.value] : selection;
    return fragment === undefined ? [] : opened(fragment.selectionSet, info);
  });
}
