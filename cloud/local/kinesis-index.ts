import { walkFrames } from "./kinesis-frame.ts";

const spacingBytes = 64 * 1_024; // what a reader walks at most to find its record

/** Where some frames of a segment begin, one every 64 KiB, in the order of position and of arrival. */
export class SparseIndex {
  readonly #positions: number[] = [];
  readonly #arrivals: number[] = [];

  #lastArrival = 0;

  /** Adds the frames of a block that begins at `base`; they follow those added before. */
  addBlock(block: Buffer, base: number): void {
    walkFrames(block, (frame) => {
      this.add(base + frame.start, frame.arrival);
      return true;
    });
  }

  add(position: number, arrival: number): void {
    this.#lastArrival = arrival;
    const last = this.#positions.at(-1);
    if (last !== undefined && position - last < spacingBytes) return;
    this.#positions.push(position);
    this.#arrivals.push(arrival);
  }

  /** The closest known frame at or before a position; undefined for an empty segment. */
  atOrBefore(position: number): number | undefined {
    return (
      this.#positions[countWhile(this.#positions, (known) => known <= position) - 1] ?? this.#positions[0]
    );
  }

  /** The closest known frame that arrived before a time, or the first one. */
  arrivedBefore(arrival: number): number | undefined {
    return this.#positions[countWhile(this.#arrivals, (known) => known < arrival) - 1] ?? this.#positions[0];
  }

  /** When the first frame arrived; undefined for an empty segment. */
  get firstArrival(): number | undefined {
    return this.#arrivals[0];
  }

  /** When the last frame arrived, ms; 0 for an empty segment. */
  get lastArrival(): number {
    return this.#lastArrival;
  }
}

/** How many of the sorted numbers hold, by bisection. */
function countWhile(sorted: readonly number[], holds: (value: number) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
