/**
 * Packed segments written as bytes. Numbers and strings of JavaScript would do the same; of a million buckets an hour
 * they are most of the work.
 */

const initialBytes = 64 * 1024;
const mostDigits = 32; // of a double's shortest text
const [zero, comma, open, close] = [0x30, 0x2c, 0x5b, 0x5d];

/** The value of a column at a position. */
export type Reader = (position: number) => number;

/** The text of a value of a column, or an error of the caller's. */
export type Shown = (column: number, value: number) => string;

export class SegmentText {
  #bytes = Buffer.allocUnsafe(initialBytes);
  #length = 0;

  /**
   * `[[1,2],[12,7],[3,null]]`: each list holds the values at `order`. `shown` is asked for the text of whatever is no
   * integer of 32 bits.
   */
  of(columns: readonly Reader[], order: readonly number[], shown: Shown): string {
    this.#length = 0;
    const needed = columns.length * (order.length * (mostDigits + 1) + 3) + 2;
    if (needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(needed * 2);
    this.#push(open);
    for (let i = 0; i < columns.length; i++) {
      if (i > 0) this.#push(comma);
      this.#list(columns, i, order, shown);
    }
    this.#push(close);
    return this.#bytes.toString("latin1", 0, this.#length);
  }

  #list(columns: readonly Reader[], position: number, order: readonly number[], shown: Shown): void {
    const column = columns[position]!;
    this.#push(open);
    for (let i = 0; i < order.length; i++) {
      if (i > 0) this.#push(comma);
      const value = column(order[i]!);
      if ((value | 0) === value) this.#integer(value | 0);
      else this.#length += this.#bytes.write(shown(position, value), this.#length, "latin1");
    }
    this.#push(close);
  }

  #integer(value: number): void {
    if (value < 0) {
      this.#push(0x2d);
      value = -value;
    }
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const rest = (value / 10) >>> 0;
      this.#bytes[at] = zero + (value - rest * 10);
      value = rest;
    }
    this.#length += digits;
  }

  #push(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }
}
