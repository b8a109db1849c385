/** Following a broadcast: a generator that sleeps until something changes, and can be cancelled in its sleep. */

/** Remembers that something changed until it is taken, however often it was raised meanwhile. */
export interface Latch {
  raise(): void;
  /** Resolves once raised, at once if it is, and takes it back. */
  taken(): Promise<void>;
}

export function latch(): Latch {
  let raised = false;
  let wake: (() => void) | undefined;
  return {
    raise: () => {
      raised = true;
      wake?.();
    },
    taken: async () => {
      if (!raised) await new Promise<void>((resolve) => (wake = resolve));
      raised = false;
    },
  };
}

/**
 * Runs a generator that follows changes. `return()` of a sleeping async generator waits until it wakes, so it is woken:
 * `change` is raised and `ended` says why.
 */
export function following<T>(
  run: (change: Latch, ended: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const change = latch();
  const ended = new AbortController();
  const inner = run(change, ended.signal);
  const stop = () => {
    ended.abort();
    change.raise();
  };
  const outer = {
    next: () => inner.next(),
    return: () => {
      stop();
      return inner.return();
    },
    throw: (error: unknown) => {
      stop();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]: () => outer,
  } as AsyncGenerator<T, void, undefined>;
  return outer;
}
