/** The recipe of docs/subscriptions.md, where gateways do what they should not. test/e2e/reconnects.test.ts cuts its sockets. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { followFeed } from "../../docs/recipes/follow-feed.ts";

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

interface Page {
  readonly cursor: string;
}

/** What a gateway does with one subscription. */
type Script = (next: (payload: object) => void, socket: WebSocket, id: string) => void;

let server: WebSocketServer;
let scripts: Script[];
/** The cursors that were asked for, and the other variables. */
let asked: unknown[];
let expired: number;
let stopping: AbortController;

beforeEach(async () => {
  [scripts, asked, expired, stopping] = [[], [], 0, new AbortController()];
  server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
  server.on("connection", (socket) => socket.on("message", (data: Buffer) => answer(socket, data)));
  await once(server, "listening");
});

afterEach(() => {
  stopping.abort();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

function answer(socket: WebSocket, data: Buffer): void {
  const { type, id, payload } = JSON.parse(data.toString()) as {
    type: string;
    id: string;
    payload: { variables: object };
  };
  if (type === "connection_init") socket.send(JSON.stringify({ type: "connection_ack" }));
  if (type !== "subscribe") return;
  asked.push(payload.variables);
  const next = (result: object) => socket.send(JSON.stringify({ id, type: "next", payload: result }));
  scripts.shift()?.(next, socket, id);
}

const page = (cursor: string) => ({ data: { feed: { cursor } } });
const refusal = (code: string) => ({ errors: [{ message: "no", extensions: { code } }] });

/** The cursors of so many pages. */
async function follow(count: number, options: { silenceMs?: number; variables?: object } = {}) {
  const { port } = server.address() as AddressInfo;
  const got: string[] = [];
  const pages = followFeed<Page>({
    urls: [`ws://127.0.0.1:${port}`],
    query: "subscription ($after: Cursor) { feed(after: $after) { cursor } }",
    onExpired: () => void expired++,
    signal: stopping.signal,
    webSocketImpl: WebSocket,
    ...(options as object),
  });
  for await (const { cursor } of pages) if (got.push(cursor) === count) break;
  return got;
}

it("is shown in the documentation as it is", () => {
  expect(text("../../docs/subscriptions.md")).toContain(
    `\`\`\`ts\n${text("../../docs/recipes/follow-feed.ts")}\`\`\`\n`,
  );
});

describe("following a feed", () => {
  it("goes on behind the last page, whatever code closes the socket", async () => {
    const closes = [1000, 1001, 1011, 4400];
    scripts = closes.map((code, i) => (next, socket) => {
      next(page(`c${i}`));
      socket.close(code);
    });
    scripts.push((next) => next(page("last")));
    expect(await follow(5)).toEqual(["c0", "c1", "c2", "c3", "last"]);
    expect(asked).toEqual([null, "c0", "c1", "c2", "c3"].map((after) => ({ after })));
  });

  it("gives a connection up that says nothing", async () => {
    scripts = [(next) => next(page("a")), (next) => next(page("b"))];
    expect(await follow(2, { silenceMs: 100 })).toEqual(["a", "b"]);
    expect(asked).toEqual([{ after: null }, { after: "a" }]);
  });

  it("goes on where the subscription is completed, or ended because it was too slow", async () => {
    scripts = [
      (next, socket, id) => {
        next(page("a"));
        socket.send(JSON.stringify({ id, type: "complete" }));
      },
      (_, socket, id) =>
        socket.send(JSON.stringify({ id, type: "error", payload: refusal("SLOW_CONSUMER").errors })),
      (next) => next(page("b")),
    ];
    expect(await follow(2, { variables: { of: "a" } })).toEqual(["a", "b"]);
    expect(asked).toEqual([null, "a", "a"].map((after) => ({ of: "a", after })));
  });

  it("tells when the cursor has expired, and begins from now", async () => {
    scripts = [
      (next, socket) => {
        next(page("a"));
        socket.terminate();
      },
      (next) => next(refusal("CURSOR_EXPIRED")),
      (next) => next(page("z")),
    ];
    expect(await follow(2)).toEqual(["a", "z"]);
    expect(asked).toEqual([{ after: null }, { after: "a" }, { after: null }]);
    expect(expired).toBe(1);
  });

  it("throws what no other attempt can mend", async () => {
    scripts = [(next) => next(refusal("UNAUTHENTICATED"))];
    await expect(follow(1)).rejects.toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  });

  it("ends when it is stopped: while it connects, and while nothing comes", async () => {
    const connecting = follow(1);
    stopping.abort();
    expect(await connecting).toEqual([]);
    stopping = new AbortController();
    scripts = [() => stopping.abort()];
    expect(await follow(1)).toEqual([]);
  });
});
