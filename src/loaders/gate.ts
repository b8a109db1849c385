/**
 * When a request's batches go out. A question needs its manifest before its keys are known, and questions of one
 * request learn theirs at different moments; batches wait until none is still planning, so that one request makes one
 * statement per source and as few reads as possible.
 */

/**
 * Reads wait for plans. Statements wait for those and for what has to read before it knows what to ask: which groups
 * there are, say.
 */
export class Gates {
  readonly reading = new Gate();
  readonly asking = new Gate();

  /** Runs `plan`, which reads nothing in batches; no batch goes out while it runs. */
  plan<T>(plan: () => Promise<T>): Promise<T> {
    return this.asking.plan(() => this.reading.plan(plan));
  }

  /** Runs `explore`, which may read but asks no statement; no statement goes out while it runs. */
  explore<T>(explore: () => Promise<T>): Promise<T> {
    return this.asking.plan(explore);
  }
}

export class Gate {
  #planning = 0;
  #waiting: (() => void)[] = [];

  /** Runs `plan`; no batch goes out while it runs. */
  async plan<T>(plan: () => Promise<T>): Promise<T> {
    this.#planning++;
    try {
      return await plan();
    } finally {
      this.#planning--;
      this.#release();
    }
  }

  /** DataLoader's `batchScheduleFn`. */
  readonly schedule = (dispatch: () => void): void => {
    this.#waiting.push(dispatch);
    this.#release();
  };

  /** setImmediate: the resolvers that the last plan has set free run first and add what they want. */
  #release(): void {
    if (this.#planning > 0 || this.#waiting.length === 0) return;
    setImmediate(() => {
      if (this.#planning > 0) return;
      for (const dispatch of this.#waiting.splice(0)) dispatch();
    });
  }
}
