/** Streams cut into batches, and worked on in parallel with a bound: memory holds what is in work, not the stream. */

export async function* batchesOf<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncIterable<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The same items in batches of `size`, whatever they came in; the last one may be smaller. */
export async function* regrouped<T>(
  batches: AsyncIterable<readonly T[]> | Iterable<readonly T[]>,
  size: number,
): AsyncIterable<T[]> {
  let rest: T[] = [];
  for await (const batch of batches) {
    let start = 0;
    for (; rest.length + batch.length - start >= size; rest = []) {
      const end = start + size - rest.length;
      yield [...rest, ...batch.slice(start, end)];
      start = end;
    }
    rest.push(...batch.slice(start));
  }
  if (rest.length > 0) yield rest;
}

/**
 * Works on at most `limit` items at a time and takes the next one only when there is room. Rejects with the first
 * failure, of the work or of what the items come from, after what was running has ended.
 */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  limit: number | (() => number),
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const width = typeof limit === "number" ? () => limit : limit;
  try {
    for await (const item of items) {
      const task: Promise<void> = work(item)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(task));
      running.add(task);
      while (running.size >= width()) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}
