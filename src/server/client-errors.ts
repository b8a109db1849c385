/**
 * What clients are told of an error. What they sent is theirs to mend, so they see the message; everything else says a
 * fixed sentence and a correlation id, and the log says the rest: no SQL, ARN, path or stack leaves the process.
 */
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import type { Logger } from "pino";
import {
  AdHocPendingError,
  clientSentences,
  type ErrorCode,
  SlowConsumerError,
  SluiceError,
} from "../model/errors.ts";

/** Formats an error for clients; each cause is logged once, under the correlation id that the client is shown. */
export type ClientErrors = (error: unknown) => GraphQLFormattedError;

/** Fixed sentences stand in for the messages of backends; `true` shows the message itself, `false` hides the code too. */
const shown = {
  BAD_USER_INPUT: true,
  NOT_LIVE: true,
  CURSOR_EXPIRED: true,
  SLOW_CONSUMER: true,
  AD_HOC_NOT_ALLOWED: true,
  FORBIDDEN: true,
  QUERY_TOO_COMPLEX: true,
  ...clientSentences,
  AD_HOC_PENDING: true,
  AD_HOC_BUDGET_EXCEEDED: true,
  DECLARATION: false,
  CONFLICT: false,
  REFRESH: false,
  INTERNAL: false,
} as const satisfies Record<ErrorCode, boolean | string>;

/** Apollo's names for what is all the same to a client. */
const badInput = new Set<unknown>([
  undefined,
  "BAD_REQUEST",
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
  "OPERATION_RESOLUTION_FAILURE",
]);

export function clientErrors(log: Logger, newId: () => string): ClientErrors {
  const logged = new WeakMap<object, string>();

  const correlationOf = (cause: object, error: unknown): string => {
    const known = logged.get(cause);
    if (known !== undefined) return known;
    const correlationId = newId();
    logged.set(cause, correlationId);
    log.error({ correlationId, path: pathOf(error), err: cause }, "a field or request failed");
    return correlationId;
  };

  return (error) => {
    const cause = rootCause(error);
    const hidden = (code: string, message: string) =>
      formatted(error, message, { code, correlationId: correlationOf(cause, error) });
    if (cause instanceof SluiceError) {
      const policy = shown[cause.code];
      if (policy === true) return formatted(error, messageOf(error, cause), extensionsOf(cause));
      if (policy !== false) return hidden(cause.code, policy);
    }
    if (cause instanceof GraphQLError && isTheClients(cause, error))
      return formatted(error, messageOf(error, cause), { code: codeOf(cause) });
    return hidden("INTERNAL", "Something went wrong on our side. The correlation id finds it in the log.");
  };
}

function extensionsOf(cause: SluiceError): Readonly<Record<string, string>> {
  const { code } = cause;
  if (cause instanceof AdHocPendingError) return { code, jobId: cause.jobId };
  return cause instanceof SlowConsumerError && cause.cursor !== null
    ? { code, cursor: cause.cursor }
    : { code };
}

/** The error below all wrappings by graphql-js, Apollo and graphql-ws. */
function rootCause(error: unknown): object {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return typeof cause === "object" && cause !== null ? cause : new Error(String(cause));
}

/**
 * An error before execution has no path, and one about an argument knows its nodes. Any other one of graphql-js says
 * that a resolver's result did not fit its type, which is ours.
 */
function isTheClients(cause: GraphQLError, error: unknown): boolean {
  return cause.extensions.code !== undefined || cause.nodes !== undefined || pathOf(error) === undefined;
}

function codeOf(error: GraphQLError): string {
  const { code } = error.extensions;
  return badInput.has(code) ? "BAD_USER_INPUT" : String(code);
}

/** The wrapping knows which variable or argument was meant. */
function messageOf(error: unknown, cause: Error): string {
  return error instanceof GraphQLError ? error.message : cause.message;
}

function pathOf(error: unknown): readonly (string | number)[] | undefined {
  return error instanceof GraphQLError ? error.path : undefined;
}

function formatted(
  error: unknown,
  message: string,
  extensions: Readonly<Record<string, string>>,
): GraphQLFormattedError {
  const { locations, path } = error instanceof GraphQLError ? error.toJSON() : {};
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}
