/** Which live items may go: those of periods that every manifest covers that may be current again. */
import type { Manifest } from "../../src/model/control.ts";
import { endOf } from "../batch/reached.ts";
import { iso } from "./oracle.ts";

interface Published {
  readonly version: number;
  readonly until: number;
}

export class Retention {
  readonly #kept = new Map<string, readonly Published[]>();

  published(product: string, { version, coverage: { until }, keeps }: Manifest): void {
    const all = [...(this.#kept.get(product) ?? []), { version, until }];
    this.#kept.set(
      product,
      all.filter((each) => each.version >= keeps),
    );
  }

  /** Throws where a version that is kept is read with the item. */
  checkSwept({ pk, sk }: { readonly pk: string; readonly sk: string }): void {
    const [product = "", , , , period = ""] = pk.split("#");
    const needing = (this.#kept.get(product) ?? []).find(({ until }) => endOf(period) > until);
    if (needing !== undefined)
      throw new Error(
        `Item ${pk} ${sk} was swept, which version ${needing.version} needs: it covers up to ${iso(needing.until)}.`,
      );
  }
}
