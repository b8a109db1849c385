/** Follows a feed for ever over graphql-ws: every event once, whatever happens to sockets and gateways. */
import { setTimeout as wait } from "node:timers/promises";
import { type Client, createClient } from "graphql-ws";

export interface FeedOptions {
  /** Gateways of one deployment; the next one is tried when one is gone. */
  readonly urls: readonly string[];
  /** One feed with the variable `$after: Cursor`, and the field `cursor` of its pages. */
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  /** Where to go on: the cursor of the last page that was handled. */
  readonly after?: string | null;
  /** Events between the cursor and now can no longer be sent: query what was missed. */
  readonly onExpired: () => void | Promise<void>;
  readonly signal?: AbortSignal;
  readonly webSocketImpl?: unknown;
}

export async function* followFeed<Page extends { cursor: string }>(
  options: FeedOptions,
): AsyncGenerator<Page> {
  let after = options.after ?? null;
  for (let attempt = 0; options.signal?.aborted !== true; attempt++) {
    const url = options.urls[attempt % options.urls.length]!;
    const client = createClient({ url, retryAttempts: 0, webSocketImpl: options.webSocketImpl });
    const stop = (): void => void client.terminate();
    options.signal?.addEventListener("abort", stop);
    try {
      for await (const page of pages<Page>(client, options, after)) {
        yield page;
        // only now: what was not handled is sent again
        after = page.cursor;
      }
    } catch (reason) {
      if (isExpired(reason)) {
        after = null;
        await options.onExpired();
      } else if (options.signal?.aborted !== true)
        await wait(Math.random() * Math.min(10_000, 100 * 2 ** (attempt % 8)));
    } finally {
      options.signal?.removeEventListener("abort", stop);
      await client.dispose();
    }
  }
}

async function* pages<Page>(
  client: Client,
  { query, variables }: FeedOptions,
  after: string | null,
): AsyncGenerator<Page> {
  for await (const { data, errors } of client.iterate<Record<string, Page>>({
    query,
    variables: { ...variables, after },
  })) {
    if (errors !== undefined) throw errors;
    const [page] = Object.values(data ?? {});
    if (page != null) yield page;
  }
}

function isExpired(reason: unknown): boolean {
  const errors = Array.isArray(reason) ? (reason as { extensions?: { code?: string } }[]) : [];
  return errors.some(({ extensions }) => extensions?.code === "CURSOR_EXPIRED");
}
