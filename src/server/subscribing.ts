/** A request to subscribe, as the shared operations take it. */
import type { GraphQLSchema } from "graphql";
import type { SluiceContext } from "../schema/context.ts";
import type { Asked } from "../subscriptions/shared-operations.ts";
import type { Admitted, OperationRequest } from "./admission.ts";
import { type Asking, askedWait, asking } from "./asking.ts";
import { type Asker, scopeOf } from "./viewer.ts";

/** Throws `UNAUTHENTICATED`. `level` is of a feed that resumes. */
export type NewContext = (asker: Asker, asking: Asking, level?: (at: string) => boolean) => SluiceContext;

/** Throws `UNAUTHENTICATED`, and `BAD_USER_INPUT` for a wait that is no number. */
export function subscribing(
  { schema, newContext }: { readonly schema: GraphQLSchema; readonly newContext: NewContext },
  { document, operation }: Admitted,
  { variables }: OperationRequest,
  asker: Asker,
  wait: unknown,
): Asked {
  return {
    schema,
    document,
    operation,
    variables: (variables ?? {}) as Record<string, unknown>,
    viewer: JSON.stringify([scopeOf(asker), askedWait(wait)]),
    newContext: (left, level) => newContext(asker, { ...asking(left, wait), follows: true }, level),
  };
}
