/** What one request may read. */
import { SluiceError } from "../model/errors.ts";

/** Counted in pieces of segments: known before any of them is read. */
export class ReadBudget {
  #left: number;

  constructor(readonly most = 200_000) {
    this.#left = most;
  }

  /** Whether so many may still be read. */
  covers(pieces: number): boolean {
    return pieces <= this.#left;
  }

  /** Throws `QUERY_TOO_COMPLEX`. */
  take(pieces: number): void {
    this.#left -= pieces;
    if (this.#left < 0)
      throw new SluiceError(
        "QUERY_TOO_COMPLEX",
        `A request reads at most ${this.most} pieces of segments: keys times buckets, summed over its fields. Ask for fewer keys, a coarser grain or a shorter range.`,
      );
  }
}
