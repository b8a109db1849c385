/** What one shard of Kinesis takes per second. */
export const shardWriteLimit = { recordsPerSecond: 1_000, bytesPerSecond: 1_048_576 } as const;

/** A bucket that holds one second's worth of records and bytes and fills continuously. */
export class WriteAllowance {
  #records: number = shardWriteLimit.recordsPerSecond;
  #bytes: number = shardWriteLimit.bytesPerSecond;
  #filledAt: number;

  constructor(now: number) {
    this.#filledAt = now;
  }

  /** Takes one record of this many bytes out; false, and nothing taken, where the second is used up. */
  take(bytes: number, now: number): boolean {
    this.#fill(now);
    if (this.#records < 1 || this.#bytes < bytes) return false;
    this.#records -= 1;
    this.#bytes -= bytes;
    return true;
  }

  #fill(now: number): void {
    const seconds = Math.max(0, now - this.#filledAt) / 1_000;
    const { recordsPerSecond, bytesPerSecond } = shardWriteLimit;
    this.#records = Math.min(recordsPerSecond, this.#records + seconds * recordsPerSecond);
    this.#bytes = Math.min(bytesPerSecond, this.#bytes + seconds * bytesPerSecond);
    this.#filledAt = now;
  }
}
