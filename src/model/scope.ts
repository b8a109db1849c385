/**
 * Whose data may be read. Every key builder takes a scope, so that no key can be built without deciding on one.
 */
import { SluiceError } from "./errors.ts";
import type { Value } from "./values.ts";

export interface Scope {
  /** Whose place in the queue and whose budget it is; what one tenant asked is never handed to another. */
  readonly tenant: string;
  readonly role: "system" | "analyst";
  /** Dimension values every slice is held to; empty for whoever may see all rows. */
  readonly rows: Readonly<Record<string, Value>>;
}

/** The refresh and the micro-batches: they write for everybody. */
export const systemScope: Scope = Object.freeze({
  tenant: "system",
  role: "system",
  rows: Object.freeze({}),
});
/** Company staff: all rows, ad-hoc fields allowed. */
export const analystScope: Scope = Object.freeze({
  tenant: "company",
  role: "analyst",
  rows: Object.freeze({}),
});

/** Throws `FORBIDDEN` unless the key of a rollup lies within the scope. */
export function assertWithin(scope: Scope, dimensions: readonly string[], key: readonly Value[]): void {
  for (const [dimension, value] of Object.entries(scope.rows)) {
    const position = dimensions.indexOf(dimension);
    if (position < 0 || key[position] !== value)
      throw new SluiceError("FORBIDDEN", "This slice is outside of what the viewer may see.");
  }
}
