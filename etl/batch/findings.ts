/** What an audit found wrong: collected over all chunks of a refresh, told together. */
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";

export interface Finding {
  /** What should hold: also what findings are put together by. */
  readonly rule: string;
  /** How often it does not. */
  readonly count: number;
  /** What is counted: buckets, totals, partitions. */
  readonly unit: string;
  /** The first few, with their numbers. */
  readonly examples: readonly string[];
  readonly wayOut: string;
}

const shownExamples = 5;

export class Findings {
  readonly #byRule = new Map<string, Finding>();

  add(finding: Finding): void {
    const known = this.#byRule.get(finding.rule);
    this.#byRule.set(finding.rule, {
      ...finding,
      count: finding.count + (known?.count ?? 0),
      examples: [...(known?.examples ?? []), ...finding.examples].slice(0, shownExamples),
    });
  }

  /** Throws `REFRESH` with everything that was found; `serving` is the edition that goes on. */
  throwIfAny(product: Product, serving: string | null): void {
    if (this.#byRule.size === 0) return;
    const goesOn = serving === null ? "" : `; edition ${serving} goes on serving`;
    throw new SluiceError(
      "REFRESH",
      [
        `The audit of "${product.name}" failed. Nothing was published${goesOn}.`,
        ...[...this.#byRule.values()].flatMap(lines),
      ].join("\n"),
    );
  }
}

function lines({ rule, count, unit, examples, wayOut }: Finding): string[] {
  const more = count > examples.length ? [`    … ${count} ${unit} in all`] : [];
  return [`- ${rule}`, ...examples.map((example) => `    ${example}`), ...more, `    ${wayOut}`];
}
