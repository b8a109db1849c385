/** What clients are answered: data, errors in their words, and which manifests were read and where values came from. */
import type { FormattedExecutionResult, GraphQLError } from "graphql";
import type { Session, SluiceContext, SluiceExtensions } from "../schema/context.ts";
import type { ClientErrors } from "./client-errors.ts";

/** Absent when the session answered nothing. */
export function responseExtensions(session: Session): { sluice: SluiceExtensions } | undefined {
  const sluice = session.extensions();
  const silent = sluice.provenance.length === 0 && Object.keys(sluice.manifest).length === 0;
  return silent ? undefined : { sluice };
}

/** What an execution came to. */
interface Answer {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly GraphQLError[] | undefined;
}

/** An answer as it is sent over streams; Apollo makes its own of the same parts. */
export function answerOf(
  { session }: SluiceContext,
  { data, errors: found }: Answer,
  errors: ClientErrors,
): FormattedExecutionResult {
  const extensions = responseExtensions(session);
  const formatted = found?.map(errors);
  return {
    ...(data !== undefined && { data }),
    ...(formatted && { errors: formatted }),
    ...(extensions && { extensions }),
  };
}
