/** Who asks. Until tokens are understood, only whoever sits at this machine is known. */
import type { IncomingMessage } from "node:http";
import { GraphQLError } from "graphql";
import { analystScope, type Scope } from "../model/scope.ts";

/** The scope of a request without a token from loopback. Throws `UNAUTHENTICATED` for any other. */
export function scopeOf(request: IncomingMessage): Scope {
  if (isLocal(request) && request.headers.authorization === undefined) return analystScope;
  throw new GraphQLError(
    "Requests come from this machine, without a token. Got one from elsewhere, or with a token. Ask from the machine that runs the gateway.",
    { extensions: { code: "UNAUTHENTICATED", http: { status: 401 } } },
  );
}

/** A proxy on this machine forwards for others. */
function isLocal({ headers, socket }: IncomingMessage): boolean {
  if (headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined) return false;
  const address = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  return address === "::1" || address.startsWith("127.");
}

/** Browsers send the page's origin with a WebSocket and let any page connect: only our own pages may. */
export function isOwnOrigin({ headers }: IncomingMessage): boolean {
  if (headers.origin === undefined) return true;
  try {
    return new URL(headers.origin).host === headers.host;
  } catch {
    return false;
  }
}
