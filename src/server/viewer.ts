/** Who asks. Until tokens are understood, only whoever sits at this machine is known. */
import type { IncomingHttpHeaders } from "node:http";
import { GraphQLError } from "graphql";
import { analystScope, type Scope } from "../model/scope.ts";

/** A request, as far as it says who asks. */
export interface Asker {
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** The scope of a request without a token from loopback to loopback. Throws `UNAUTHENTICATED` for any other. */
export function scopeOf(asker: Asker): Scope {
  if (isLocal(asker) && namesLoopback(asker) && asker.headers.authorization === undefined)
    return analystScope;
  throw new GraphQLError(
    "Requests come from this machine, by the name of localhost, without a token. Got one from elsewhere, by another name, or with a token. Ask http://localhost on the machine that runs the gateway.",
    { extensions: { code: "UNAUTHENTICATED", http: { status: 401 } } },
  );
}

/** A proxy on this machine forwards for others. */
function isLocal({ headers, socket }: Asker): boolean {
  if (headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined) return false;
  const address = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  return address === "::1" || address.startsWith("127.");
}

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/** A page whose own name was made to resolve to this machine (DNS rebinding) asks by that name. */
function namesLoopback({ headers }: Asker): boolean {
  return headers.host !== undefined && loopbackHost.test(headers.host);
}

/**
 * Browsers let any page open a WebSocket, which tells the page's origin, and send a GET, of which often only its relation
 * to us is told: only our own pages may.
 */
export function isOwnOrigin({ headers }: Asker): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  if (headers.origin === undefined) return true;
  try {
    return new URL(headers.origin).host === headers.host;
  } catch {
    return false;
  }
}
