/** Signs of life of many connections by one timer: each is due once a round, a part of them every beat. */

const roundMs = 20_000;
const beats = 40; // of a round

export class KeepAlive {
  readonly #parts = Array.from({ length: beats }, () => new Set<() => void>());
  #next = 0;
  #members = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Calls `due` once a round, the first time after a whole one. Returns the function that ends that. */
  add(due: () => void): () => void {
    const part = this.#parts[(this.#next + beats - 1) % beats]!;
    part.add(due);
    if (this.#members++ === 0) this.#timer = setInterval(() => this.#beat(), roundMs / beats);
    return () => {
      if (part.delete(due) && --this.#members === 0) clearInterval(this.#timer);
    };
  }

  #beat(): void {
    const part = this.#parts[this.#next]!;
    this.#next = (this.#next + 1) % beats;
    for (const due of part) due();
  }
}
