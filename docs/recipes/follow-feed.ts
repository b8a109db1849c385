/** Follows a feed for ever over graphql-ws: every event once, whatever happens to sockets and gateways. */
import { setTimeout as wait } from "node:timers/promises";
import { type Client, createClient } from "graphql-ws";

export interface FeedOptions {
  /** Gateways of one deployment; the next one is tried when one is gone. */
  readonly urls: readonly string[];
  /** One feed with the variable `$after: Cursor`, and the field `cursor` of its pages. */
  readonly query: string;
  /** Where to go on: the cursor of the last page that was handled. Without it: from now on. */
  readonly after?: string | null;
  /** What came since the last page can no longer be sent: query what was missed. The feed goes on from now. */
  readonly onExpired: () => void | Promise<void>;
  readonly signal: AbortSignal;
  /** Of `ws`, where there is no WebSocket: in Node before 22. */
  readonly webSocketImpl?: unknown;
}

export async function* followFeed<Page extends { cursor: string }>(
  options: FeedOptions,
): AsyncGenerator<Page> {
  let after = options.after ?? null;
  for (let attempt = 0, failures = 0; !options.signal.aborted; attempt++) {
    const url = options.urls[attempt % options.urls.length]!;
    const client = createClient({ url, retryAttempts: 0, webSocketImpl: options.webSocketImpl });
    const stop = (): void => client.terminate();
    options.signal.addEventListener("abort", stop);
    try {
      for await (const page of pages<Page>(client, options.query, after)) {
        yield page;
        // a page that was not handled is sent again
        [after, failures] = [page.cursor, 0];
      }
    } catch (reason) {
      if (isExpired(reason)) {
        after = null;
        await options.onExpired();
      } else if (!stopped(options)) await wait(Math.random() * Math.min(10_000, 100 * 2 ** failures++));
    } finally {
      options.signal.removeEventListener("abort", stop);
      await client.dispose();
    }
  }
}

async function* pages<Page>(client: Client, query: string, after: string | null): AsyncGenerator<Page> {
  for await (const { data, errors } of client.iterate<Record<string, Page>>({
    query,
    variables: { after },
  })) {
    if (errors !== undefined) throw errors;
    for (const page of Object.values(data ?? {})) yield page;
  }
}

/** graphql-ws rejects with the errors of the subscription, or with the event that closed the socket. */
function isExpired(reason: unknown): boolean {
  const errors = Array.isArray(reason) ? (reason as { extensions?: { code?: string } }[]) : [];
  return errors.some(({ extensions }) => extensions?.code === "CURSOR_EXPIRED");
}

const stopped = ({ signal }: FeedOptions): boolean => signal.aborted;
