import { FairQueue } from "./queue.ts";

/** Lets so many through at a time: tenants take turns, each one's in the order they came. */
export class Turnstile {
  #free: number;
  readonly #waiting = new FairQueue<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  async pass<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.join(tenant, resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.next();
      if (next === null) this.#free++;
      else next();
    }
  }
}
