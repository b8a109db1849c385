/** GraphiQL, bundled: the page loads nothing from any other host. */

export interface GraphiqlOptions {
  readonly title: string;
  /** What the editor shows first. */
  readonly defaultQuery: string;
}

/** No script, style, font or connection but our own; the editor builds its workers from blobs. */
export const pagePolicy =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'";

/** Renders when first asked, and once: the module holds 9 MB. */
export function graphiqlPage(
  options: GraphiqlOptions & { readonly endpoint: string },
): () => Promise<Buffer> {
  let page: Promise<Buffer> | undefined;
  return () => (page ??= render(options));
}

async function render({
  title,
  defaultQuery,
  endpoint,
}: GraphiqlOptions & { readonly endpoint: string }): Promise<Buffer> {
  const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
  return Buffer.from(
    renderGraphiQL({ title, defaultQuery, endpoint, subscriptionsProtocol: "WS", additionalHeaders: {} }),
  );
}
