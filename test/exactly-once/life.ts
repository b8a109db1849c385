/**
 * The life of one process and what may happen to its calls: it dies before one or after it, is refused, hears no answer
 * of a call that is applied or will be; it is frozen and goes on later as if nothing had been. A dead process has no
 * further effect, except that what it had sent may still arrive.
 */
import type { Scheduler } from "./scheduler.ts";

/** Per call. */
export interface Rates {
  readonly crash: number;
  readonly refused: number;
  /** The answer does not come; the call is applied, now or after it was given up. */
  readonly lost: number;
  readonly slow: number;
}

export const noFaults: Rates = { crash: 0, refused: 0, lost: 0, slow: 0 };

const latencyMs = 4;
const slowMs = 400;
const timeoutMs = 150;
const lateMs = 1_500;

export class Life {
  alive = true;
  /** Whether one of its calls was failed: then it may fail. */
  hurt = false;
  readonly stopping = new AbortController();
  readonly died: Promise<void>;
  #die!: () => void;
  #held: (() => void)[] | null = null;

  constructor(
    readonly name: string,
    readonly scheduler: Scheduler,
    readonly random: () => number,
    readonly rates: () => Rates,
  ) {
    this.died = new Promise((resolve) => (this.#die = resolve));
  }

  crash(): void {
    this.alive = false;
    this.#held = null;
    this.#die();
  }

  /** Nothing reaches the process; what it has sent is on its way. */
  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const run of held) this.#deliver(run);
  }

  /** The end of what it runs; null when it died before. */
  async ended<T>(run: Promise<T>): Promise<T | null> {
    run.catch(() => {});
    return Promise.race([run, this.died.then(() => null)]);
  }

  readonly wait = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      let over = false;
      const end = (): void => {
        if (over) return;
        over = true;
        signal?.removeEventListener("abort", end);
        this.#deliver(resolve);
      };
      signal?.addEventListener("abort", end);
      this.scheduler.in(ms, end);
    });

  call<T>(apply: () => Promise<T> | T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.alive) return;
      const { crash, refused, lost, slow } = this.rates();
      const fate = this.random();
      if (fate < crash / 2) return this.crash();
      if (fate < crash / 2 + refused) return this.#fail(latencyMs, () => reject(new Error("refused")));
      const isLost = fate > 1 - lost;
      const isLast = !isLost && fate > 1 - lost - crash / 2;
      const sent = isLost && this.random() < 0.5 ? lateMs : this.random() < slow ? slowMs : latencyMs;
      if (isLost) this.#fail(timeoutMs, () => reject(new Error("no answer")));
      this.scheduler.in(this.random() * sent, () => {
        // it had not left the machine
        if (!this.alive && this.random() < 0.3) return;
        void this.scheduler
          .work(() => settle(apply))
          .then((answer) => {
            if (isLost) return;
            if (isLast) return this.crash();
            this.#after(this.random() * latencyMs, () => answer(resolve, reject));
          });
      });
    });
  }

  /** The store as this process sees it; `streams` are its methods that answer bit by bit. */
  faulty<T extends object>(store: T, ...streams: readonly (keyof T)[]): T {
    return new Proxy(store, {
      get: (target, property, receiver) => {
        const member: unknown = Reflect.get(target, property, receiver);
        if (typeof member !== "function") return member;
        const apply = (args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (pure.has(property)) return (...args: unknown[]) => apply(args);
        if (!streams.includes(property as keyof T))
          return (...args: unknown[]) => this.call(() => apply(args));
        return (...args: unknown[]) => this.#listed(() => apply(args) as AsyncIterable<unknown>);
      },
    });
  }

  async *#listed(list: () => AsyncIterable<unknown>): AsyncIterable<unknown> {
    yield* await this.call(async () => {
      const all: unknown[] = [];
      for await (const each of list()) all.push(each);
      return all;
    });
  }

  #fail(ms: number, run: () => void): void {
    this.hurt = true;
    this.#after(ms, run);
  }

  #after(ms: number, run: () => void): void {
    this.scheduler.in(ms, () => this.#deliver(run));
  }

  #deliver(run: () => void): void {
    if (!this.alive) return;
    if (this.#held === null) run();
    else this.#held.push(run);
  }
}

/** Names of methods that ask no store. */
const pure: ReadonlySet<string | symbol> = new Set(["url", "key", "subscribe", "retained"]);

type Answer<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

async function settle<T>(apply: () => Promise<T> | T): Promise<Answer<T>> {
  try {
    const value = await apply();
    return (resolve) => resolve(value);
  } catch (error) {
    return (_, reject) => reject(error);
  }
}
