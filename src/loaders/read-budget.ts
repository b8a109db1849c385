/** What one request may read. */
import { SluiceError } from "../model/errors.ts";

/**
 * Counted in pieces of segments and buckets of series, stored or not: known before any of them is read. A bucket of one
 * key counts twice, so that ten of the longest series fit.
 */
export class ReadBudget {
  #left: number;

  constructor(readonly most = 200_000) {
    this.#left = most;
  }

  /** Whether so many may still be read. */
  covers(pieces: number): boolean {
    return pieces <= this.#left;
  }

  /** Throws `QUERY_TOO_COMPLEX`, and takes nothing then: what was granted stays so. */
  take(pieces: number): void {
    if (!this.covers(pieces))
      throw new SluiceError(
        "QUERY_TOO_COMPLEX",
        `A request reads and shows at most ${this.most} pieces of segments and buckets of series: keys times buckets, summed over its fields and groups. Ask for fewer keys or groups, a coarser grain or a shorter range.`,
      );
    this.#left -= pieces;
  }
}
