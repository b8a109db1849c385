/** Documents of the fallback, changed by compare-and-swap until it succeeds. */
import type { Versioned } from "../../backends/control-store.ts";
import { expiryOf } from "../../model/ad-hoc-job.ts";
import type { ItemKey } from "../../model/layout.ts";
import type { AdHocDeps } from "./deps.ts";

const firstBackoffMs = 10;
const longestBackoffMs = 200;

/** A document that many write, as this process has written it last: mostly nobody has meanwhile, and it need not be read. */
export class SharedDocument<T extends object> {
  readonly #deps: Parameters<typeof change>[0];
  readonly #key: ItemKey;
  #known: Versioned<T> | null = null;

  constructor(deps: Parameters<typeof change>[0], key: ItemKey) {
    this.#deps = deps;
    this.#key = key;
  }

  /** As `change`. What is not to be changed is read before that is believed. */
  async change(edit: (current: T | null) => T | null): Promise<Versioned<T> | null> {
    const known = this.#known;
    if (known !== null) {
      const changed = await change(this.#deps, this.#key, edit, known);
      if (changed !== known) return this.#learn(changed);
    }
    return this.#learn(await change(this.#deps, this.#key, edit));
  }

  /** Of several changes at a time, the newest counts. */
  #learn(found: Versioned<T> | null): Versioned<T> | null {
    if (found !== null && found.revision > (this.#known?.revision ?? -1)) this.#known = found;
    return found;
  }
}

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
