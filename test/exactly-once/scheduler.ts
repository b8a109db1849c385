/**
 * Virtual time: what is due is run one after the other, and what that sets free settles before the next. Nothing waits
 * for real time, and a seed repeats a history.
 */

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  /** Milliseconds since the history began. */
  now = 0;
  steps = 0;
  readonly #queue: Due[] = [];
  #order = 0;
  #working = 0;
  #rested: () => void = () => {};

  /** Runs something so many milliseconds from now; of what is due at once, what was asked for first. */
  in(ms: number, run: () => void): void {
    const due = { at: this.now + Math.max(0, ms), order: this.#order++, run };
    let place = this.#queue.push(due) - 1;
    for (let parent: number; place > 0; place = parent) {
      parent = (place - 1) >> 1;
      if (!isBefore(due, this.#queue[parent]!)) break;
      this.#queue[place] = this.#queue[parent]!;
    }
    this.#queue[place] = due;
  }

  /** Time stands still while real work is done: a call that the network carries, say. */
  async work<T>(run: () => Promise<T> | T): Promise<T> {
    this.#working++;
    try {
      return await run();
    } finally {
      if (--this.#working === 0) this.#rested();
    }
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.in(ms, resolve));
  }

  /** Until `main` is settled. Rejects when nothing is due any more, or when it takes more than so many steps. */
  async run<T>(main: Promise<T>, maxSteps: number, stuck: () => string): Promise<T> {
    let settled = false;
    const watched = main.finally(() => (settled = true));
    watched.catch(() => {});
    for (let idle = 0; idle < settlingTurns && this.steps < maxSteps; ) {
      await new Promise((resolve) => setImmediate(resolve));
      if (settled) return watched;
      if (this.#working > 0) {
        await new Promise<void>((resolve) => (this.#rested = resolve));
        continue;
      }
      const due = this.#next();
      idle = due === null ? idle + 1 : 0;
      due?.run();
    }
    throw new Error(`The history is stuck after ${this.steps} steps, at ${this.now} ms: ${stuck()}`);
  }

  #next(): Due | null {
    const first = this.#queue[0];
    if (first === undefined) return null;
    const last = this.#queue.pop()!;
    if (this.#queue.length > 0) this.#sink(last);
    this.now = first.at;
    this.steps++;
    return first;
  }

  #sink(due: Due): void {
    const queue = this.#queue;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child++;
      if (!isBefore(queue[child]!, due)) break;
      queue[place] = queue[child]!;
      place = child;
    }
    queue[place] = due;
  }
}

/** The gates of readers let a turn of the event loop pass now and then. */
const settlingTurns = 10;

const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
