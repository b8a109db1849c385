/** The rules of a product's expectations. Each error says the rule, what arrived and the way out. */
import { DeclarationError, suggestion } from "./errors.ts";
import {
  type BucketExpectation,
  type Bounds,
  type Expectation,
  expectationText,
  namesIn,
  rollupsOf,
  sameSet,
} from "./expectation.ts";
import { bracedColumn } from "./expression.ts";
import type { Product } from "./product.ts";

/** Throws `DeclarationError` on the first rule that an expectation breaks. */
export function checkExpectation(product: Product, expectation: Expectation): void {
  if ("min" in expectation) checkBounds(product, expectation);
  if (expectation.kind === "rowCount") return;
  if (expectation.kind === "sql") checkText(product, expectation.text);
  for (const name of namesIn(expectation)) checkName(product, expectation, name);
  checkRollups(product, expectation);
}

function checkBounds(product: Product, expectation: Expectation & Bounds): void {
  const { min, max, kind } = expectation;
  const given = [min, max].filter((bound) => bound !== null);
  const refuse = (rule: string): never => {
    throw new DeclarationError(`${rule}. "${product.name}" has ${expectationText(expectation)}.`);
  };
  if (given.length === 0) refuse("An expectation with bounds has min, max or both");
  if (!given.every(Number.isFinite)) refuse("A bound is a finite number");
  if (min !== null && max !== null && min > max) refuse("min is at most max");
  if (kind === "rowCount" && !given.every((bound) => Number.isSafeInteger(bound) && bound >= 0))
    refuse("Events are counted in whole numbers from 0");
}

function checkText(product: Product, text: string): void {
  const rest = text.replaceAll(bracedColumn, "");
  if (/[{}]/.test(rest) || rest === text)
    throw new DeclarationError(
      `Dimensions and measures of an expectation stand in braces, {like} this. "${product.name}" has: ${text}`,
    );
  if (text.includes("?") || text.includes(";"))
    throw new DeclarationError(
      `An sql expectation is one condition without "?" or ";". "${product.name}" has: ${text}`,
    );
}

/** What is not stored per bucket cannot be looked at. */
function checkName(product: Product, expectation: BucketExpectation, name: string): void {
  const dimensions = expectation.kind === "between" ? [] : product.dimensions.map(({ property }) => property);
  const stored = product.measures.filter(({ precomputed }) => precomputed).map((measure) => measure.name);
  if (dimensions.includes(name) || stored.includes(name)) return;
  const what = expectation.kind === "between" ? "a stored measure" : "dimensions and stored measures";
  const which = product.measures.some((measure) => measure.name === name)
    ? `computes "${name}" when it is asked for`
    : `has no "${name}"`;
  throw new DeclarationError(
    `${expectationText(expectation)} is about ${what}: a @Measure that is mergeable. "${product.name}" ${which}.${suggestion(name, [...dimensions, ...stored])}`,
  );
}

function checkRollups(product: Product, expectation: BucketExpectation): void {
  const only = "rollup" in expectation ? expectation.rollup : null;
  const declared = product.rollups.map(({ dimensions }) => show(dimensions));
  if (only !== null && !product.rollups.some(({ dimensions }) => sameSet(dimensions, only)))
    throw new DeclarationError(
      `An expectation names a rollup by its dimensions. "${product.name}" has no rollup ${show(only)}.${suggestion(show(only), declared)}`,
    );
  if (rollupsOf(product, expectation).length === 0)
    throw new DeclarationError(
      `An expectation is checked in the rollups that have all dimensions it names. "${product.name}" has none ${only === null ? "" : `that is ${show(only)} `}for ${expectationText(expectation)}. Rollups: ${declared.join(", ")}.`,
    );
}

function show(dimensions: readonly string[]): string {
  return `[${dimensions.join(", ")}]`;
}
