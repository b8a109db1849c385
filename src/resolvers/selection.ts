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

/** All fields below the resolved one, at any depth. */
export function* selectedFields(info: GraphQLResolveInfo): Generator<FieldNode> {
  yield* allBelow(info.fieldNodes, info);
}

function* allBelow(nodes: Iterable<FieldNode>, info: GraphQLResolveInfo): Generator<FieldNode> {
  for (const node of fieldsBelow(nodes, info)) {
    yield node;
    yield* allBelow([node], info);
  }
}

/** The fields that stand at a path below the resolved one: `["edges", "node"]`. */
export function fieldsAt(path: readonly string[], info: GraphQLResolveInfo): FieldNode[] {
  let nodes: readonly FieldNode[] = info.fieldNodes;
  for (const name of path) nodes = [...fieldsBelow(nodes, info)].filter((node) => node.name.value === name);
  return [...fieldsBelow(nodes, info)];
}

function* fieldsBelow(nodes: Iterable<FieldNode>, info: GraphQLResolveInfo): Generator<FieldNode> {
  for (const { selectionSet } of nodes) if (selectionSet) yield* fieldsOf(selectionSet, info);
}

function* fieldsOf(selections: SelectionSetNode, info: GraphQLResolveInfo): Generator<FieldNode> {
  for (const selection of selections.selections) {
    if (getDirectiveValues(GraphQLSkipDirective, selection, info.variableValues)?.if === true) continue;
    if (getDirectiveValues(GraphQLIncludeDirective, selection, info.variableValues)?.if === false) continue;
    if (selection.kind === Kind.FIELD) {
      yield selection;
      continue;
    }
    const below =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? info.fragments[selection.name.value]?.selectionSet
        : selection.selectionSet;
    if (below) yield* fieldsOf(below, info);
  }
}
