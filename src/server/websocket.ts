/**
 * GraphQL over WebSocket (graphql-transport-ws). graphql-ws speaks the protocol; the payloads of subscriptions go past
 * it, as the bytes that all who follow the same one share. Delivery: what a subscription yields, in order; a socket that
 * cannot keep up gets the newest states only, and its feeds end.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError, type GraphQLSchema, OperationTypeNode } from "graphql";
import { CloseCode, type Context, handleProtocols, makeServer } from "graphql-ws";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import type { SluiceContext } from "../schema/context.ts";
import type { SharedOperations } from "../subscriptions/shared-operations.ts";
import { adHocWaitName, askedWait, asking } from "./asking.ts";
import type { Gate, OperationRequest } from "./admission.ts";
import type { ClientErrors } from "./client-errors.ts";
import type { KeepAlive } from "./keep-alive.ts";
import type { Outbox, Sink } from "./outbox.ts";
import { answerOf } from "./response-extensions.ts";
import { Followed, type Once, OneAnswer, type Subscription } from "./operations.ts";
import { OperationSocket } from "./socket.ts";
import { type NewContext, Subscribe } from "./subscribing.ts";
import { type Asker, isOwnOrigin, scopeOf } from "./viewer.ts";

export interface WebSocketOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly gate: Gate;
  readonly errors: ClientErrors;
  readonly log: Logger;
  readonly newContext: NewContext;
  readonly operations: SharedOperations;
  readonly outboxOf: (sink: Sink) => Outbox;
  readonly keepAlive: KeepAlive;
}

export interface WebSockets {
  /** Says 1001 to every socket, behind what waits for it, and ends those that do not answer. */
  close(): Promise<void>;
}

const maxPayload = 64 * 1024; // bytes of one message
const maxOperations = 100; // at a time on one socket
const closeGraceMs = 1_000;

interface Extra {
  readonly asker: Asker;
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
  const onFailure = (socket: WebSocket, error: unknown): void => failed(socket, error, options.log);
  let isClosing = false;
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    destroyOnError(socket);
    if (request.url?.split("?", 1)[0] !== options.path) return refuseUpgrade(socket, "404 Not Found");
    if (isClosing) return refuseUpgrade(socket, "503 Service Unavailable");
    if (!isOwnOrigin(request)) return refuseUpgrade(socket, "403 Forbidden");
    const refusal = headerRefusal(request, options.errors);
    if (refusal !== null) return refuseUpgrade(socket, "400 Bad Request", refusal);
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const extra = {
        asker: askerOf(request),
        socket: new OperationSocket(opened, socket, options.outboxOf, onFailure),
      };
      open.set(opened, extra.socket);
      opened.once("close", () => open.delete(opened));
      serve(opened, extra, protocol, options);
    });
  });
  return {
    close: () => {
      isClosing = true;
      return closeAll(sockets, open);
    },
  };
}

/** A function of its own, whose listener keeps nothing else of the upgrade. */
function destroyOnError(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
}

/** As long as the socket is open, only what is needed of its request is kept. */
function askerOf({ headers, socket: { remoteAddress } }: IncomingMessage): Asker {
  return { headers, socket: { ...(remoteAddress !== undefined && { remoteAddress }) } };
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
        scopeOf(extra.asker);
        return true;
      } catch {
        return false;
      }
    },
    onSubscribe: (connection, id, payload) => operationOf(id, payload, connection, options),
    execute: (args) => new OneAnswer(args as Once),
    subscribe: (args) => new Followed(args as Subscription, options.operations),
    onNext: (_ctx, _id, _payload, args, result) =>
      answerOf(args.contextValue as SluiceContext, result, errors),
    onError: (_ctx, _id, _payload, found) => found.map((error) => errors(unwrapped(error))),
  });
}

type Connection = Context<Record<string, unknown>, Extra>;

/** What is to be executed, or why it is not. */
function operationOf(
  id: string,
  payload: OperationRequest,
  { extra: { asker, socket }, subscriptions, connectionParams }: Connection,
  { schema, gate, newContext }: Pick<WebSocketOptions, "schema" | "gate" | "newContext">,
): Once | Subscription | readonly GraphQLError[] {
  if (Object.keys(subscriptions).length > maxOperations) return [tooMany()];
  const admission = gate.admit(payload, "websocket");
  if ("refused" in admission) return admission.refused;
  const wait = connectionParams?.[adHocWaitName] ?? asker.headers[adHocWaitName];
  const args = {
    schema,
    document: admission.document,
    operationName: payload.operationName as string | null,
    variableValues: payload.variables as Record<string, unknown> | null,
  };
  try {
    if (admission.operation.operation === OperationTypeNode.SUBSCRIPTION)
      return {
        ...args,
        asked: new Subscribe({ schema, newContext }, admission, payload, asker, wait),
        id,
        socket,
      };
    const left = new AbortController();
    return { ...args, contextValue: newContext(asker, asking(left.signal, wait)), left };
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
  { log, keepAlive }: Pick<WebSocketOptions, "log" | "keepAlive">,
): void {
  const closed = protocol.opened(extra.socket, extra);
  const stopPings = ping(socket, keepAlive);
  // ws closes by itself with the code that fits: 1009 for a message too large, 1007 for bad UTF-8
  socket.on("error", (error) => log.debug({ err: error }, "a WebSocket broke"));
  socket.once("close", (code, reason) => {
    stopPings();
    closed(code, reason.toString()).catch((error: unknown) => failed(socket, error, log));
  });
}

function failed(socket: WebSocket, error: unknown, log: Logger): void {
  // what the server sends is no message of a client's
  if (isUnexpectedMessage(error)) return socket.close(CloseCode.BadRequest, "Invalid message received");
  log.warn({ err: error }, "a WebSocket failed");
  socket.close(CloseCode.InternalServerError, "Internal server error");
}

/** graphql-ws throws for a message type that only servers send. */
function isUnexpectedMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Unexpected message of type");
}

/** Ends a socket that leaves a ping unanswered until the next one is due. */
function ping(socket: WebSocket, keepAlive: KeepAlive): () => void {
  let answered = true;
  socket.on("pong", () => (answered = true));
  return keepAlive.add(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  });
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
