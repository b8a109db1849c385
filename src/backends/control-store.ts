/** Small documents changed by compare-and-swap: manifests, checkpoints, archive records (types in `model/control.ts`). */
import type { ItemKey } from "../model/layout.ts";
import type { Instant } from "../model/time.ts";

export interface Versioned<T> {
  readonly value: T;
  /** Rises with every write of the document. */
  readonly revision: number;
}

export interface ControlStore {
  /** The document, read consistently, or null when there is none. */
  get<T>(key: ItemKey): Promise<Versioned<T> | null>;
  /**
   * Writes the document if its revision still is `expected` (null: it does not exist; "any": whatever it is).
   * Resolves to the new revision, or null when another writer was first: then nothing is written. It may vanish some
   * time after `expires`; without it, it stays.
   */
  put(
    key: ItemKey,
    value: object,
    expected: number | null | "any",
    expires?: Instant,
  ): Promise<number | null>;
  /** Removes documents. Idempotent: one that is gone stays gone. */
  remove(keys: readonly ItemKey[]): Promise<void>;
  /** All documents of a partition key in order of their sort keys. */
  list<T>(
    pk: string,
    options?: { readonly descending?: boolean; readonly first?: number },
  ): Promise<(Versioned<T> & ItemKey)[]>;
}
