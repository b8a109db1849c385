/**
 * GraphQL over WebSocket (graphql-transport-ws). Delivery: what a subscription yields, in order; a socket that cannot
 * keep up slows its own subscriptions down, since each message waits until the one before it is written.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import {
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  subscribe,
} from "graphql";
import { CloseCode, type Context, handleProtocols, makeServer } from "graphql-ws";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import type { SluiceContext } from "../schema/context.ts";
import { adHocWaitName, type Asking, askedWait, asking } from "./asking.ts";
import type { Gate, OperationRequest } from "./admission.ts";
import type { ClientErrors } from "./client-errors.ts";
import { responseExtensions } from "./response-extensions.ts";
import { isOwnOrigin, scopeOf } from "./viewer.ts";

export interface WebSocketOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly gate: Gate;
  readonly errors: ClientErrors;
  readonly log: Logger;
  /** Throws `UNAUTHENTICATED`. */
  readonly newContext: (request: IncomingMessage, asking: Asking) => SluiceContext;
}

export interface WebSockets {
  /** Says 1001 to every socket, and ends those that do not answer. */
  close(): Promise<void>;
}

const maxPayload = 64 * 1024; // bytes of one message
const maxOperations = 100; // at a time on one socket
const pingEveryMs = 12_000;
const closeGraceMs = 1_000;

interface Extra {
  readonly request: IncomingMessage;
}

/** Takes over the upgrades of an HTTP server. */
export function serveWebSockets(http: Server, options: WebSocketOptions): WebSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload,
    handleProtocols: (protocols) => handleProtocols(protocols),
  });
  const protocol = protocolServer(options);
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (new URL(request.url ?? "/", "http://gateway").pathname !== options.path)
      return refuseUpgrade(socket, "404 Not Found");
    if (!isOwnOrigin(request)) return refuseUpgrade(socket, "403 Forbidden");
    const refusal = headerRefusal(request, options.errors);
    if (refusal !== null) return refuseUpgrade(socket, "400 Bad Request", refusal);
    sockets.handleUpgrade(request, socket, head, (opened) => serve(opened, request, protocol, options.log));
  });
  return { close: () => closeAll(sockets) };
}

