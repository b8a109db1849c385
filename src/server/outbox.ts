/**
 * What waits to be written to one socket. Frames of one tick leave in one write; to a socket that does not keep up they
 * wait, and not for ever: of an insight only the newest state does, and a feed ends.
 *
 * Delivery guarantee: frames of one operation in order; what is dropped of an insight is older than what is sent, and
 * a feed is told where it was cut.
 */

/** Where frames go: a socket, or the body of a response. */
export interface Sink {
  write(bytes: Buffer): void;
  /** Bytes that it holds and could not pass on yet. */
  readonly waiting: () => number;
  /** Calls once when what was waiting is gone. */
  onDrain(call: () => void): void;
}

/** The payloads of one operation as frames of its transport. */
export interface Lane {
  frame(payload: Buffer): readonly Buffer[];
  /** Of what waits for a clogged socket. "newest": it is replaced by what comes. */
  readonly keeps: "newest" | "all";
  /** More waits than may: none of it is sent any more. */
  behind(): void;
}

export interface OutboxLimits {
  /** Bytes that a socket may hold before frames wait here. */
  readonly socketBytes: number;
  /** Bytes of one feed that may wait here. */
  readonly laneBytes: number;
}

interface Waiting {
  readonly lane: Lane;
  readonly payload: Buffer;
  readonly sent: () => void;
}

export class Outbox {
  readonly #sink: Sink;
  readonly #ticker: Ticker;
  readonly #limits: OutboxLimits;
  #waiting: Waiting[] = [];
  #clogged = false;

  constructor(sink: Sink, ticker: Ticker, limits: OutboxLimits) {
    this.#sink = sink;
    this.#ticker = ticker;
    this.#limits = limits;
  }

  /** `sent` is called when the payload is written. */
  add(lane: Lane, payload: Buffer, sent: () => void): void {
    if (lane.keeps === "newest" && this.#clogged) this.drop(lane);
    this.#waiting.push({ lane, payload, sent });
    if (!this.#clogged) this.#ticker.schedule(this);
    else if (lane.keeps === "all" && this.#bytesOf(lane) > this.#limits.laneBytes) {
      this.drop(lane);
      lane.behind();
    }
  }

  /** Forgets what waits of an operation. */
  drop(lane: Lane): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.lane !== lane);
  }

  /** Writes what waits, unless the socket is clogged. */
  flush(): void {
    if (this.#waiting.length === 0 || this.#isClogged()) return;
    this.flushAll();
  }

  /** Writes what waits, whatever the socket holds: before something that has to come behind it. */
  flushAll(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const frames = waiting.flatMap(({ lane, payload }) => lane.frame(payload));
    this.#sink.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
    for (const { sent } of waiting) sent();
  }

  #isClogged(): boolean {
    if (this.#clogged) return true;
    if (this.#sink.waiting() <= this.#limits.socketBytes) return false;
    this.#clogged = true;
    this.#sink.onDrain(() => {
      this.#clogged = false;
      this.flush();
    });
    return true;
  }

  #bytesOf(lane: Lane): number {
    let bytes = 0;
    for (const waiting of this.#waiting) if (waiting.lane === lane) bytes += waiting.payload.length;
    return bytes;
  }
}

const flushedAtOnce = 500; // outboxes, before others get their turn

/**
 * Writes of many sockets, joined: the first frame after a quiet tick leaves at once, what follows within the tick
 * together.
 */
export class Ticker {
  readonly #tickMs: number;
  readonly #clock: () => number;
  #dirty = new Set<Outbox>();
  #armed = false;
  #flushedAt = Number.NEGATIVE_INFINITY;

  /** `tickMs` 0: what one turn of the event loop adds is joined. */
  constructor(tickMs: number, clock: () => number) {
    this.#tickMs = tickMs;
    this.#clock = clock;
  }

  schedule(outbox: Outbox): void {
    this.#dirty.add(outbox);
    if (this.#armed) return;
    this.#armed = true;
    const leftMs = this.#flushedAt + this.#tickMs - this.#clock();
    if (leftMs <= 0) setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), leftMs);
  }

  #flush(): void {
    this.#flushedAt = this.#clock();
    const outboxes = [...this.#dirty];
    this.#dirty = new Set();
    const flushFrom = (first: number): void => {
      for (const outbox of outboxes.slice(first, first + flushedAtOnce)) outbox.flush();
      if (first + flushedAtOnce < outboxes.length) setImmediate(() => flushFrom(first + flushedAtOnce));
      else this.#rearm();
    };
    flushFrom(0);
  }

  #rearm(): void {
    this.#armed = false;
    const [first] = this.#dirty;
    if (first !== undefined) this.schedule(first);
  }
}
