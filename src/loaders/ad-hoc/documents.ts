/** Documents of the fallback, changed by compare-and-swap until it succeeds. */
import type { Versioned } from "../../backends/control-store.ts";
import { expiryOf } from "../../model/ad-hoc-job.ts";
import type { ItemKey } from "../../model/layout.ts";
import type { AdHocDeps } from "./deps.ts";

const firstBackoffMs = 10;
const longestBackoffMs = 200;

/**
 * Resolves to the document as it is then; null when there is none and the edit makes none. An edit that gives back what
 * it was given, or null, writes nothing. `known` is tried first, unread.
 */
export async function change<T extends object>(
  deps: Pick<AdHocDeps, "jobs" | "clock" | "wait" | "random">,
  key: ItemKey,
  edit: (current: T | null) => T | null,
  known?: Versioned<T>,
): Promise<Versioned<T> | null> {
  const { jobs, clock, wait, random } = deps;
  let found = known ?? (await jobs.get<T>(key));
  for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(longestBackoffMs, backoffMs * 2)) {
    const value = edit(found?.value ?? null);
    if (value === null || value === found?.value) return found;
    const revision = await jobs.put(key, value, found?.revision ?? null, expiryOf(clock()));
    if (revision !== null) return { value, revision };
    await wait(random() * backoffMs);
    found = await jobs.get<T>(key);
  }
}
