/**
 * Packed segments written as bytes. Numbers and strings of JavaScript would do the same; of a million buckets an hour
 * they are most of the work.
 */

const initialBytes = 64 * 1024;
const mostDigits = 32; // of a double's shortest text
const [zero, comma, open, close] = [0x30, 0x2c, 0x5b, 0x5d];

/** The value of a column at a position. */
export type Reader = (position: number) => number;

export class SegmentText {
  #bytes = Buffer.allocUnsafe(initialBytes);
  #length = 0;

  /** `[[1,2],[12,7],[3,null]]`: each list holds the values at `order`. NaN stands for null. */
  of(columns: readonly Reader[], order: readonly number[]): string {
    this.#length = 0;
    const needed = columns.length * (order.length * (mostDigits + 1) + 3) + 2;
    if (needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(needed * 2);
    this.#push(open);
    columns.forEach((column, i) => {
      if (i > 0) this.#push(comma);
      this.#list(column, order);
    });
    this.#push(close);
    return this.#bytes.toString("latin1", 0, this.#length);
  }

  #list(column: Reader, order: readonly number[]): void {
    this.#push(open);
    for (let i = 0; i < order.length; i++) {
      if (i > 0) this.#push(comma);
      this.#number(column(order[i]!));
    }
    this.#push(close);
  }

  /** As JSON.stringify writes it; -0 as 0. */
  #number(value: number): void {
    // 32 bits: digits by hand; anything else is rare
    if ((value | 0) === value) this.#integer(value | 0);
    else this.#text(Number.isNaN(value) ? "null" : String(value));
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

  #text(text: string): void {
    this.#length += this.#bytes.write(text, this.#length, "latin1");
  }

  #push(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }
}
