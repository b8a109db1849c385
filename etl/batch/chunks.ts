/** Work in portions: so many partitions fit one statement, so many documents are written at a time, one year is loaded at a time. */

export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

const parallelWrites = 32;

/** Works on all items, a bounded number at a time. */
export async function forEachInParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  for (const some of chunksOf(items, parallelWrites)) await Promise.all(some.map(work));
}

/** The items by what `keyOf` says of them, in the order of their first. */
export function groupedBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
