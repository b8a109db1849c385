/**
 * Writes of many sockets, joined: the first frame after a quiet tick leaves at once, what follows within the tick
 * together.
 */

export interface Flushed {
  flush(): void;
}

const flushedAtOnce = 500; // sockets, before others get their turn

export class Ticker {
  readonly #tickMs: number;
  readonly #clock: () => number;
  #dirty: Flushed[] = [];
  #armed = false;
  #flushedAt = Number.NEGATIVE_INFINITY;

  /** `tickMs` 0: what one turn of the event loop adds is joined. */
  constructor(tickMs: number, clock: () => number) {
    this.#tickMs = tickMs;
    this.#clock = clock;
  }

  /** Once for each flush. */
  schedule(outbox: Flushed): void {
    this.#dirty.push(outbox);
    if (!this.#armed) this.#arm();
  }

  #arm(): void {
    this.#armed = true;
    const leftMs = this.#flushedAt + this.#tickMs - this.#clock();
    if (leftMs <= 0) setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), leftMs);
  }

  #flush(): void {
    this.#flushedAt = this.#clock();
    const outboxes = this.#dirty;
    this.#dirty = [];
    const flushFrom = (first: number): void => {
      const end = Math.min(first + flushedAtOnce, outboxes.length);
      for (let i = first; i < end; i++) outboxes[i]!.flush();
      if (end < outboxes.length) setImmediate(() => flushFrom(end));
      else this.#rearm();
    };
    flushFrom(0);
  }

  #rearm(): void {
    this.#armed = false;
    if (this.#dirty.length > 0) this.#arm();
  }
}
