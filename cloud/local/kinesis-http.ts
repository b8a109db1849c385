/**
 * HTTP/1.1 and h2c on one port. A request is read as a whole before anything happens, so a client that aborts
 * leaves nothing half done; sockets that speak neither protocol are closed.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttp1 } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTcp } from "node:net";
import { setTimeout } from "node:timers/promises";

/** A request that has arrived completely; `tooLarge` says that its body was discarded. */
export interface WholeRequest {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly tooLarge: boolean;
}

export interface WholeResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  readonly maxBodyBytes: number;
  /** Never rejects: what goes wrong is a response, too. */
  answer(request: WholeRequest): Promise<WholeResponse>;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const firstBytesMs = 30_000; // how long a socket may stay silent before it says which protocol it speaks
const closeGraceMs = 2_000; // a client that does not read its response cannot hold the server open
const windowBytes = 8 * 1_048_576; // a PutRecords request fits without waiting for window updates

/** Listens; `close` lets running requests finish, within two seconds, then ends every connection. */
export async function listen(options: HttpOptions): Promise<{ port: number; close(): Promise<void> }> {
  const running = new Set<Promise<void>>();
  const handle = (request: Request, response: Response): void => {
    const served = serve(options, request, response).finally(() => running.delete(served));
    running.add(served);
  };
  const speakers = protocols(handle);
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setNoDelay(true);
    detect(socket, speakers);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.race([Promise.all(running), setTimeout(closeGraceMs, undefined, { ref: false })]);
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, close };
}

interface Speakers {
  http1(socket: Socket): void;
  http2(socket: Socket): void;
}

function protocols(handle: (request: Request, response: Response) => void): Speakers {
  const http1 = createHttp1({ keepAliveTimeout: 60_000 }, handle);
  http1.on("clientError", (_error, socket) => socket.destroy());
  const http2 = createHttp2({ settings: { initialWindowSize: windowBytes } }, handle);
  http2.on("session", (session) => {
    session.on("error", () => session.destroy());
    session.setLocalWindowSize(windowBytes);
  });
  http2.on("sessionError", () => undefined);
  http2.on("streamError", () => undefined);
  return {
    http1: (socket) => http1.emit("connection", socket),
    http2: (socket) => http2.emit("connection", socket),
  };
}

/** Looks at the first bytes of a connection, puts them back, and hands it to the protocol they begin. */
function detect(socket: Socket, speakers: Speakers, seen = Buffer.alloc(0)): void {
  const giveUp = () => socket.destroy();
  socket.setTimeout(firstBytesMs, giveUp);
  socket.once("data", (chunk: Buffer) => {
    socket.pause();
    socket.removeListener("timeout", giveUp);
    const bytes = Buffer.concat([seen, chunk]);
    const known = Math.min(bytes.length, preface.length);
    const isHttp2 = bytes.subarray(0, known).equals(preface.subarray(0, known));
    if (isHttp2 && known < preface.length) {
      detect(socket, speakers, bytes);
      socket.resume();
      return;
    }
    socket.setTimeout(0);
    socket.unshift(bytes);
    if (isHttp2) {
      speakers.http2(socket); // the session takes what was put back itself; a resumed socket would lose it
      return;
    }
    speakers.http1(socket);
    socket.resume();
  });
}

/** Reads, answers and sends; never rejects, because a client may be gone at any of these steps. */
async function serve(options: HttpOptions, request: Request, response: Response): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once("close", resolve));
  response.on("error", () => undefined);
  try {
    const whole = await readWhole(request, options.maxBodyBytes);
    if (whole === undefined) return;
    const { status, headers, body } = await options.answer(whole);
    response.writeHead(status, { ...headers, "content-length": String(body.length) });
    await Promise.race([gone, end(response, body)]);
  } catch {
    request.destroy();
  }
}

function end(response: Response, body: Buffer): Promise<void> {
  return new Promise((resolve) => {
    // the two classes declare `end` with different overloads, of which TypeScript can call neither on the union
    if ("stream" in response) response.end(body, resolve);
    else response.end(body, resolve);
  });
}

/** Resolves to undefined where the client went away. A body that is too large is read to its end, but not kept. */
function readWhole(request: Request, maxBodyBytes: number): Promise<WholeRequest | undefined> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) chunks = [];
      else chunks.push(chunk);
    });
    request.once("end", () => {
      const tooLarge = bytes > maxBodyBytes;
      const { method = "", headers } = request;
      resolve(request.aborted ? undefined : { method, headers, body: Buffer.concat(chunks), tooLarge });
    });
    request.once("error", () => resolve(undefined));
    request.once("aborted", () => resolve(undefined));
    request.once("close", () => resolve(undefined));
  });
}
