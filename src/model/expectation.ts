/**
 * What a product promises of its own numbers. The refresh checks it on the gold that it has just counted, before
 * anybody reads it: a promise that does not hold leaves the previous edition serving.
 */
import { bracedColumn } from "./expression.ts";
import type { Product, Rollup } from "./product.ts";

/** Inclusive; null where there is none. */
export interface Bounds {
  readonly min: number | null;
  readonly max: number | null;
}

interface Described {
  readonly description: string | null;
}

export interface RowCountExpectation extends Described, Bounds {
  readonly kind: "rowCount";
  readonly per: "edition" | "partition";
}

/** One that holds, or does not, in a bucket of a rollup. Rollups are named by their dimensions; null means all. */
export type BucketExpectation = Described &
  (
    | { readonly kind: "notNull"; readonly name: string }
    | ({
        readonly kind: "between";
        readonly measure: string;
        readonly rollup: readonly string[] | null;
      } & Bounds)
    | { readonly kind: "sql"; readonly text: string; readonly rollup: readonly string[] | null }
  );

export type Expectation = RowCountExpectation | BucketExpectation;

interface DescriptionOption {
  /** Why it holds: shown when it does not. */
  readonly description?: string;
}

interface BoundOptions extends DescriptionOption {
  readonly min?: number;
  readonly max?: number;
}

interface RollupOption extends DescriptionOption {
  /** The dimensions of the only rollup that is looked at: `[]` is the total. */
  readonly rollup?: readonly string[];
}

/** `@DataProduct({ expectations: [expect.rowCount({ min: 1 }), …] })`. Buckets are those of a rollup's finest grain. */
export const expect = {
  /** How many events the whole edition counts, or each lake partition that the refresh counted. */
  rowCount: ({ min, max, per, description }: BoundOptions & { readonly per?: "partition" }): Expectation =>
    Object.freeze({
      kind: "rowCount",
      ...bounds(min, max),
      per: per ?? "edition",
      ...described(description),
    }),

  /** A dimension or stored measure is null in no bucket. */
  notNull: (name: string, { description }: DescriptionOption = {}): Expectation =>
    Object.freeze({ kind: "notNull", name, ...described(description) }),

  /** A stored measure lies within the bounds in every bucket; null passes. */
  between: (measure: string, { min, max, rollup, description }: BoundOptions & RollupOption): Expectation =>
    Object.freeze({
      kind: "between",
      measure,
      ...bounds(min, max),
      ...within(rollup),
      ...described(description),
    }),

  /**
   * A condition over dimensions and stored measures in braces, `expect.sql("{late} <= {orders}")`, is true or null in
   * every bucket of the rollups that have all dimensions it names. DuckDB evaluates it (the refresh reads gold there),
   * not Athena: `/` divides integers to doubles. It is a declaration's text and never a client's.
   */
  sql: (text: string, { rollup, description }: RollupOption = {}): Expectation =>
    Object.freeze({ kind: "sql", text, ...within(rollup), ...described(description) }),
};

const bounds = (min: number | undefined, max: number | undefined): Bounds => ({
  min: min ?? null,
  max: max ?? null,
});

const within = (rollup: readonly string[] | undefined) => ({
  rollup: rollup === undefined ? null : Object.freeze([...rollup]),
});

const described = (description: string | undefined): Described => ({ description: description ?? null });

/** The dimensions and measures that it looks at. */
export function namesIn(expectation: BucketExpectation): readonly string[] {
  switch (expectation.kind) {
    case "notNull":
      return [expectation.name];
    case "between":
      return [expectation.measure];
    case "sql":
      return [...new Set([...expectation.text.matchAll(bracedColumn)].map(([, name]) => name!))];
  }
}

/** The rollups whose buckets it is about. */
export function rollupsOf(
  product: Pick<Product, "rollups" | "dimensions">,
  expectation: BucketExpectation,
): readonly Rollup[] {
  const named = namesIn(expectation).filter((name) =>
    product.dimensions.some(({ property }) => property === name),
  );
  const only = "rollup" in expectation ? expectation.rollup : null;
  return product.rollups.filter(
    ({ dimensions }) =>
      named.every((name) => dimensions.includes(name)) && (only === null || sameSet(dimensions, only)),
  );
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

/** As it is declared: `expect.between("late", { min: 0 })`. */
export function expectationText(expectation: Expectation): string {
  const {
    min = null,
    max = null,
    per = "edition",
    rollup = null,
  } = { ...expectation } as Partial<
    Bounds & Pick<RowCountExpectation, "per"> & { rollup: readonly string[] | null }
  >;
  const options = Object.entries({ min, max, per: per === "edition" ? null : per, rollup })
    .filter(([, value]) => value !== null)
    .map(([option, value]) => `${option}: ${typeof value === "number" ? value : JSON.stringify(value)}`);
  const subject = subjectOf(expectation);
  const parts = [
    ...(subject === null ? [] : [JSON.stringify(subject)]),
    ...(options.length === 0 ? [] : [`{ ${options.join(", ")} }`]),
  ];
  return `expect.${expectation.kind}(${parts.join(", ")})`;
}

function subjectOf(expectation: Expectation): string | null {
  switch (expectation.kind) {
    case "rowCount":
      return null;
    case "notNull":
      return expectation.name;
    case "between":
      return expectation.measure;
    case "sql":
      return expectation.text;
  }
}
