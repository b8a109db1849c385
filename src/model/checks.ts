/** The rules of a product declaration. Each error says the rule, what arrived and the way out. */
import { DeclarationError, suggestion } from "./errors.ts";
import { checkExpectation } from "./expectation-checks.ts";
import { sameSet } from "./expectation.ts";
import { checkExpression } from "./expression-checks.ts";
import { sourceRollup } from "./gold.ts";
import type { Product, Rollup } from "./product.ts";
import { graphqlName, type Source } from "./source.ts";
import { storedGrains } from "./time.ts";

/** Fields that every product has besides its dimensions and measures. */
const ownFields = ["id", "from", "to", "complete", "series", "previous", "growth"];

/** Throws `DeclarationError` on the first rule that the product breaks. */
export function checkProduct(product: Product): void {
  checkNames(product);
  if (product.measures.length === 0)
    throw new DeclarationError(
      `A product has measures. "${product.name}" has none. Add for example @Measure(columns(${product.source.name}).count(), { description: "…" }).`,
    );
  for (const { expression } of product.measures)
    checkExpression(product.source, expression, `Product "${product.name}"`);
  if (product.rollups.length === 0)
    throw new DeclarationError(
      `A product has at least one rollup. "${product.name}" has none. Add rollup([], { grains: ["DAY"] }) for the total.`,
    );
  for (const rollup of product.rollups) checkRollup(product, rollup);
  const twice = product.rollups.find(
    (rollup, i) => product.rollups.findIndex((other) => sameSet(other.dimensions, rollup.dimensions)) !== i,
  );
  if (twice !== undefined)
    throw new DeclarationError(
      `A set of dimensions is rolled up once. "${product.name}" has two rollups of ${show(twice)}.`,
    );
  for (const expectation of product.expectations) checkExpectation(product, expectation);
}

function checkNames(product: Product): void {
  const names = [
    ...product.dimensions.map((dimension) => dimension.property),
    ...product.measures.map((m) => m.name),
  ];
  checkName(product, product.name);
  names.forEach((name, i) => {
    checkName(product, name);
    if (ownFields.includes(name))
      throw new DeclarationError(
        `Every product has a field "${name}" of its own. Rename it in "${product.name}".`,
      );
    if (names.indexOf(name) !== i)
      throw new DeclarationError(
        `A dimension or measure is declared once. "${product.name}" declares "${name}" twice.`,
      );
  });
}

function checkName(product: Product, name: string): void {
  if (!graphqlName.test(name) || name.startsWith("__"))
    throw new DeclarationError(
      `Names are letters, digits and "_", without "__" in front (GraphQL). "${product.name}" has "${name}".`,
    );
}

/** A rollup is named by its dimensions; a row of gold that belongs to no rollup has a name of its own. */
function checkRollupName(product: Product, rollup: Rollup): void {
  const [dimension] = rollup.dimensions;
  if (dimension !== undefined && ["total", sourceRollup].includes(rollup.name))
    throw new DeclarationError(
      `"${rollup.name}" names what is rolled up over no dimension. "${product.name}" rolls up dimension "${dimension}" alone. Name the property otherwise: @Column(…, { name: "${dimension}" }).`,
    );
}

function checkRollup(product: Product, rollup: Rollup): void {
  const dimensions = product.dimensions.map((dimension) => dimension.property);
  for (const dimension of rollup.dimensions)
    if (!dimensions.includes(dimension))
      throw new DeclarationError(
        `A rollup is over dimensions of the product. "${product.name}" has no dimension "${dimension}".${suggestion(dimension, dimensions)}`,
      );
  if (new Set(rollup.dimensions).size < rollup.dimensions.length)
    throw new DeclarationError(`A rollup names a dimension once. "${product.name}" has ${show(rollup)}.`);
  if (rollup.grains.length === 0)
    throw new DeclarationError(
      `A rollup has grains out of ${storedGrains.join(", ")}. Rollup ${show(rollup)} of "${product.name}" has none of them.`,
    );
  checkRollupName(product, rollup);
  checkTop(product, rollup);
  checkLive(product.source, product, rollup);
}

/** More do not fit an item. */
const mostOnBoard = 10_000;

function checkTop(product: Product, rollup: Rollup): void {
  if (rollup.top === null) return;
  if (!Number.isInteger(rollup.top.n) || rollup.top.n < 1 || rollup.top.n > mostOnBoard)
    throw new DeclarationError(
      `A leaderboard holds 1 to ${mostOnBoard} keys. Rollup ${show(rollup)} of "${product.name}" has top: ${rollup.top.n}.`,
    );
  if (!product.measures.some(({ precomputed }) => precomputed))
    throw new DeclarationError(
      `A leaderboard ranks by stored measures. "${product.name}" stores none, and rollup ${show(rollup)} has top. Drop top, or declare a mergeable @Measure.`,
    );
  for (const dimension of rollup.top.within)
    if (!rollup.dimensions.includes(dimension))
      throw new DeclarationError(
        `"within" names dimensions of its rollup. Rollup ${show(rollup)} of "${product.name}" has no "${dimension}".${suggestion(dimension, rollup.dimensions)}`,
      );
  if (new Set(rollup.top.within).size >= rollup.dimensions.length)
    throw new DeclarationError(
      `A leaderboard ranks keys by at least one dimension that it is not within. Rollup ${show(rollup)} of "${product.name}" has none left. Drop top, or a dimension from within.`,
    );
}

function checkLive(source: Source, product: Product, rollup: Rollup): void {
  if (rollup.live && source.stream === null)
    throw new DeclarationError(
      `A live rollup needs a stream. Source "${source.name}" has none. Add stream: "…" to its @Source, or drop live: true from rollup ${show(rollup)} of "${product.name}".`,
    );
}

function show(rollup: Rollup): string {
  return `[${rollup.dimensions.join(", ")}]`;
}
