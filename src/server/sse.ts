/**
 * GraphQL over server-sent events, one operation a connection (graphql-sse, distinct connections mode). Delivery: as over
 * WebSocket; the client leaves by closing the connection.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { execute, GraphQLError, type GraphQLSchema, OperationTypeNode } from "graphql";
import type { SharedOperations } from "../subscriptions/shared-operations.ts";
import { type Admitted, type Gate, type OperationRequest } from "./admission.ts";
import { adHocWaitName, asking } from "./asking.ts";
import type { ClientErrors } from "./client-errors.ts";
import { Following } from "./follow.ts";
import type { KeepAlive } from "./keep-alive.ts";
import { type Framing, type Outbox, type Sink, writeTogether } from "./outbox.ts";
import { answerOf } from "./response-extensions.ts";
import { type NewContext, Subscribe } from "./subscribing.ts";
import { isOwnOrigin } from "./viewer.ts";

export interface SseOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly gate: Gate;
  readonly errors: ClientErrors;
  readonly newContext: NewContext;
  readonly operations: SharedOperations;
  readonly outboxOf: (sink: Sink) => Outbox;
  readonly keepAlive: KeepAlive;
}

export interface EventStreams {
  /** Ends every stream, without `complete`: clients go on elsewhere. */
  close(): void;
}

export function serveEvents(app: FastifyInstance, options: SseOptions): EventStreams {
  const open = new Set<Events>();
  let isClosing = false;
  const serve = (request: IncomingMessage, response: ServerResponse, asked: OperationRequest): void => {
    const events = eventStream(response, options);
    open.add(events);
    response.once("close", () => open.delete(events));
    void answer(options, request, response, asked, events);
  };
  app.route({
    url: options.path,
    method: ["GET", "POST"],
    preValidation: async ({ raw }, reply) => {
      if (isClosing) return reply.code(503).header("connection", "close").send();
      assertReadable(raw);
    },
    handler: (request, reply) => {
      const asked = request.method === "GET" ? fromQuery(request.query as Query) : request.body;
      reply.hijack();
      serve(request.raw, reply.raw, asked ?? {});
    },
  });
  return {
    close: () => {
      isClosing = true;
      for (const events of open) events.end();
    },
  };
}

function assertReadable({ headers }: IncomingMessage): void {
  if (!/\btext\/event-stream\b|\*\/\*/.test(headers.accept ?? "*/*"))
    throw refusal(406, `This path answers with server-sent events. Got accept: ${headers.accept}.`);
}

function refusal(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}

type Query = Readonly<Record<string, string | undefined>>;

function fromQuery({ query, operationName, variables }: Query): OperationRequest {
  if (variables === undefined) return { query, operationName };
  try {
    return { query, operationName, variables: JSON.parse(variables) as unknown };
  } catch {
    // the gate says what variables are
    return { query, operationName, variables: [] };
  }
}

async function answer(
  options: SseOptions,
  request: IncomingMessage,
  response: ServerResponse,
  asked: OperationRequest,
  events: Events,
): Promise<void> {
  const fail = (errors: readonly unknown[]): void => {
    events.next(JSON.stringify({ errors: errors.map((error) => options.errors(error)) }));
    events.complete();
  };
  const admission = options.gate.admit(asked, "sse");
  if ("refused" in admission) return fail(admission.refused);
  try {
    if (!isOwnOrigin(request)) throw foreignPage();
    await run(options, request, response, admission, asked, events);
    events.complete();
  } catch (error) {
    fail([error]);
  }
}

function foreignPage(): GraphQLError {
  return new GraphQLError("Pages of other sites may not ask here.", { extensions: { code: "FORBIDDEN" } });
}

async function run(
  { schema, errors, newContext, operations }: SseOptions,
  request: IncomingMessage,
  response: ServerResponse,
  admission: Admitted,
  asked: OperationRequest,
  events: Events,
): Promise<void> {
  const wait = request.headers[adHocWaitName];
  const { document, operation } = admission;
  if (operation.operation === OperationTypeNode.MUTATION && request.method === "GET")
    throw new GraphQLError("A mutation is sent by POST. Got GET.");
  if (operation.operation === OperationTypeNode.SUBSCRIPTION) {
    const following = new Following(
      operations,
      new Subscribe({ schema, newContext }, admission, asked, request, wait),
      events.outbox,
      nextEvents,
    );
    return untilClosed(response, following);
  }
  const left = new AbortController();
  response.once("close", () => left.abort());
  const contextValue = newContext(request, asking(left.signal, wait));
  const operationName = operation.name?.value ?? null;
  const variableValues = (asked.variables ?? {}) as Record<string, unknown>;
  const result = await execute({ schema, document, operationName, variableValues, contextValue });
  events.next(JSON.stringify(answerOf(contextValue, result, errors)));
}

function untilClosed(response: ServerResponse, following: Following): Promise<void> {
  if (response.closed) following.leave();
  response.once("close", () => following.leave());
  return following.over;
}

interface Events {
  readonly outbox: Outbox;
  next(json: string): void;
  complete(): void;
  /** Behind what waits. */
  end(): void;
}

const nextEvent = Buffer.from("event: next\ndata: ");

const nextEvents: Framing = {
  tail: Buffer.from("\n\n"),
  headBytes: () => nextEvent.length,
  writeHead: (_, into, at) => into.set(nextEvent, at),
};

function eventStream(response: ServerResponse, { outboxOf, keepAlive }: SseOptions): Events {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    connection: "keep-alive",
    "x-accel-buffering": "no", // a proxy that gathers what it passes on
  });
  response.flushHeaders();
  const isOpen = (): boolean => response.writable && !response.writableEnded;
  response.once(
    "close",
    keepAlive.add(() => isOpen() && response.write(":\n\n")),
  );
  response.on("error", () => response.destroy());
  const outbox = outboxOf({
    write: (parts) => void (isOpen() && writeTogether(response, parts)),
    waiting: () => response.writableLength,
    onDrain: (call) => response.once("drain", call),
  });
  const write = (text: string): void => {
    outbox.flushAll();
    if (isOpen()) response.write(text);
  };
  return {
    outbox,
    next: (json) => write(`event: next\ndata: ${json}\n\n`),
    complete: () => {
      write("event: complete\ndata: \n\n");
      response.end();
    },
    end: () => {
      outbox.flushAll();
      response.end();
    },
  };
}
