/** Which partitions a refresh has to count anew. Pure functions. */
import { type Instant, periodRange, type Range } from "../../src/model/time.ts";
import type { PartitionFiles } from "./partitions.ts";
import type { Published } from "./published.ts";

export interface Changes {
  /** All partitions that have files, oldest first. */
  readonly present: ReadonlyMap<string, PartitionFiles>;
  /** Those whose gold must be made anew. */
  readonly changed: readonly PartitionFiles[];
  /** Those that had files at the last refresh and have none now. */
  readonly vanished: readonly string[];
}

/** With a range: all partitions that touch it, and none else. */
export function findChanges(
  published: Published,
  present: ReadonlyMap<string, PartitionFiles>,
  until: Instant,
  only?: Range,
): Changes {
  const gone = [...published.lake].filter(([value]) => !present.has(value));
  if (only !== undefined)
    return {
      present,
      changed: [...present.values()].filter(({ range }) => overlaps(range, only)),
      vanished: gone.filter(([value]) => overlaps(periodRange(value), only)).map(([value]) => value),
    };
  const isChanged = ({ value, range, fingerprint }: PartitionFiles): boolean =>
    published.lake.get(value)?.fingerprint !== fingerprint || newlyCovered(published, range, until);
  return {
    present,
    changed: [...present.values()].filter(isChanged),
    vanished: gone.map(([value]) => value),
  };
}

/** Events that had been archived beyond the last coverage count from now on. */
function newlyCovered({ until: before }: Published, range: Range, until: Instant): boolean {
  return before !== null && before < range.to && range.from < until && before < until;
}

/** The part of `[from, to)` that two ranges share is not empty. */
export function overlaps(a: Range, b: Range): boolean {
  return a.from < b.to && b.from < a.to;
}
