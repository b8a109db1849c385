/** One WebSocket as graphql-ws and operations use it: texts of the protocol, and payloads that many sockets share. */
import type { Duplex } from "node:stream";
import type { WebSocket as ProtocolSocket } from "graphql-ws";
import { WebSocket } from "ws";
import { type Framing, type Outbox, type Sink, writeTogether } from "./outbox.ts";

const mostUnread = 256 * 1024; // bytes

export class OperationSocket implements Sink, ProtocolSocket {
  readonly outbox: Outbox;
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #onFailure: (socket: WebSocket, error: unknown) => void;

  /** `raw` is the stream that carries the socket: frames go there as they are, since nothing is compressed or masked. */
  constructor(
    socket: WebSocket,
    raw: Duplex,
    outboxOf: (sink: Sink) => Outbox,
    onFailure: (socket: WebSocket, error: unknown) => void,
  ) {
    this.#socket = socket;
    this.#raw = raw;
    this.#onFailure = onFailure;
    this.outbox = outboxOf(this);
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  onMessage(receive: (text: string) => Promise<void>): void {
    this.#socket.on("message", (data: Buffer) => {
      receive(data.toString()).catch((error: unknown) => this.#onFailure(this.#socket, error));
    });
  }

  /** Behind what waits. Resolves when it is written, or can no longer be. */
  send(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#isOpen()) return resolve();
      this.outbox.flushAll();
      // a failed write breaks the socket, which ends its subscriptions
      this.#socket.send(text, () => resolve());
      this.#listenWhileRead();
    });
  }

  /** Whoever does not read what is said is not listened to: every answer would wait here. */
  #listenWhileRead(): void {
    if (this.#raw.writableLength <= mostUnread || this.#socket.isPaused) return;
    this.#socket.pause();
    this.#raw.once("drain", () => this.#socket.resume());
  }

  write(parts: readonly Buffer[]): void {
    if (this.#isOpen()) writeTogether(this.#raw, parts);
  }

  waiting(): number {
    return this.#raw.writableLength;
  }

  onDrain(call: () => void): void {
    this.#raw.once("drain", call);
  }

  #isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }
}

const finalText = 0x81; // FIN, opcode 1
const closing = Buffer.from("}");

/** An operation's payloads as `next` messages, each in a frame. */
export class NextFrames implements Framing {
  readonly tail = closing;
  readonly #before: Buffer;

  constructor(id: string) {
    this.#before = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  }

  headBytes(payloadBytes: number): number {
    return headerBytes(this.#textBytes(payloadBytes)) + this.#before.length;
  }

  /** RFC 6455, 5.2: the header of an unmasked frame, with the beginning of its text. */
  writeHead(payloadBytes: number, into: Buffer, at: number): void {
    const length = this.#textBytes(payloadBytes);
    const header = headerBytes(length);
    into[at] = finalText;
    if (header === 2) into[at + 1] = length;
    else if (header === 4) {
      into[at + 1] = 126;
      into.writeUInt16BE(length, at + 2);
    } else {
      into[at + 1] = 127;
      into.writeBigUInt64BE(BigInt(length), at + 2);
    }
    into.set(this.#before, at + header);
  }

  #textBytes(payloadBytes: number): number {
    return this.#before.length + payloadBytes + closing.length;
  }
}

function headerBytes(textBytes: number): number {
  return textBytes < 126 ? 2 : textBytes < 65_536 ? 4 : 10;
}
