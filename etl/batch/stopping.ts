/** A refresh that is asked to stop does so between two steps, before anything is published. */
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import type { RefreshOptions } from "./deps.ts";

type Stoppable = Pick<RefreshOptions, "signal">;

/** Throws `REFRESH` when the signal is aborted. */
export function checkStopped(product: Product, { signal }: Stoppable): void {
  if (signal?.aborted) throw stopped(product);
}

export function stopped({ name }: Product): SluiceError {
  return new SluiceError(
    "REFRESH",
    `The refresh of "${name}" was stopped. Nothing was published; the next one does the work.`,
  );
}
