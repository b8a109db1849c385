/** The type of a product's growth: one number per stored measure, extremes left out. */
import { ObjectType } from "type-graphql";
import type { Measure, Product } from "../model/product.ts";
import type { Class } from "../model/source.ts";

/** `FlightActivityGrowth`. */
export const growthName = ({ name }: Product): string => `${name}Growth`;

const growing: readonly Measure["expression"]["kind"][] = ["count", "countIf", "sum", "avg", "ratio"];

/** The measures that have a growth. */
export function growingMeasures({ measures }: Product): readonly Measure[] {
  return measures.filter(({ precomputed, expression }) => precomputed && growing.includes(expression.kind));
}

const declared = new WeakMap<Product, Class>();

/** Declared once per product, however many schemas serve it. */
export function growthType(product: Product): Class {
  const type = declared.get(product) ?? declare(product);
  declared.set(product, type);
  return type;
}

function declare(product: Product): Class {
  const type = class {};
  ObjectType(growthName(product), {
    description: `How much the measures of ${product.name} have changed: (now - before) / |before|, so 0.1 is 10 % more. Null without a before, where that is 0, and where either range is not complete.`,
  })(type);
  return type;
}
