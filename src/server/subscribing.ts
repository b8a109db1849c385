/** A request to subscribe, as the shared operations take it. */
import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from "graphql";
import type { SluiceContext } from "../schema/context.ts";
import type { Asked } from "../subscriptions/shared-operations.ts";
import type { Admitted, OperationRequest } from "./admission.ts";
import { type Asking, askedWait, asking } from "./asking.ts";
import { type Asker, scopeOf } from "./viewer.ts";

/** Throws `UNAUTHENTICATED`. `level` is of a feed that resumes. */
export type NewContext = (asker: Asker, asking: Asking, level?: (at: string) => boolean) => SluiceContext;

export class Subscribe implements Asked {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly viewer: string;
  readonly #newContext: NewContext;
  readonly #asker: Asker;
  readonly #wait: unknown;

  /** Throws `UNAUTHENTICATED`, and `BAD_USER_INPUT` for a wait that is no number. */
  constructor(
    { schema, newContext }: { readonly schema: GraphQLSchema; readonly newContext: NewContext },
    { document, operation }: Admitted,
    { variables }: OperationRequest,
    asker: Asker,
    wait: unknown,
  ) {
    this.schema = schema;
    this.document = document;
    this.operation = operation;
    this.variables = (variables ?? {}) as Record<string, unknown>;
    this.viewer = JSON.stringify([scopeOf(asker), askedWait(wait)]);
    this.#newContext = newContext;
    this.#asker = asker;
    this.#wait = wait;
  }

  newContext(left: AbortSignal, level?: (at: string) => boolean): SluiceContext {
    return this.#newContext(this.#asker, { ...asking(left, this.#wait), follows: true }, level);
  }
}
