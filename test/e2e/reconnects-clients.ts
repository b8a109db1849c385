/** Clients whose sockets are cut: the documented recipe for feeds, and graphql-ws' own retries for insights. */
import { setTimeout as wait } from "node:timers/promises";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { followFeed } from "../../docs/recipes/follow-feed.ts";

/** The sockets of some clients, as they open and close. */
export class Sockets {
  cuts = 0;
  readonly #open = new Set<WebSocket>();

  /** For clients. */
  readonly impl: new (
    address: string | URL,
    protocols?: string | string[],
  ) => WebSocket;

  constructor() {
    const open = this.#open;
    this.impl = class extends WebSocket {
      constructor(address: string | URL, protocols?: string | string[]) {
        super(address, protocols);
        this.once("open", () => open.add(this));
        this.once("close", () => open.delete(this));
      }
    };
  }

  /** Ends the connection below one of them, whatever is under way. Nothing while none is open. */
  cutOne(): void {
    const open = [...this.#open];
    this.#cut(open[Math.floor(Math.random() * open.length)]);
  }

  cutAll(): void {
    for (const socket of this.#open) this.#cut(socket);
  }

  #cut(socket: WebSocket | undefined): void {
    if (socket === undefined) return;
    this.#open.delete(socket);
    socket.terminate();
    this.cuts++;
  }
}

type Urls = readonly string[];
export type Where = Readonly<Record<string, object>>;

export interface Follower {
  readonly where: Where | null;
  readonly ids: string[];
  /** The number of readings made when its first page came: what is made later must come. */
  readonly from: number | null;
  readonly expired: number;
  stop(): Promise<void>;
}

interface ReadingPage {
  readonly cursor: string;
  readonly events: readonly { readonly id: string }[];
}

const feedQuery = `subscription ($after: Cursor, $where: ReadingFilter) {
  readingFeed(after: $after, where: $where) { cursor events { id } }
}`;

/** `made` tells how many readings there are. */
export function follower(urls: Urls, where: Where | null, sockets: Sockets, made: () => number): Follower {
  const stopping = new AbortController();
  const state = { where, ids: [] as string[], from: null as number | null, expired: 0 };
  const following = (async () => {
    const pages = followFeed<ReadingPage>({
      urls: urls.map(socketUrl),
      query: feedQuery,
      variables: { where },
      onExpired: () => void state.expired++,
      signal: stopping.signal,
      webSocketImpl: sockets.impl,
    });
    for await (const { events } of pages) {
      state.from ??= made();
      state.ids.push(...events.map(({ id }) => id));
    }
  })();
  // what it fails with, `stop` tells
  following.catch(() => {});
  const stop = (): Promise<void> => {
    stopping.abort();
    return following;
  };
  return Object.assign(state, { stop });
}

export interface Watcher {
  readonly variables: Readonly<Record<string, unknown>>;
  /** The counts that each connection has brought, in their order. */
  readonly connections: readonly (readonly number[])[];
  /** Of any message that was no state. */
  readonly failures: readonly unknown[];
  stop(): void;
}

const updatesQuery = `subscription ($where: MachineLoadFilter, $range: TimeRange) {
  machineLoadUpdated(where: $where, range: $range) { readings }
}`;

export function watcher(urls: Urls, variables: Watcher["variables"], sockets: Sockets): Watcher {
  const connections: number[][] = [];
  const failures: unknown[] = [];
  const client = createClient({
    url: () => socketUrl(urls[Math.floor(Math.random() * urls.length)]!),
    webSocketImpl: sockets.impl,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: () => wait(Math.random() * 200),
    on: { connected: () => void connections.push([]) },
  });
  const stop = client.subscribe<{ machineLoadUpdated: { readings: number } | null }>(
    { query: updatesQuery, variables },
    {
      next: ({ data, errors }) => {
        const readings = data?.machineLoadUpdated?.readings;
        if (readings === undefined) failures.push(errors);
        else connections.at(-1)!.push(readings);
      },
      error: (error) => failures.push(error),
      complete: () => {},
    },
  );
  return { variables, connections, failures, stop };
}

const socketUrl = (url: string): string => url.replace(/^http/, "ws");
