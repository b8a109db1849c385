/**
 * Memory for frames on their way into a socket. Most often the kernel takes a frame at once, and its memory serves the
 * next one; only what a socket still holds is left to it.
 */

const slabBytes = 256 * 1_024;

export class Scratch {
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  /** What is before it belongs to sockets. */
  #free = 0;

  /** Valid until the next call, unless it is kept. */
  take(bytes: number): Buffer {
    if (bytes > slabBytes) return Buffer.allocUnsafeSlow(bytes);
    if (this.#free + bytes > slabBytes) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#free = 0;
    }
    return this.#slab.subarray(this.#free, this.#free + bytes);
  }

  /** What was taken last stays as it is. */
  keep(taken: Buffer): void {
    if (taken.buffer === this.#slab.buffer) this.#free += taken.length;
  }
}
