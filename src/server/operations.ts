/** Operations of a WebSocket, as the streams that graphql-ws follows and stops. */
import { execute, type ExecutionArgs, type ExecutionResult } from "graphql";
import type { Asked, SharedOperations } from "../subscriptions/shared-operations.ts";
import { Following } from "./follow.ts";
import { NextFrames, type OperationSocket } from "./socket.ts";

/** What graphql-ws hands on from `onSubscribe`: a query or a mutation. */
export interface Once extends ExecutionArgs {
  /** Aborts what its session waits for. */
  readonly left: AbortController;
}

/** The same of a subscription, whose executions have contexts of their own. */
export interface Subscription extends ExecutionArgs {
  readonly asked: Asked;
  readonly id: string;
  readonly socket: OperationSocket;
}

type Step = IteratorResult<ExecutionResult, void>;

/**
 * An async generator, as far as graphql-ws needs one. Where the client has left, nothing comes any more, not even the end:
 * by then the operation's id may be another one's, and graphql-ws would end that. A class: ten thousand sockets share
 * its functions.
 */
abstract class Stream implements AsyncGenerator<ExecutionResult, void, void> {
  #left = false;

  protected abstract step(): Promise<Step>;
  protected abstract leave(): void;

  next(): Promise<Step> {
    return this.step().then(
      (step) => (this.#left ? never() : step),
      (error: unknown) => {
        if (this.#left) return never();
        throw error;
      },
    );
  }

  async return(): Promise<Step> {
    this.#left = true;
    this.leave();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<never> {
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
  }
}

const never = (): Promise<never> => new Promise(() => {});

/** A query as a stream of one answer: graphql-ws stops streams, and nothing else, when the client leaves. */
export class OneAnswer extends Stream {
  readonly #args: Once;
  #asked = false;

  constructor(args: Once) {
    super();
    this.#args = args;
  }

  protected async step(): Promise<Step> {
    if (this.#asked) return { done: true, value: undefined };
    this.#asked = true;
    return { done: false, value: await execute(this.#args) };
  }

  protected leave(): void {
    this.#args.left.abort();
  }
}

/** A subscription as a stream of nothing, that ends or fails when the subscription does: its payloads go past graphql-ws. */
export class Followed extends Stream {
  readonly #args: Subscription;
  readonly #operations: SharedOperations;
  #following: Following | null = null;

  constructor(args: Subscription, operations: SharedOperations) {
    super();
    this.#args = args;
    this.#operations = operations;
  }

  protected async step(): Promise<Step> {
    const { asked, id, socket } = this.#args;
    this.#following = new Following(this.#operations, asked, socket.outbox, new NextFrames(id));
    await this.#following.over;
    return { done: true, value: undefined };
  }

  protected leave(): void {
    this.#following?.leave();
  }
}
