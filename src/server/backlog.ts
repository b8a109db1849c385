/** What waits for all clogged sockets of a gateway: a payload counts once, however many it waits for. */
import type { Payload } from "../subscriptions/shared-operations.ts";

export class Backlog {
  readonly #mostBytes: number;
  /** How many it waits for. */
  readonly #holders = new Map<Payload, number>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get isFull(): boolean {
    return this.#bytes > this.#mostBytes;
  }

  hold(payload: Payload): void {
    const holders = this.#holders.get(payload) ?? 0;
    if (holders === 0) this.#bytes += payload.bytes.length;
    this.#holders.set(payload, holders + 1);
  }

  /** By who holds it. */
  release(payload: Payload): void {
    const holders = this.#holders.get(payload)! - 1;
    if (holders > 0) return void this.#holders.set(payload, holders);
    this.#holders.delete(payload);
    this.#bytes -= payload.bytes.length;
  }
}
