/** One gate for the documents of all transports: parsed, validated, of an operation that exists, with fitting variables. */
import {
  type DocumentNode,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  validate,
} from "graphql";
import { LRUCache } from "lru-cache";

/** As it arrives: nothing is checked yet. */
export interface OperationRequest {
  readonly query?: unknown;
  readonly operationName?: unknown;
  readonly variables?: unknown;
}

export interface Admitted {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
}

export type Admission = Admitted | { readonly refused: readonly GraphQLError[] };

/** HTTP answers once; WebSocket and server-sent events also stream. */
export type Transport = "http" | "websocket" | "sse";

export interface Gate {
  /** The document, or why it is refused; each error is the client's to mend. */
  admit(request: OperationRequest, transport: Transport): Admission;
}

const maxTokens = 20_000; // several times the longest sensible query
const maxErrors = 20; // of one request
const keptText = 10_000_000; // characters of the documents that are kept, parsed and valid

export function admissionGate(schema: GraphQLSchema): Gate {
  const valid = new LRUCache<string, DocumentNode>({
    maxSize: keptText,
    sizeCalculation: (_, query) => query.length,
  });

  const documentOf = (query: string): DocumentNode | readonly GraphQLError[] => {
    const known = valid.get(query);
    if (known !== undefined) return known;
    const parsed = parsedDocument(query);
    if (parsed instanceof GraphQLError) return [parsed];
    const errors = validate(schema, parsed, undefined, { maxErrors });
    if (errors.length > 0) return errors;
    valid.set(query, parsed);
    return parsed;
  };

  return {
    admit: ({ query, operationName, variables }, transport) => {
      if (typeof query !== "string" || query === "")
        return refuse(`A request carries a GraphQL document in "query". Got ${describe(query)}.`);
      const document = documentOf(query);
      if (!("kind" in document)) return { refused: document };
      const operation = getOperationAST(document, operationName as string | null | undefined);
      if (!operation) return refuse(noSuchOperation(document, operationName));
      if (operation.operation === OperationTypeNode.SUBSCRIPTION && transport === "http")
        return refuse(
          "Subscriptions stream over WebSocket or server-sent events. Got one over HTTP. Connect to this path with the protocol graphql-transport-ws, or ask /graphql/stream.",
        );
      const errors = variableErrors(schema, operation, variables);
      return errors.length > 0 ? { refused: errors } : { document, operation };
    },
  };
}

function parsedDocument(query: string): DocumentNode | GraphQLError {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    return error as GraphQLError;
  }
}

function refuse(message: string): Admission {
  return { refused: [new GraphQLError(message)] };
}

function describe(query: unknown): string {
  return query === undefined ? "none" : query === "" ? "an empty text" : `a ${typeof query}`;
}

function noSuchOperation(document: DocumentNode, wanted: unknown): string {
  const names = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? [definition.name?.value ?? "an unnamed one"] : [],
  );
  const has = `The document has ${names.join(", ") || "none"}.`;
  return wanted === undefined || wanted === null
    ? `A request runs one operation. ${has} Send one, or name one in "operationName".`
    : `"operationName" names an operation of the document. Got ${JSON.stringify(wanted)}. ${has}`;
}

function variableErrors(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: unknown,
): readonly GraphQLError[] {
  const given = variables ?? {};
  if (typeof given !== "object" || Array.isArray(given))
    return [
      new GraphQLError(
        `"variables" is an object. Got ${Array.isArray(given) ? "a list" : `a ${typeof given}`}.`,
      ),
    ];
  const { errors } = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    given as Record<string, unknown>,
    { maxErrors },
  );
  return errors ?? [];
}
