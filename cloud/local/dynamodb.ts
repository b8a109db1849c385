/**
 * DynamoDB on loopback for the unmodified AWS SDK, durable in a folder: an HTTP front over dynalite.
 *
 * Delivery guarantee: a write that was answered survives a killed process (LevelDB's log, not synced: it may be lost
 * with the machine's power). The front reads a whole request before anything runs, so an aborted one changes nothing;
 * one aborted later may or may not have been applied, as everywhere.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isJson, openStore } from "./dynamodb.dynalite.ts";
import type { Json, Store } from "./dynamodb.dynalite.ts";
import { DynamoDbError, errorDocument } from "./dynamodb.errors.ts";
import { answer } from "./dynamodb.operations.ts";
import { listen, stop } from "./listening.ts";

const requestBytes = 16 * 1024 * 1024; // AWS: the most a request may carry, BatchWriteItem's 16 MB included

/** Where to listen and what to keep. Without `folder` everything is in memory. */
export interface DynamoDbOptions {
  readonly folder?: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  readonly host?: string;
}

export interface DynamoDbEndpoint {
  /** `http://host:port`, for the SDK's `endpoint`. */
  readonly endpoint: string;
  /** Answers what is in flight, then releases the port and the folder. */
  close(): Promise<void>;
}

/** Rejects when the port is taken or another process has the folder open. */
export async function startDynamoDb(options: DynamoDbOptions = {}): Promise<DynamoDbEndpoint> {
  const { folder, port = 0, host = "127.0.0.1" } = options;
  const store = await openStore(folder);
  const server = createServer((request, response) => void serve(store, request, response));
  const endpoint = await listen(server, port, host).catch(async (error: unknown) => {
    await store.db.close();
    throw error;
  });
  let closing: Promise<void> | undefined;
  return {
    endpoint,
    close: () => (closing ??= stop(server).then(() => store.db.close())),
  };
}

async function serve(store: Store, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const body = await wholeBody(request);
    if (body === undefined) return;
    send(response, 200, await answer(store, operationOf(request), parse(body)));
  } catch (error) {
    const failure = error instanceof DynamoDbError ? error : internal(error);
    send(response, failure.status, errorDocument(failure));
  }
}

/** Resolves to the body, or undefined when the client left; rejects after the end of one that is too large. */
async function wholeBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= requestBytes) chunks.push(chunk);
      else chunks.length = 0; // read on: a client that is still sending would not see the answer
    }
  } catch {
    return undefined;
  }
  if (bytes > requestBytes) throw tooLarge(bytes);
  return Buffer.concat(chunks);
}

function tooLarge(bytes: number): DynamoDbError {
  const message = `A request may carry ${requestBytes} bytes, this one has ${bytes}: send fewer items at a time.`;
  return new DynamoDbError("RequestEntityTooLargeException", message, undefined, 413);
}

/** Asks for the header of a signed request, unverified: without it a web page could post to loopback. */
function operationOf({ method, headers }: IncomingMessage): string {
  const target = String(headers["x-amz-target"]);
  const [service, operation, ...rest] = target.split(".");
  if (method !== "POST" || service !== "DynamoDB_20120810" || operation === undefined || rest.length > 0) {
    throw new DynamoDbError(
      "UnknownOperationException",
      `DynamoDB operations are POST with x-amz-target "DynamoDB_20120810.<operation>", got ${method} with "${target}".`,
    );
  }
  if (!headers.authorization?.startsWith("AWS4-")) {
    throw new DynamoDbError("MissingAuthenticationTokenException", "Request is missing Authentication Token");
  }
  return operation;
}

function parse(body: Buffer): Json {
  try {
    const input: unknown = JSON.parse(body.toString());
    if (isJson(input)) return input;
  } catch {
    // falls through: neither JSON nor an object
  }
  throw new DynamoDbError("SerializationException", "The body of a request must be a JSON object.");
}

/** 500 makes the SDK retry. */
function internal(error: unknown): DynamoDbError {
  return new DynamoDbError("InternalServerError", String(error), undefined, 500);
}

function send(response: ServerResponse, status: number, document: object): void {
  const body = JSON.stringify(document);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.0",
    "content-length": Buffer.byteLength(body),
    "x-amzn-requestid": crypto.randomUUID(),
  });
  response.end(body);
}