function refuseUpgrade(socket: Duplex, status: string, body = ""): void {
  const type = body === "" ? "" : "Content-Type: application/json; charset=utf-8\r\n";
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${type}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** What is wrong with a header, as over HTTP; null where nothing is. */
function headerRefusal({ headers }: IncomingMessage, errors: ClientErrors): string | null {
  try {
    askedWait(headers[adHocWaitName]);
    return null;
  } catch (error) {
    return JSON.stringify({ errors: [errors(error)] });
  }
}

function protocolServer({ schema, gate, errors, newContext }: WebSocketOptions) {
  return makeServer<Record<string, unknown>, Extra>({
    onConnect: ({ extra }) => {
      try {
        scopeOf(extra.request);
        return true;
      } catch {
        return false;
      }
    },
    onSubscribe: (connection, _id, payload) => operationOf(payload, connection, { schema, gate, newContext }),
    execute: (args) => leavable(executeOnce(args), args as Operation),
    subscribe: async (args) => leavable(await subscribeOrThrow(args), args as Operation),
    onNext: (_ctx, _id, _payload, args, result) => withExtensions(args, result, errors),
    onError: (_ctx, _id, _payload, found) => found.map((error) => errors(unwrapped(error))),
  });
}

/** What graphql-ws hands on from `onSubscribe`. */
interface Operation extends ExecutionArgs {
  /** Aborts what its session waits for. */
  readonly left: AbortController;
}

type Connection = Context<Record<string, unknown>, Extra>;

/** What is to be executed, or why it is not. */
function operationOf(
  payload: OperationRequest,
  { extra: { request }, subscriptions, connectionParams }: Connection,
  { schema, gate, newContext }: Pick<WebSocketOptions, "schema" | "gate" | "newContext">,
): Operation | readonly GraphQLError[] {
  if (Object.keys(subscriptions).length > maxOperations) return [tooMany()];
  const admission = gate.admit(payload, "websocket");
  if ("refused" in admission) return admission.refused;
  const left = new AbortController();
  const wait = connectionParams?.[adHocWaitName] ?? request.headers[adHocWaitName];
  try {
    return {
      schema,
      document: admission.document,
      operationName: payload.operationName as string | null,
      variableValues: payload.variables as Record<string, unknown> | null,
      contextValue: newContext(request, asking(left.signal, wait)),
      left,
    };
  } catch (error) {
    return [error as GraphQLError];
  }
}

function tooMany(): GraphQLError {
  return new GraphQLError(
    `A socket carries at most ${maxOperations} operations at a time. Got one more. Complete one, or open another socket.`,
    { extensions: { code: "RATE_LIMITED" } },
  );
}

type Results = AsyncGenerator<ExecutionResult, void, void>;

/** A query as a stream of one answer: graphql-ws stops streams, and nothing else, when the client leaves. */
async function* executeOnce(args: ExecutionArgs): Results {
  yield await execute(args);
}

/** graphql-ws returns early from a stream when the client completes the operation or the socket closes. */
function leavable(results: Results, { left }: Operation): Results {
  const outer = {
    next: async () => {
      const result = await results.next();
      // nobody reads the answer to an operation that was left
      return left.signal.aborted ? { done: true as const, value: undefined } : result;
    },
    return: () => {
      left.abort();
      return results.return();
    },
    throw: (error: unknown) => results.throw(error),
    [Symbol.asyncIterator]: () => outer,
  } as Results;
  return outer;
}

/** An operation that does not start ends in an `error` message, like one that is refused. */
async function subscribeOrThrow(args: ExecutionArgs): Promise<Results> {
  const result = await subscribe(args);
  if (Symbol.asyncIterator in result) return result;
  return failing(result.errors?.[0] ?? new GraphQLError("The subscription did not start."));
}

// oxlint-disable-next-line require-yield -- a stream that fails before its first value
async function* failing(error: GraphQLError): Results {
  throw error;
}

/** graphql-ws wraps what a stream throws, and its wrapping does not know where that was. */
function unwrapped(error: GraphQLError): Error {
  return error.nodes === undefined && error.originalError instanceof GraphQLError
    ? error.originalError
    : error;
}

/** An execution result as graphql-ws hands it over. */
interface Answer {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly GraphQLError[] | undefined;
}

function withExtensions(
  { contextValue }: ExecutionArgs,
  { data, errors: found }: Answer,
  errors: ClientErrors,
): FormattedExecutionResult {
  const extensions = responseExtensions((contextValue as SluiceContext).session);
  const formatted: readonly GraphQLFormattedError[] | undefined = found?.map(errors);
  return {
    ...(data !== undefined && { data }),
    ...(formatted && { errors: formatted }),
    ...(extensions && { extensions }),
  };
}

/** Connects one socket with the protocol. Nothing that happens on it reaches beyond it. */
function serve(
  socket: WebSocket,
  request: IncomingMessage,
  protocol: ReturnType<typeof protocolServer>,
  log: Logger,
): void {
  const fail = (error: unknown) => {
    log.warn({ err: error }, "a WebSocket failed");
    socket.close(CloseCode.InternalServerError, "Internal server error");
  };
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (text) => write(socket, text),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (receive) =>
        socket.on("message", (data: Buffer) => {
          // what the server sends is no message of a client's
          receive(data.toString()).catch((error: unknown) =>
            isUnexpectedMessage(error)
              ? socket.close(CloseCode.BadRequest, "Invalid message received")
              : fail(error),
          );
        }),
    },
    { request },
  );
  const stopPings = keepAlive(socket);
  // ws closes by itself with the code that fits: 1009 for a message too large, 1007 for bad UTF-8
  socket.on("error", (error) => log.debug({ err: error }, "a WebSocket broke"));
  socket.once("close", (code, reason) => {
    stopPings();
    closed(code, reason.toString()).catch(fail);
  });
}

/** graphql-ws throws for a message type that only servers send. */
function isUnexpectedMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Unexpected message of type");
}

function write(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) resolve();
    // a failed write breaks the socket, which ends its subscriptions
    else socket.send(text, () => resolve());
  });
}

/** Ends a socket that leaves a ping unanswered until the next one is due. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on("pong", () => (answered = true));
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, pingEveryMs);
  return () => clearInterval(timer);
}

async function closeAll(sockets: WebSocketServer): Promise<void> {
  const open = [...sockets.clients];
  const gone = Promise.all(open.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  for (const socket of open) socket.close(1001, "Going away");
  const impatience = setTimeout(() => open.forEach((socket) => socket.terminate()), closeGraceMs);
  await gone;
  clearTimeout(impatience);
  sockets.close();
}
