/** A request as S3 reads it: path-style bucket and key, decoded as sent, with no normalising of "." or "//". */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bucketFolder } from "./s3.folder.ts";
import { S3Error, notImplemented } from "./s3.errors.ts";
import { xmlDocument } from "./s3.xml.ts";
import type { Xml } from "./s3.xml.ts";

export interface S3Request {
  readonly http: IncomingMessage;
  /** The folder all buckets are in. */
  readonly folder: string;
  /** "" for the service itself. */
  readonly bucket: string;
  /** The bucket's folder, which may not exist. */
  readonly bucketRoot: string;
  /** "" for the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
}

/** Throws `InvalidURI`, `InvalidBucketName` or, without the header of a signed request, `AccessDenied`. */
export function readRequest(folder: string, http: IncomingMessage): S3Request {
  requireSignature(http);
  const [path, search] = splitOnce(http.url ?? "/", "?");
  const [bucket, key] = splitOnce(decode(path.slice(1)), "/");
  if (bucket === "")
    throw notImplemented("ListBuckets and requests without a bucket", "Use path-style addressing.");
  return {
    http,
    folder,
    bucket,
    bucketRoot: bucketFolder(folder, bucket),
    key,
    query: new URLSearchParams(search),
  };
}

/** Not verified, but asked for: without it a web page could post to loopback. */
function requireSignature({ headers }: IncomingMessage): void {
  if (headers.authorization?.startsWith("AWS4-") === true) return;
  throw new S3Error(
    "AccessDenied",
    "Requests must be signed (any credentials will do): there is no anonymous access.",
  );
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}

export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error("InvalidURI", `"${text}" is not URI-encoded UTF-8.`, { cause });
  }
}

/** A header's value; lists of equal headers do not occur in S3. */
export function header(request: S3Request, name: string): string | undefined {
  const value = request.http.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/** Throws `NotImplemented` for a header whose meaning would be lost; `names` may end with "*". */
export function refuseHeaders(request: S3Request, names: readonly string[], wayOut: string): void {
  for (const present of Object.keys(request.http.headers)) {
    const refused = names.some((name) =>
      name.endsWith("*") ? present.startsWith(name.slice(0, -1)) : present === name,
    );
    if (refused) throw notImplemented(`the header ${present}`, wayOut);
  }
}

export function sendXml(response: ServerResponse, status: number, root: Xml): void {
  const body = Buffer.from(xmlDocument(root));
  response.writeHead(status, { "content-type": "application/xml", "content-length": body.length }).end(body);
}
