/**
 * What waits to be written to one socket. Frames of one tick leave in one write; to a socket that does not keep up they
 * wait, and not for ever: of an insight only the newest state does, and a feed ends.
 *
 * Delivery guarantee: frames of one operation in order; what is dropped of an insight is older than what is sent, and
 * a feed is told where it was cut.
 */
import type { Writable } from "node:stream";
import type { Payload } from "../subscriptions/shared-operations.ts";
import type { Backlog } from "./backlog.ts";
import type { Scratch } from "./scratch.ts";
import type { Ticker } from "./ticker.ts";

/** Where frames go: a socket, or the body of a response. */
export interface Sink {
  /** The parts follow one another, in one write. */
  write(parts: readonly Buffer[]): void;
  /** Bytes that it holds and could not pass on yet: none, where all that was written has been taken. */
  waiting(): number;
  /** Calls once when what was waiting is gone. */
  onDrain(call: () => void): void;
}

/** For sinks: the parts as one write of a stream. */
export function writeTogether(stream: Writable, parts: readonly Buffer[]): void {
  if (parts.length > 1) stream.cork();
  for (const part of parts) stream.write(part);
  if (parts.length > 1) stream.uncork();
}

/** What a transport puts around a payload of so many bytes. */
export interface Framing {
  headBytes(payloadBytes: number): number;
  writeHead(payloadBytes: number, into: Buffer, at: number): void;
  readonly tail: Buffer;
}

/** One operation. A payload with a place in the broadcast is a feed's, any other is a state that a newer one replaces. */
export interface Lane {
  readonly framing: Framing;
  /** The payload is written. */
  sent(payload: Payload): void;
  /** More waits than may: none of it is sent any more. */
  behind(): void;
}

export interface OutboxLimits {
  /** Bytes that a socket may hold before frames wait here; as many are written to it at a time. */
  readonly socketBytes: number;
  /** Bytes that may wait here for one socket before its feeds end. */
  readonly waitingBytes: number;
}

/** What all outboxes of a gateway have in common. */
export interface Outboxes {
  readonly ticker: Ticker;
  readonly backlog: Backlog;
  readonly scratch: Scratch;
  readonly limits: OutboxLimits;
}

interface Waiting {
  readonly lane: Lane;
  readonly payload: Payload;
}

const copiedBytes = 8 * 1_024; // a larger payload is not copied for each socket

export class Outbox {
  readonly #sink: Sink;
  readonly #shared: Outboxes;
  #waiting: Waiting[] = [];
  #scheduled = false;
  /** While it is, what waits counts in the backlog. */
  #clogged = false;
  /** Of what waits while it is clogged. */
  #bytes = 0;

  constructor(sink: Sink, shared: Outboxes) {
    this.#sink = sink;
    this.#shared = shared;
  }

  add(lane: Lane, payload: Payload): void {
    if (this.#clogged) return this.#keep(lane, payload);
    this.#waiting.push({ lane, payload });
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#shared.ticker.schedule(this);
  }

  /** Forgets what waits of an operation. */
  drop(lane: Lane): void {
    if (this.#waiting.length === 0) return;
    if (this.#clogged) for (const waiting of this.#waiting) if (waiting.lane === lane) this.#release(waiting);
    this.#waiting = this.#waiting.filter((waiting) => waiting.lane !== lane);
  }

  /** Writes what waits, as far as the socket takes it. */
  flush(): void {
    this.#scheduled = false;
    while (this.#waiting.length > 0 && !this.#isClogged()) this.#write(this.#shared.limits.socketBytes);
  }

  /** Writes what waits, whatever the socket holds: before something that has to come behind it. */
  flushAll(): void {
    if (this.#clogged) for (const waiting of this.#waiting) this.#release(waiting);
    while (this.#waiting.length > 0) this.#write(this.#shared.limits.socketBytes);
  }

  #keep(lane: Lane, payload: Payload): void {
    const isState = payload.at === undefined;
    if (isState) this.drop(lane);
    this.#hold({ lane, payload });
    this.#waiting.push({ lane, payload });
    if (isState || (this.#bytes <= this.#shared.limits.waitingBytes && !this.#shared.backlog.isFull)) return;
    this.drop(lane);
    lane.behind();
  }

  #isClogged(): boolean {
    if (this.#clogged) return true;
    if (this.#sink.waiting() <= this.#shared.limits.socketBytes) return false;
    this.#clogged = true;
    for (const waiting of this.#waiting) this.#hold(waiting);
    this.#sink.onDrain(() => {
      for (const waiting of this.#waiting) this.#release(waiting);
      this.#clogged = false;
      this.flush();
    });
    return true;
  }

  #hold({ payload }: Waiting): void {
    this.#shared.backlog.hold(payload);
    this.#bytes += payload.bytes.length;
  }

  #release({ payload }: Waiting): void {
    this.#shared.backlog.release(payload);
    this.#bytes -= payload.bytes.length;
  }

  /** Writes the first frames: so many bytes of them, and one at least. */
  #write(most: number): void {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      const more = frameBytes(waiting);
      if (count > 0 && bytes + more > most) break;
      bytes += more;
      count += 1;
    }
    const written = this.#waiting;
    this.#waiting = count === written.length ? [] : written.splice(count);
    if (count === 1 && bytes > copiedBytes) this.#sink.write(partsOf(written[0]!));
    else this.#writeCopied(written, bytes);
    for (const { lane, payload } of written) lane.sent(payload);
  }

  #writeCopied(frames: readonly Waiting[], bytes: number): void {
    const { scratch } = this.#shared;
    const into = scratch.take(bytes);
    join(frames, into);
    this.#sink.write([into]);
    if (this.#sink.waiting() > 0) scratch.keep(into);
  }
}

function frameBytes({ lane: { framing }, payload: { bytes } }: Waiting): number {
  return framing.headBytes(bytes.length) + bytes.length + framing.tail.length;
}

function join(frames: readonly Waiting[], into: Buffer): void {
  let at = 0;
  for (const { lane, payload } of frames) {
    const { framing } = lane;
    const { bytes } = payload;
    framing.writeHead(bytes.length, into, at);
    at += framing.headBytes(bytes.length);
    into.set(bytes, at);
    at += bytes.length;
    // a byte or two: quicker than a copy
    for (let i = 0; i < framing.tail.length; i++) into[at++] = framing.tail[i]!;
  }
}

/** The payload as all sockets have it: they hold it once. */
function partsOf({ lane: { framing }, payload: { bytes } }: Waiting): readonly Buffer[] {
  const head = Buffer.allocUnsafe(framing.headBytes(bytes.length));
  framing.writeHead(bytes.length, head, 0);
  return [head, bytes, framing.tail];
}
