/** Apollo Server behind our own gate: it executes, we admit documents and format errors. */
import {
  ApolloServer,
  type ApolloServerPlugin,
  type GraphQLRequestContext,
  type GraphQLResponse,
  HeaderMap,
} from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import type { GraphQLSchema } from "graphql";
import type { Logger } from "pino";
import type { SluiceContext } from "../schema/context.ts";
import type { Admission, Gate } from "./admission.ts";
import type { ClientErrors } from "./client-errors.ts";
import { responseExtensions } from "./response-extensions.ts";

export interface ApolloOptions {
  readonly schema: GraphQLSchema;
  readonly gate: Gate;
  readonly errors: ClientErrors;
  readonly log: Logger;
}

export function apolloServer({ schema, gate, errors, log }: ApolloOptions): ApolloServer<SluiceContext> {
  return new ApolloServer<SluiceContext>({
    schema,
    logger: log,
    formatError: (_, error) => errors(error),
    introspection: true,
    csrfPrevention: true,
    persistedQueries: false,
    documentStore: null, // the gate keeps documents
    dangerouslyDisableValidation: true, // the gate has validated them
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      admissionPlugin(gate, errors),
      extensionsPlugin,
    ],
  });
}

type Request = GraphQLRequestContext<SluiceContext>;

/** Hands Apollo the admitted document, or answers in its place with why it was refused. */
function admissionPlugin(gate: Gate, errors: ClientErrors): ApolloServerPlugin<SluiceContext> {
  return {
    requestDidStart: async () => {
      let admission: Admission;
      return {
        didResolveSource: async (context: Request) => {
          admission = gate.admit(context.request, "http");
          if ("document" in admission) Object.assign(context, { document: admission.document });
        },
        responseForOperation: async () =>
          "refused" in admission ? refusal(admission.refused.map(errors)) : null,
      };
    },
  };
}

function refusal(errors: readonly ReturnType<ClientErrors>[]): GraphQLResponse {
  return {
    http: { status: 400, headers: new HeaderMap() },
    body: { kind: "single", singleResult: { errors } },
  };
}

const extensionsPlugin: ApolloServerPlugin<SluiceContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      const extensions = responseExtensions(contextValue.session);
      if (response.body.kind === "single" && extensions !== undefined)
        response.body.singleResult.extensions = extensions;
    },
  }),
};
