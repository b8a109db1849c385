/** One WebSocket as operations write to it: texts of the protocol, and payloads that many sockets share. */
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { type Lane, Outbox, type OutboxLimits, type Ticker } from "./outbox.ts";

export interface OperationSocket {
  /** Behind what waits. Resolves when it is written, or can no longer be. */
  send(text: string): Promise<void>;
  readonly outbox: Outbox;
  /** An operation's payloads as `next` messages. */
  lane(id: string, keeps: Lane["keeps"], behind: () => void): Lane;
}

/** `raw` is the stream that carries the socket: frames go there as they are, since nothing is compressed or masked. */
export function operationSocket(
  socket: WebSocket,
  raw: Duplex,
  ticker: Ticker,
  limits: OutboxLimits,
): OperationSocket {
  const isOpen = (): boolean => socket.readyState === WebSocket.OPEN;
  const outbox = new Outbox(
    {
      write: (bytes) => void (isOpen() && raw.write(bytes)),
      waiting: () => raw.writableLength,
      onDrain: (call) => raw.once("drain", call),
    },
    ticker,
    limits,
  );
  return {
    outbox,
    send: (text) =>
      new Promise((resolve) => {
        if (!isOpen()) return resolve();
        outbox.flushAll();
        // a failed write breaks the socket, which ends its subscriptions
        socket.send(text, () => resolve());
      }),
    lane: (id, keeps, behind) => {
      const before = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
      return { keeps, behind, frame: (payload) => textFrame(before, payload) };
    },
  };
}

const closing = Buffer.from("}");
const finalText = 0x81; // FIN, opcode 1

/** RFC 6455, 5.2: the header of an unmasked frame, with the beginning of its text. */
function textFrame(before: Buffer, payload: Buffer): readonly Buffer[] {
  const length = before.length + payload.length + closing.length;
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const start = Buffer.allocUnsafe(headerLength + before.length);
  start[0] = finalText;
  if (headerLength === 2) start[1] = length;
  else if (headerLength === 4) {
    start[1] = 126;
    start.writeUInt16BE(length, 2);
  } else {
    start[1] = 127;
    start.writeBigUInt64BE(BigInt(length), 2);
  }
  before.copy(start, headerLength);
  return [start, payload, closing];
}
