/**
 * Text of numbers, written into bytes that are used again: text that is added to keeps every piece of it, and the text
 * of a number is one more string to make.
 */
export class AsciiText {
  #bytes = Buffer.allocUnsafe(1_024);
  #length = 0;

  clear(): void {
    this.#length = 0;
  }

  /** A character by its code. */
  char(code: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = code;
  }

  text(ascii: string): void {
    this.#reserve(ascii.length);
    for (let i = 0; i < ascii.length; i++) this.#bytes[this.#length++] = ascii.charCodeAt(i);
  }

  /** A number as JavaScript shows it. */
  number(value: number): void {
    if (value === (value | 0)) this.#int(value);
    else this.text(`${value}`);
  }

  toString(): string {
    return this.#bytes.toString("latin1", 0, this.#length);
  }

  #int(value: number): void {
    let rest = Math.abs(value);
    let digits = 1;
    for (let bound = 10; rest >= bound; bound *= 10) digits++;
    this.#reserve(digits + 1);
    if (value < 0) this.#bytes[this.#length++] = 0x2d;
    this.#length += digits;
    for (let i = 1; i <= digits; i++) {
      const tenth = Math.floor(rest / 10);
      this.#bytes[this.#length - i] = 0x30 + rest - tenth * 10;
      rest = tenth;
    }
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const bytes = Buffer.allocUnsafe(2 * (this.#length + length));
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
  }
}
