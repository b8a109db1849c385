/** Follows a feed for ever over graphql-ws: every event once, whatever happens to sockets and gateways. */
import { setTimeout as wait } from "node:timers/promises";
import { createClient } from "graphql-ws";

export interface FeedOptions {
  /** Gateways of one deployment; the next one is tried when one is gone. */
  readonly urls: readonly string[];
  /** One feed with the variable `$after: Cursor`, and the field `cursor` of its pages. */
  readonly query: string;
  /** The other variables of the query. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Where to go on: the cursor of the last page that was handled. Without it: from now on. */
  readonly after?: string | null;
  /** What came since the last page can no longer be sent: query what was missed. The feed goes on from now. */
  readonly onExpired: () => void | Promise<void>;
  readonly signal: AbortSignal;
  /** A connection that says nothing for so long, answers to pings included, is given up. */
  readonly silenceMs?: number;
  /** Of `ws`, where there is no WebSocket: in Node before 22. */
  readonly webSocketImpl?: unknown;
}

const hopeless = ["BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "UNAUTHENTICATED"];

export async function* followFeed<Page extends { cursor: string }>(
  options: FeedOptions,
): AsyncGenerator<Page> {
  const { urls, onExpired, signal } = options;
  let after = options.after ?? null;
  for (let attempt = 0, failures = 0; !signal.aborted; attempt++)
    try {
      for await (const page of pages<Page>(options, urls[attempt % urls.length]!, after)) {
        yield page;
        // a page that was not handled is sent again
        [after, failures] = [page.cursor, 0];
      }
    } catch (reason) {
      const codes = codesOf(reason);
      if (codes.some((code) => hopeless.includes(code))) throw reason;
      if (codes.includes("CURSOR_EXPIRED")) {
        after = null;
        await onExpired();
      } else
        await wait(Math.random() * Math.min(10_000, 100 * 2 ** failures++), null, { signal }).catch(() => {});
    }
}

/** Over one connection. Throws the errors of the subscription, or what ended the connection. */
async function* pages<Page>(options: FeedOptions, url: string, after: string | null): AsyncGenerator<Page> {
  const { query, variables, signal, silenceMs = 20_000, webSocketImpl } = options;
  const silence = setTimeout(() => end("silent"), silenceMs);
  // graphql-ws would go on by itself after some closes, but with the cursor of the beginning
  const on = { message: () => void silence.refresh(), closed: (event: unknown) => end(event) };
  const client = createClient({ url, retryAttempts: 0, keepAlive: silenceMs / 4, on, webSocketImpl });
  const results = client.iterate<Record<string, Page>>({ query, variables: { ...variables, after } });
  const end = (reason: unknown): void => void results.throw!(reason);
  const stop = (): void => end("stopped");
  signal.addEventListener("abort", stop);
  try {
    for await (const { data, errors } of results) {
      if (errors !== undefined) throw errors;
      yield* Object.values(data ?? {});
    }
    throw new Error("The feed was completed.");
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
    await results.return!();
  }
}

/** graphql-ws rejects with the errors of the subscription, or with the event that closed the socket. */
function codesOf(reason: unknown): readonly string[] {
  const errors = Array.isArray(reason) ? (reason as { extensions?: { code?: string } }[]) : [];
  return errors.map(({ extensions }) => extensions?.code ?? "");
}
