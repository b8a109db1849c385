/** A gateway over the shop on a free port of loopback, and two plain clients. */
import pino from "pino";
import { expect } from "vitest";
import { type RawData, WebSocket } from "ws";
import { analystScope } from "../../src/model/scope.ts";
import type { Asking } from "../../src/server/asking.ts";
import { type Gateway, startGateway } from "../../src/server/gateway.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { type FakeBroadcast, fakeBroadcast } from "../subscriptions/fake-broadcast.ts";
import { shopActivity, stockLevel } from "./shop.ts";
import { openShop, publishedAt, type Shop, shopSession, sold } from "./shop-session.ts";

export interface Fixture {
  readonly gateway: Gateway;
  readonly shop: Shop;
  readonly broadcast: FakeBroadcast;
  /** Log lines, one entry each. */
  readonly log: string[];
  /** What every session was told of its client, oldest first. */
  readonly askings: Asking[];
}

export async function startFixture(): Promise<Fixture> {
  const shop = openShop([
    sold("Bern", 1, 10),
    sold("Bern", 30, 20),
    sold("Oslo", 2, 5),
    sold(null, 3, 1, true),
  ]);
  const broadcast = fakeBroadcast();
  const log: string[] = [];
  const askings: Asking[] = [];
  let ids = 0;
  const gateway = await startGateway({
    products: [shopActivity, stockLevel],
    host: "127.0.0.1",
    port: 0,
    newSession: (scope, asking) => {
      if (scope !== analystScope) throw new TypeError("Loopback is an analyst.");
      askings.push(asking);
      return shopSession(shop);
    },
    live: liveFeeds({ broadcast, cursorSecret: "of the test", retryMs: () => 1 }),
    ready: async () => shop.outage === null,
    graphiql: { title: "Shop", defaultQuery: "{ shopActivity { sales } }" },
    log: pino({ level: "info" }, { write: (line: string) => void log.push(line) }),
    now: () => publishedAt + 30 * 60_000,
    newId: () => `id-${++ids}`,
  });
  return { gateway, shop, broadcast, log, askings };
}

/** What a page asks by whose name was made to resolve to this machine, and names that look like ours. */
export const foreignHosts = [
  "evil.example:4000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "localhost@evil.example",
  "10.0.0.1",
  "[::2]",
];

export interface Answer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: {
      readonly code: string;
      readonly correlationId?: string;
      readonly jobId?: string;
    };
  }[];
  readonly extensions?: {
    readonly sluice: { readonly manifest: object; readonly provenance: readonly object[] };
  };
}

export async function post(
  gateway: Gateway,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; type: string | null; answer: Answer; text: string }> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    answer: JSON.parse(text) as Answer,
    text,
  };
}

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

/** A socket that says what it is told to, well-formed or not. */
export interface Socket {
  say(message: object | string | Buffer): void;
  /** The next message; rejects when the socket closes first. */
  next(): Promise<Message>;
  readonly closed: Promise<number>;
  close(): void;
}

/** Connects, and says connection_init unless told otherwise. */
export async function connect(
  gateway: Gateway,
  { init = true, headers = {}, protocol = "graphql-transport-ws" } = {},
): Promise<Socket> {
  const socket = new WebSocket(gateway.wsUrl, protocol, { headers });
  const received: Message[] = [];
  const waiting: { resolve: (message: Message) => void; reject: (error: Error) => void }[] = [];
  socket.on("message", (data: RawData) => {
    const message = JSON.parse((data as Buffer).toString()) as Message;
    const waiter = waiting.shift();
    if (waiter) waiter.resolve(message);
    else received.push(message);
  });
  const closed = new Promise<number>((resolve) =>
    socket.once("close", (code) => {
      for (const waiter of waiting) waiter.reject(new Error(`closed with ${code}`));
      resolve(code);
    }),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
  });
  socket.on("error", () => {});
  const client: Socket = {
    say: (message) =>
      socket.send(
        typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message),
      ),
    next: () => {
      const message = received.shift();
      if (message) return Promise.resolve(message);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    closed,
    close: () => socket.close(1000),
  };
  if (init) {
    client.say({ type: "connection_init" });
    await client.next();
  }
  return client;
}

export function subscribe(id: string, query: string, variables?: object): object {
  return { type: "subscribe", id, payload: { query, variables } };
}

/** Resolves when so many listen to the broadcast. */
export async function listening({ broadcast }: Fixture, count: number): Promise<void> {
  await expect.poll(() => broadcast.listeners(), { interval: 5, timeout: 10_000 }).toBe(count);
}
