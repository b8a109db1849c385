/** The gateway: HTTP and WebSocket on one port, over one schema. */
import type { Logger } from "pino";
import type { Product } from "../model/product.ts";
import type { Scope } from "../model/scope.ts";
import type { Instant } from "../model/time.ts";
import { buildSluiceSchema } from "../resolvers/schema.ts";
import type { LiveFeeds, Session, SluiceContext } from "../schema/context.ts";
import { SharedOperations } from "../subscriptions/shared-operations.ts";
import { admissionGate } from "./admission.ts";
import { Backlog } from "./backlog.ts";
import type { Asking } from "./asking.ts";
import { apolloServer } from "./apollo.ts";
import { clientErrors } from "./client-errors.ts";
import type { GraphiqlOptions } from "./graphiql.ts";
import { graphqlPath, httpServer } from "./http.ts";
import { KeepAlive } from "./keep-alive.ts";
import { Outbox, type Sink } from "./outbox.ts";
import { answerOf } from "./response-extensions.ts";
import { Scratch } from "./scratch.ts";
import { serveEvents } from "./sse.ts";
import { Ticker } from "./ticker.ts";
import { type Asker, scopeOf } from "./viewer.ts";
import { serveWebSockets } from "./websocket.ts";

export interface GatewayOptions {
  readonly products: readonly Product[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A session per request and per event of a subscription. */
  readonly newSession: (scope: Scope, asking: Asking) => Session;
  readonly live: LiveFeeds;
  /** Whether questions can be answered now: what /health/ready says. */
  readonly ready: () => Promise<boolean>;
  readonly graphiql: GraphiqlOptions;
  readonly log: Logger;
  readonly now: () => Instant;
  /** For how long frames to a socket are gathered into one write, in milliseconds. */
  readonly tickMs?: number;
  /** A correlation id. */
  readonly newId: () => string;
}

export interface Gateway {
  /** http://host:port, where GraphiQL is; GraphQL is at `/graphql` below it. */
  readonly url: string;
  readonly wsUrl: string;
  /** Sockets are told 1001, requests under way are answered. */
  close(): Promise<void>;
}

const eventsPath = `${graphqlPath}/stream`;
const defaultTickMs = 50;
const limits = { socketBytes: 16 * 1024, waitingBytes: 1024 * 1024 };
const backlogBytes = 256 * 1024 * 1024; // that wait for all sockets together

/** Resolves when it listens; rejects when the port is taken or a declaration is wrong. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { log, host, port, ready, graphiql } = options;
  const schema = buildSluiceSchema(options.products);
  const gate = admissionGate(schema);
  const errors = clientErrors(log, options.newId);
  const newContext = contexts(options);
  const apollo = apolloServer({ schema, gate, errors, log });
  await apollo.start();
  const http = await httpServer({ apollo, errors, newContext, graphiql, ready });
  const operations = new SharedOperations({
    serialise: (context, result) => JSON.stringify(answerOf(context, result, errors)),
  });
  const outboxOf = outboxes(options.tickMs ?? defaultTickMs);
  const keepAlive = new KeepAlive();
  const streaming = { schema, gate, errors, log, newContext, operations, outboxOf, keepAlive };
  const events = serveEvents(http, { ...streaming, path: eventsPath });
  const sockets = serveWebSockets(http.server, { ...streaming, path: graphqlPath });
  await http.listen({ host, port });
  const address = `${shownHost(host)}:${portOf(http.server.address(), port)}`;
  return {
    url: `http://${address}`,
    wsUrl: `ws://${address}${graphqlPath}`,
    close: async () => {
      events.close();
      await sockets.close();
      await http.close();
      await apollo.stop();
    },
  };
}

function outboxes(tickMs: number): (sink: Sink) => Outbox {
  const ticker = new Ticker(tickMs, () => performance.now());
  const shared = { ticker, backlog: new Backlog(backlogBytes), scratch: new Scratch(), limits };
  return (sink) => new Outbox(sink, shared);
}

function contexts({ newSession, live, now }: GatewayOptions) {
  return (asker: Asker, asking: Asking, level?: (at: string) => boolean): SluiceContext => {
    const scope = scopeOf(asker);
    const next = () => newSession(scope, asking);
    return { scope, session: next(), newSession: next, live, now, ...(level && { level }) };
  };
}

/** An address that listens everywhere is reached at localhost. */
function shownHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

function portOf(
  address: ReturnType<Parameters<typeof serveWebSockets>[0]["address"]>,
  asked: number,
): number {
  return typeof address === "object" && address !== null ? address.port : asked;
}
