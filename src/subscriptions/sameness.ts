/**
 * Which subscriptions mean the same: the same operation of the same document, with the same variables, for the same
 * viewer. Where a feed resumes is no part of it: once it has caught up, it is the same as one that began now.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  getVariableValues,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  print,
  visit,
} from "graphql";

export interface Subscribing {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** Valid for the operation. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whatever else the answer depends on: the viewer's scope, say. */
  readonly viewer: string;
}

type Executable = Required<Pick<ExecutionArgs, "schema" | "document" | "operationName" | "variableValues">>;

export interface Sameness {
  /** Equal for subscriptions that mean the same; null for one that is like no other. */
  readonly key: string | null;
  /** The operation as it was sent. */
  readonly own: Executable;
  /** The same without where it resumes. */
  readonly shared: Executable;
  /** Whether it goes on after a cursor. */
  readonly resumes: boolean;
  /** Whether who joins later is sent the newest state first. */
  readonly snapshot: boolean;
}

const resumeArgument = "after";

/** What of an operation is known before its variables are. */
interface Prepared {
  readonly text: string;
  readonly document: DocumentNode;
  /** What `after` is given as; null where it is not. */
  readonly after: ArgumentNode["value"] | null;
  /** The cursor where no variable gives one. */
  readonly otherwise: string | null;
  /** Whether `after` could be left out. */
  readonly shareable: boolean;
}

const prepared = new WeakMap<OperationDefinitionNode, Prepared>();

export function samenessOf({ schema, document, operation, variables, viewer }: Subscribing): Sameness {
  const known = prepared.get(operation) ?? prepare(document, operation);
  prepared.set(operation, known);
  const operationName = operation.name?.value ?? null;
  const own = { schema, document, operationName, variableValues: variables };
  // on its own it does whatever it says, resuming included
  if (!known.shareable) return { key: null, own, shared: own, resumes: false, snapshot: false };
  const { [variableName(known.after)]: after = known.otherwise, ...others } = variables;
  const shared = { schema, document: known.document, operationName, variableValues: others };
  const key = JSON.stringify([known.text, coerced(shared, operation), viewer]);
  return { key, own, shared, resumes: after != null, snapshot: !hasResume(schema, operation) };
}

function prepare(document: DocumentNode, operation: OperationDefinitionNode): Prepared {
  const field = rootField(operation);
  const after = field?.arguments?.find(({ name }) => name.value === resumeArgument)?.value ?? null;
  const name = variableName(after);
  const text = (of: DocumentNode) => `${operation.name?.value ?? ""}\n${print(of)}`;
  const otherwise = literal(name === "" ? after : defaultOf(operation, name));
  if (after === null)
    return { text: text(document), document, after, otherwise, shareable: field !== undefined };
  const isAlone = operation.selectionSet.selections.length === 1;
  const stripped = withoutResume(document, operation, name);
  const shareable = isAlone && (name === "" || !mentions(stripped, name));
  return { text: text(stripped), document: stripped, after, otherwise, shareable };
}

/** The one field of a subscription, unless a fragment holds it; several selections of it add up. */
function rootField({ selectionSet }: OperationDefinitionNode): FieldNode | undefined {
  const [selection] = selectionSet.selections;
  return selection?.kind === Kind.FIELD ? selection : undefined;
}

/** The document without the argument, and without the variable that it was given. */
function withoutResume(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variable: string,
): DocumentNode {
  const field = rootField(operation)!;
  const without: OperationDefinitionNode = {
    ...operation,
    variableDefinitions: (operation.variableDefinitions ?? []).filter(
      (definition) => definition.variable.name.value !== variable,
    ),
    selectionSet: {
      ...operation.selectionSet,
      selections: [
        { ...field, arguments: field.arguments!.filter(({ name }) => name.value !== resumeArgument) },
      ],
    },
  };
  return {
    ...document,
    definitions: document.definitions.map((definition) => (definition === operation ? without : definition)),
  };
}

function mentions(document: DocumentNode, variable: string): boolean {
  let found = false;
  visit(document, { Variable: ({ name }) => void (found ||= name.value === variable) });
  return found;
}

function variableName(value: ArgumentNode["value"] | null): string {
  return value?.kind === Kind.VARIABLE ? value.name.value : "";
}

function defaultOf(
  { variableDefinitions }: OperationDefinitionNode,
  name: string,
): ArgumentNode["value"] | null {
  const definition = variableDefinitions?.find(({ variable }) => variable.name.value === name);
  return definition?.defaultValue ?? null;
}

function literal(value: ArgumentNode["value"] | null): string | null {
  return value?.kind === Kind.STRING ? value.value : null;
}

/** The variables as the operation takes them, defaults included, in one order. */
function coerced({ schema, variableValues }: Executable, operation: OperationDefinitionNode): unknown {
  const definitions = (operation.variableDefinitions ?? []).filter(
    ({ variable, type }) => variable.name.value in variableValues! || type.kind !== Kind.NON_NULL_TYPE,
  );
  const { coerced: values } = getVariableValues(schema, definitions, variableValues!);
  return ordered(values ?? variableValues);
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, ordered(each)]));
}

function hasResume(schema: GraphQLSchema, operation: OperationDefinitionNode): boolean {
  const field = rootField(operation);
  const definition = field && schema.getSubscriptionType()?.getFields()[field.name.value];
  return definition?.args.some(({ name }) => name === resumeArgument) ?? false;
}
