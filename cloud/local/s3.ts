/**
 * S3 on loopback for the unmodified AWS SDK (`forcePathStyle: true`), over a folder whose files are the objects.
 * What it guarantees about them stands in `s3.folder.ts`. Multipart uploads, versions and metadata are refused.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import path from "node:path";
import { listen, stop } from "./listening.ts";
import { createBucket, deleteBucket, deleteObjects, headBucket, listObjectsV2 } from "./s3.buckets.ts";
import { S3Error, errorDocument, notImplemented } from "./s3.errors.ts";
import { openFolder } from "./s3.folder.ts";
import { copyObject, getObject, putObject, removeObject } from "./s3.objects.ts";
import { header, readRequest } from "./s3.request.ts";
import type { S3Request } from "./s3.request.ts";

export interface S3Options {
  /** Bucket `b` is the folder `b` in here. Created when it does not exist; one endpoint at a time may use it. */
  readonly folder: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  readonly host?: string;
}

export interface S3Endpoint {
  /** `http://host:port`, for the SDK's `endpoint`. */
  readonly endpoint: string;
  /** Answers what is in flight, then releases the port. */
  close(): Promise<void>;
}

/** Rejects when the port is taken or the folder cannot be written. */
export async function startS3({ folder, port = 0, host = "127.0.0.1" }: S3Options): Promise<S3Endpoint> {
  const root = path.resolve(folder);
  await openFolder(root);
  const server = createServer((request, response) => void serve(root, request, response));
  server.requestTimeout = 0; // a large upload may take its time
  const endpoint = await listen(server, port, host);
  let closing: Promise<void> | undefined;
  return { endpoint, close: () => (closing ??= stop(server)) };
}

async function serve(folder: string, http: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("x-amz-request-id", crypto.randomUUID());
  response.on("error", () => undefined); // the client left; nobody is there to be told
  try {
    const request = readRequest(folder, http);
    await operationOf(request)(request, response);
  } catch (error) {
    await refuse(http, response, error);
  }
}

type Operation = (request: S3Request, response: ServerResponse) => Promise<void>;

function operationOf(request: S3Request): Operation {
  const { key, query } = request;
  const method = String(request.http.method);
  const isCopy = header(request, "x-amz-copy-source") !== undefined;
  const operations: Readonly<Record<string, Operation>> =
    key !== ""
      ? { GET: getObject, HEAD: getObject, PUT: isCopy ? copyObject : putObject, DELETE: removeObject }
      : {
          GET: listObjectsV2,
          HEAD: headBucket,
          PUT: createBucket,
          DELETE: deleteBucket,
          POST: deleteObjects,
        };
  refuseUnknownParameters(query, key === "" ? parametersOf[method] : undefined);
  const operation = operations[method];
  if (operation !== undefined && (method !== "POST" || query.has("delete"))) return operation;
  throw notImplemented(
    `${method} on ${key === "" ? "a bucket" : "an object"}`,
    "Use single requests per object.",
  );
}

const parametersOf: Readonly<Record<string, readonly string[]>> = {
  GET: [
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "fetch-owner",
  ],
  POST: ["delete"],
};

/** Parameters select S3's other operations ("?acl", "?uploads"), so none may be overlooked. */
function refuseUnknownParameters(query: URLSearchParams, known: readonly string[] = []): void {
  for (const name of query.keys()) {
    if (name === "x-id" || known.includes(name)) continue; // the SDK names the operation in x-id
    throw notImplemented(
      `the parameter "${name}"`,
      "It has buckets and whole objects: put, get, copy, delete, list.",
    );
  }
}

/** Reads the rest of the request first: a client that is still sending would not see the answer. */
async function refuse(http: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  await drained(http);
  const failure =
    error instanceof S3Error ? error : new S3Error("InternalError", String(error), { cause: error });
  const hasBody = http.method !== "HEAD" && failure.status !== 304;
  const body = hasBody ? Buffer.from(errorDocument(failure, http.url ?? "")) : Buffer.alloc(0);
  response.writeHead(
    failure.status,
    hasBody ? { "content-type": "application/xml", "content-length": body.length } : {},
  );
  response.end(body);
}

function drained(http: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (http.readableEnded || http.destroyed) resolve();
    else http.once("close", resolve).once("end", resolve).once("error", resolve).resume();
  });
}
