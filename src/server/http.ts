/** Everything that speaks HTTP: GraphQL, GraphiQL, health. */
import type { ApolloServer } from "@apollo/server";
import fastifyApollo from "@as-integrations/fastify";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { SluiceContext } from "../schema/context.ts";
import { adHocWaitName, type Asking, asking } from "./asking.ts";
import type { ClientErrors } from "./client-errors.ts";
import { graphiqlPage, type GraphiqlOptions, pagePolicy } from "./graphiql.ts";

export const graphqlPath = "/graphql";
const maxBody = 100 * 1024; // bytes

export interface HttpOptions {
  readonly apollo: ApolloServer<SluiceContext>;
  readonly errors: ClientErrors;
  /** Throws `UNAUTHENTICATED`. */
  readonly newContext: (request: IncomingMessage, asking: Asking) => SluiceContext;
  readonly graphiql: GraphiqlOptions;
  /** Whether questions can be answered now. */
  readonly ready: () => Promise<boolean>;
}

export async function httpServer(options: HttpOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: maxBody,
    requestTimeout: 10_000, // ms for the whole request to arrive
    http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
  });
  closeUnused(app);
  answerErrors(app, options.errors);
  // forms reach Apollo, whose CSRF prevention refuses them
  app.addContentTypeParser(
    ["application/x-www-form-urlencoded", "multipart/form-data"],
    { parseAs: "string" },
    (_, body, done) => done(null, body),
  );
  await app.register(fastifyApollo(options.apollo), {
    path: graphqlPath,
    method: ["GET", "POST"],
    context: async ({ raw }, reply) =>
      options.newContext(raw, asking(leaving(reply.raw), raw.headers[adHocWaitName])),
  });
  refuseOtherMethods(app, options.errors);
  pages(app, options);
  return app;
}

/**
 * Node waits for connections that have not asked anything yet, and no longer checks how long they take; clients keep some
 * in store.
 */
function closeUnused(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  app.server.on("connection", (socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  app.server.on("request", ({ socket }) => unused.delete(socket));
  app.server.on("upgrade", ({ socket }) => unused.delete(socket));
  app.addHook("preClose", async () => {
    for (const socket of unused) socket.destroy();
  });
}

/** Aborted when the client leaves before it is answered. */
function leaving(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  // a request is closed as soon as it has been read, a response when it is finished or can no longer be
  response.once("close", () => {
    if (!response.writableFinished) left.abort();
  });
  return left.signal;
}

function refuseOtherMethods(app: FastifyInstance, errors: ClientErrors): void {
  app.route({
    url: graphqlPath,
    method: ["PUT", "PATCH", "DELETE", "OPTIONS"],
    handler: (request, reply) =>
      answer(
        reply.header("allow", "GET, POST"),
        405,
        errors(new GraphQLError(`GraphQL is asked by GET or POST. Got ${request.method}.`)),
      ),
  });
}

function pages(app: FastifyInstance, { graphiql, ready }: HttpOptions): void {
  const page = graphiqlPage({ ...graphiql, endpoint: graphqlPath });
  app.get("/", (_, reply) => reply.redirect("/graphiql"));
  app.get("/graphiql", async (_, reply) =>
    reply
      .header("content-security-policy", pagePolicy)
      .type("text/html; charset=utf-8")
      .send(await page()),
  );
  app.get("/health/live", () => ({ status: "live" }));
  app.get("/health/ready", async (_, reply) => {
    const isReady = await ready().catch(() => false);
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ready" : "not ready" });
  });
}

/** Whatever goes wrong before Apollo is asked is answered as GraphQL JSON too. */
function answerErrors(app: FastifyInstance, errors: ClientErrors): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) return answer(reply, 500, errors(error));
    return answer(
      reply,
      status,
      errors(new GraphQLError(requestProblem(error, request.headers["content-type"]))),
    );
  });
  app.setNotFoundHandler((request, reply) =>
    answer(
      reply,
      404,
      errors(
        new GraphQLError(
          `There is GraphQL at ${graphqlPath} and GraphiQL at /graphiql. Got ${request.method} ${request.url.slice(0, 200)}.`,
        ),
      ),
    ),
  );
}

function answer(reply: FastifyReply, status: number, error: GraphQLFormattedError): FastifyReply {
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .send({ errors: [error] });
}

function requestProblem(error: FastifyError, contentType: string | undefined): string {
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return `A request body is at most ${maxBody / 1024} KB. Got more. Send values as variables, or ask in several requests.`;
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return `A request body is JSON. Got content-type "${contentType ?? "none"}". Use content-type: application/json.`;
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return 'A request body is JSON. Got none. Send { "query": "…" }.';
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return 'A request body is JSON. Got text that is not. Send { "query": "…" }.';
    default:
      return `This is not a request that can be read: ${error.message}.`;
  }
}
