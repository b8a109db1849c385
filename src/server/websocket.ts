/**
 * GraphQL over WebSocket (graphql-transport-ws). graphql-ws speaks the protocol; the payloads of subscriptions go past
 * it, as the bytes that all who follow the same one share. Delivery: what a subscription yields, in order; a socket that
 * cannot keep up gets the newest states only, and its feeds end.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import {
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  OperationTypeNode,
} from "graphql";
import { CloseCode, type Context, handleProtocols, makeServer } from "graphql-ws";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import type { SluiceContext } from "../schema/context.ts";
import type { Asked, SharedOperations } from "../subscriptions/shared-operations.ts";
import { adHocWaitName, askedWait, asking } from "./asking.ts";
import type { Gate, OperationRequest } from "./admission.ts";
import type { ClientErrors } from "./client-errors.ts";
import { follow } from "./follow.ts";
import type { OutboxLimits, Ticker } from "./outbox.ts";
import { answerOf } from "./response-extensions.ts";
import { type OperationSocket, operationSocket } from "./socket.ts";
import { type NewContext, subscribing } from "./subscribing.ts";
import { isOwnOrigin, scopeOf } from "./viewer.ts";

export interface WebSocketOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly gate: Gate;
  readonly errors: ClientErrors;
  readonly log: Logger;
  readonly newContext: NewContext;
  readonly operations: SharedOperations;
  readonly ticker: Ticker;
  readonly limits: OutboxLimits;
}

export interface WebSockets {
  /** Says 1001 to every socket, behind what waits for it, and ends those that do not answer. */
  close(): Promise<void>;
}

const maxPayload = 64 * 1024; // bytes of one message
const maxOperations = 100; // at a time on one socket
const pingEveryMs = 12_000;
const closeGraceMs = 1_000;

interface Extra {
  readonly request: IncomingMessage;
  readonly socket: OperationSocket;
}

/** Takes over the upgrades of an HTTP server. */
export function serveWebSockets(http: Server, options: WebSocketOptions): WebSockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload,
    // graphql-ws has an operation only a few promises after its message: what ends it or takes its id comes behind that
    allowSynchronousEvents: false,
    handleProtocols: (protocols) => handleProtocols(protocols),
  });
  const protocol = protocolServer(options);
  const open = new Map<WebSocket, OperationSocket>();
  let isClosing = false;
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (request.url?.split("?", 1)[0] !== options.path) return refuseUpgrade(socket, "404 Not Found");
    if (isClosing) return refuseUpgrade(socket, "503 Service Unavailable");
    if (!isOwnOrigin(request)) return refuseUpgrade(socket, "403 Forbidden");
    const refusal = headerRefusal(request, options.errors);
    if (refusal !== null) return refuseUpgrade(socket, "400 Bad Request", refusal);
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const extra = { request, socket: operationSocket(opened, socket, options.ticker, options.limits) };
      open.set(opened, extra.socket);
      opened.once("close", () => open.delete(opened));
      serve(opened, extra, protocol, options.log);
    });
  });
  return {
    close: () => {
      isClosing = true;
      return closeAll(sockets, open);
    },
  };
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

function protocolServer(options: WebSocketOptions) {
  const { errors } = options;
  return makeServer<Record<string, unknown>, Extra>({
    onConnect: ({ extra }) => {
      try {
        scopeOf(extra.request);
        return true;
      } catch {
        return false;
      }
    },
    onSubscribe: (connection, id, payload) => operationOf(id, payload, connection, options),
    execute: (args) => executeOnce(args as Operation),
    subscribe: (args) => subscribeShared(args as Operation, options.operations),
    onNext: (_ctx, _id, _payload, args, result) =>
      answerOf(args.contextValue as SluiceContext, result, errors),
    onError: (_ctx, _id, _payload, found) => found.map((error) => errors(unwrapped(error))),
  });
}

/** What graphql-ws hands on from `onSubscribe`. */
interface Operation extends ExecutionArgs {
  /** Aborts what its session waits for. */
  readonly left: AbortController;
  /** Of a subscription. */
  readonly asked: Asked;
  readonly id: string;
  readonly socket: OperationSocket;
}

type Connection = Context<Record<string, unknown>, Extra>;

/** What is to be executed, or why it is not. */
function operationOf(
  id: string,
  payload: OperationRequest,
  { extra: { request, socket }, subscriptions, connectionParams }: Connection,
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
      // a subscription's executions have contexts of their own
      ...(admission.operation.operation !== OperationTypeNode.SUBSCRIPTION && {
        contextValue: newContext(request, asking(left.signal, wait)),
      }),
      asked: subscribing({ schema, newContext }, admission, payload, request, wait),
      left,
      id,
      socket,
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
function executeOnce(args: Operation): Results {
  const { left } = args;
  let answer: Promise<ExecutionResult> | null = null;
  return stream({
    next: async () => {
      if (answer !== null) return { done: true, value: undefined };
      answer = Promise.resolve(execute(args));
      const value = await answer;
      // nobody reads the answer to an operation that was left
      return left.signal.aborted ? { done: true, value: undefined } : { done: false, value };
    },
    left: () => left.abort(),
  });
}

/** A subscription as a stream of nothing, that ends or fails when the subscription does: its payloads go past graphql-ws. */
function subscribeShared({ asked, id, socket }: Operation, operations: SharedOperations): Results {
  let leave = (): void => {};
  return stream({
    next: async () => {
      const following = follow(operations, asked, socket.outbox, (keeps, behind) =>
        socket.lane(id, keeps, behind),
      );
      leave = () => following.leave();
      await following.over;
      return { done: true, value: undefined };
    },
    left: () => leave(),
  });
}

/**
 * An async generator, as far as graphql-ws needs one. Where the client has left, nothing comes any more, not even the end:
 * by then the operation's id may be another one's, and graphql-ws would end that.
 */
function stream({
  next,
  left,
}: {
  readonly next: () => Promise<IteratorResult<ExecutionResult, void>>;
  readonly left: () => void;
}): Results {
  let isLeft = false;
  const never = new Promise<never>(() => {});
  const unlessLeft = <T>(outcome: T): T | Promise<never> => (isLeft ? never : outcome);
  const results = {
    next: () =>
      next().then(unlessLeft, (error: unknown) => unlessLeft<Promise<never>>(Promise.reject(error))),
    return: async () => {
      isLeft = true;
      left();
      return { done: true as const, value: undefined };
    },
    throw: (error: unknown) => Promise.reject(error),
    [Symbol.asyncIterator]: () => results,
  } as Results;
  return results;
}

/** graphql-ws wraps what a stream throws, and its wrapping does not know where that was. */
function unwrapped(error: GraphQLError): Error {
  return error.nodes === undefined && error.originalError instanceof GraphQLError
    ? error.originalError
    : error;
}

/** Connects one socket with the protocol. Nothing that happens on it reaches beyond it. */
function serve(
  socket: WebSocket,
  extra: Extra,
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
      send: (text) => extra.socket.send(text),
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
    extra,
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

/** What waits for a socket is sent before it is told. */
async function closeAll(
  sockets: WebSocketServer,
  open: ReadonlyMap<WebSocket, OperationSocket>,
): Promise<void> {
  const clients = [...sockets.clients];
  const gone = Promise.all(clients.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  for (const socket of clients) {
    open.get(socket)?.outbox.flushAll();
    socket.close(1001, "Going away");
  }
  const impatience = setTimeout(() => clients.forEach((socket) => socket.terminate()), closeGraceMs);
  await gone;
  clearTimeout(impatience);
  sockets.close();
}
