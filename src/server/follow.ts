/** A shared subscription as a transport follows it: payloads go to the outbox, its end and its errors to whoever waits. */
import { SlowConsumerError } from "../model/errors.ts";
import type { Asked, Member, Payload, SharedOperations } from "../subscriptions/shared-operations.ts";
import type { Framing, Lane, Outbox } from "./outbox.ts";

export class Following implements Member, Lane {
  /** Resolves when the subscription is over or left, rejects with what ended it. */
  readonly over: Promise<void>;
  readonly framing: Framing;
  readonly #outbox: Outbox;
  #leave = (): void => {};
  #settle!: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  /** Behind the last page that was sent. */
  #cursor: string | null = null;

  constructor(operations: SharedOperations, asked: Asked, outbox: Outbox, framing: Framing) {
    this.over = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.framing = framing;
    this.#outbox = outbox;
    this.#leave = operations.join(asked, this);
  }

  leave(): void {
    this.#leave();
    this.#outbox.drop(this);
    this.#settle.resolve();
  }

  next(payload: Payload): void {
    this.#outbox.add(this, payload);
  }

  done(): void {
    this.#settle.resolve();
  }

  failed(error: unknown): void {
    this.#settle.reject(error);
  }

  sent({ cursor }: Payload): void {
    if (cursor !== undefined) this.#cursor = cursor;
  }

  behind(): void {
    this.#leave();
    this.#settle.reject(new SlowConsumerError(this.#cursor));
  }
}
