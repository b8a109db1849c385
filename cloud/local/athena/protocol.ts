/** Athena's wire protocol, AWS JSON 1.1: one POST per operation, named by a header. */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** A request that Athena answers with HTTP 400. */
export class InvalidRequest extends Error {
  readonly type: string;

  constructor(message: string, type = "InvalidRequestException") {
    super(message);
    this.name = "InvalidRequest";
    this.type = type;
  }
}

export type Input = Readonly<Record<string, unknown>>;
export type Operation = (input: Input) => Promise<unknown>;

const targetPrefix = "AmazonAthena.";
const maxRequestBytes = 4 * 1024 * 1024; // a query string has at most 262,144 bytes

/** An HTTP server over the operations. It reads the whole request before it acts, so an aborted one has no effect. */
export function protocolServer(operations: ReadonlyMap<string, Operation>): Server {
  const server = createServer((request, response) => {
    response.on("error", () => undefined);
    answer(request, operations).then(
      (body) => send(response, 200, body),
      (error: unknown) => sendError(response, error),
    );
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

async function answer(
  request: IncomingMessage,
  operations: ReadonlyMap<string, Operation>,
): Promise<unknown> {
  const body = await readBody(request);
  const target = String(request.headers["x-amz-target"] ?? "");
  const operation = operations.get(target.slice(targetPrefix.length));
  if (request.method !== "POST" || !target.startsWith(targetPrefix) || !operation) {
    throw new InvalidRequest(
      `The embedded Athena answers POST with X-Amz-Target ${targetPrefix}{${[...operations.keys()].join(",")}}, got ${request.method} ${target || "without a target"}`,
      "UnknownOperationException",
    );
  }
  return operation(parseInput(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxRequestBytes) throw new InvalidRequest(`A request has at most ${maxRequestBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseInput(body: string): Input {
  try {
    const input: unknown = JSON.parse(body);
    if (typeof input === "object" && input !== null && !Array.isArray(input)) return input as Input;
  } catch {
    // answered below, as any other body that is no object
  }
  throw new InvalidRequest("The body is a JSON object", "SerializationException");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body ?? {});
  response.writeHead(status, {
    "Content-Type": "application/x-amz-json-1.1",
    "Content-Length": Buffer.byteLength(text),
    "x-amzn-RequestId": randomUUID(),
  });
  response.end(text);
}

function sendError(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof InvalidRequest))
    return send(response, 500, { __type: "InternalServerException", Message: message });
  const code = error.type === "InvalidRequestException" ? { AthenaErrorCode: "INVALID_INPUT" } : {};
  send(response, 400, { __type: error.type, Message: message, message, ...code });
}

/** A field that must be a string. Throws `InvalidRequest`. */
export function stringField(input: Input, name: string): string {
  const value = optionalString(input, name);
  if (value === undefined) throw new InvalidRequest(`${name} is required`);
  return value;
}

export function optionalString(input: Input, name: string): string | undefined {
  const value = input[name] ?? undefined;
  if (value !== undefined && typeof value !== "string")
    throw new InvalidRequest(`${name} is a string, got ${JSON.stringify(value)}`);
  return value;
}

/** A field that is a structure, empty where it is absent. */
export function structField(input: Input, name: string): Input {
  const value = input[name] ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw new InvalidRequest(`${name} is a structure`);
  return value as Input;
}

/** A list of strings, empty where it is absent. */
export function stringsField(input: Input, name: string): string[] {
  const value = input[name] ?? [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
    throw new InvalidRequest(`${name} is a list of strings`);
  return value as string[];
}
