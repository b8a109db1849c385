/** A shared subscription as a transport follows it: payloads go to the outbox, its end and its errors to whoever waits. */
import { SlowConsumerError } from "../model/errors.ts";
import type { Asked, Member, Payload, SharedOperations } from "../subscriptions/shared-operations.ts";
import type { Framing, Lane, Outbox } from "./outbox.ts";

const maxUnsent = 256 * 1024; // bytes, of who is caught up
const nobody = (): void => {};

export class Following implements Member, Lane {
  /** Resolves when the subscription is over or left, rejects with what ended it. */
  readonly over: Promise<void>;
  readonly framing: Framing;
  readonly #outbox: Outbox;
  #leave = nobody;
  #settle!: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  /** Behind the last page that was sent. */
  #cursor: string | null = null;
  /** Bytes of pages that are not sent yet, and who waits until they are fewer. */
  #unsent = 0;
  #makeRoom = nobody;

  constructor(operations: SharedOperations, asked: Asked, outbox: Outbox, framing: Framing) {
    this.over = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.framing = framing;
    this.#outbox = outbox;
    this.#leave = operations.join(asked, this);
  }

  leave(): void {
    this.#leave();
    this.#makeRoom();
    this.#outbox.drop(this);
    this.#settle.resolve();
  }

  next(payload: Payload): void {
    if (payload.at !== undefined) this.#unsent += payload.bytes.length;
    this.#outbox.add(this, payload);
  }

  done(): void {
    this.#settle.resolve();
  }

  failed(error: unknown): void {
    this.#settle.reject(error);
  }

  room(): Promise<void> | null {
    return this.#unsent <= maxUnsent ? null : new Promise((resolve) => (this.#makeRoom = resolve));
  }

  sent({ at, bytes, cursor }: Payload): void {
    if (cursor !== undefined) this.#cursor = cursor;
    if (at === undefined) return;
    this.#unsent -= bytes.length;
    if (this.#unsent <= maxUnsent) this.#makeRoom();
  }

  behind(): void {
    this.#leave();
    this.#makeRoom();
    this.#settle.reject(new SlowConsumerError(this.#cursor));
  }
}
