/** The frames of one WebSocket as a client that only counts them takes them in: no text is decoded. */

const opcodes = { text: 1, close: 8, ping: 9 } as const;

export interface Taker {
  /** A frame has come whole. `bytes` are its text, where one chunk held all of it. */
  text(length: number, bytes: Buffer | null): void;
  ping(): void;
  close(): void;
}

export class FrameReader {
  readonly #taker: Taker;
  /** Of a frame whose header is cut. */
  #begun: Buffer | null = null;
  #opcode = 0;
  #length = 0;
  /** Bytes of the frame that are still to come. */
  #left = 0;

  constructor(taker: Taker) {
    this.#taker = taker;
  }

  take(chunk: Buffer): void {
    const bytes = this.#begun === null ? chunk : Buffer.concat([this.#begun, chunk]);
    this.#begun = null;
    let at = this.#skip(bytes, 0);
    while (at < bytes.length) {
      const start = at + headerLength(bytes, at);
      if (start > bytes.length) {
        this.#begun = Buffer.from(bytes.subarray(at));
        return;
      }
      this.#opcode = bytes[at]! & 0x0f;
      this.#length = this.#left = payloadLength(bytes, at);
      const whole = start + this.#length <= bytes.length;
      if (whole) this.#end(bytes.subarray(start, start + this.#length));
      at = whole ? start + this.#length : this.#skip(bytes, start);
    }
  }

  /** Passes over what is left of a frame. Returns where the next one starts. */
  #skip(bytes: Buffer, at: number): number {
    if (this.#left === 0) return at;
    const here = Math.min(this.#left, bytes.length - at);
    this.#left -= here;
    if (this.#left === 0) this.#end(null);
    return at + here;
  }

  #end(bytes: Buffer | null): void {
    this.#left = 0;
    if (this.#opcode === opcodes.text) this.#taker.text(this.#length, bytes);
    else if (this.#opcode === opcodes.ping) this.#taker.ping();
    else if (this.#opcode === opcodes.close) this.#taker.close();
  }
}

/** RFC 6455, 5.2; what a server sends is not masked. More than there is, where its length is cut. */
function headerLength(bytes: Buffer, at: number): number {
  if (bytes.length < at + 2) return 2;
  const short = bytes[at + 1]!;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}

function payloadLength(bytes: Buffer, at: number): number {
  const short = bytes[at + 1]!;
  if (short < 126) return short;
  return short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
}
